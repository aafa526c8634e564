"""Post, edit and delete messages without a gateway connection, and classify Discord's errors.

discord.py sends `nonce` with `enforce_nonce`, so a post repeated within minutes returns the first message
instead of creating another. discord.py's own retries after a 5xx are therefore safe in channels.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import discord

from bot.discord_errors import is_outage
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text.file_names import belongs_to, without_suffix
from bot.ui.custom_ids import Action, RunId
from bot.ui.message_parts import ChannelName, OutgoingMessage, markers
from bot.ui.views import posted_layout

log = logging.getLogger(__name__)
_TOO_LARGE = 40005
# Codes of a 400 that concerns the place, not the message: the channel takes no text, the thread is archived
# or locked, or the interaction has used up its follow-ups.
_CLOSED = frozenset({50008, 50083, 160005, 40094})
_LOOKBACK = timedelta(minutes=2)
_HISTORY = 500


class PostError(Exception):
    """A call to Discord failed, or it isn't known whether the call succeeded."""


class Unreachable(PostError):
    """Nothing was posted, and a retry won't help: the bot lacks access, or the target is gone or expired."""


class Refused(Unreachable):
    """Discord rejected the message itself; nothing was posted, but a simpler one may be accepted."""


class TooLarge(PostError):
    """Discord refused the files because of their size; nothing was posted."""


class OutcomeUnknown(PostError):
    """Discord gave no usable answer, so it isn't known whether the call succeeded."""


class NotYet(OutcomeUnknown):
    """Nothing was sent yet, because another message is pending or another process has the batch's lock."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A fetched message of the bot. `files` maps names to content types; `layout` means Components v2."""

    files: Mapping[str, str | None]
    content: str
    layout: bool


class Poster:
    """Posts, edits, deletes and finds the bot's own messages.

    Methods that call Discord raise PostError, except `answers`. A search begins two minutes before `since`
    and reads at most 500 messages.
    """

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def post(self, channel_id: int, outgoing: OutgoingMessage, nonce: str) -> int:
        """Post a message and return its id."""
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            message = await channel.send(**_payload(outgoing), nonce=nonce)
            return message.id

    async def edit_original(
        self, application_id: int, token: str, message_id: int | None, outgoing: OutgoingMessage
    ) -> int:
        """Edit a command's answer through its interaction token, and return the message's id.

        `message_id` may be None if it isn't known. The edit is idempotent, so it needs no nonce.
        """
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        payload = _payload(outgoing)
        payload["attachments"] = payload.pop("files", [])
        with _mapped():
            message = await webhook.edit_message(_original(message_id), **payload)
            return message.id

    async def send_in_interaction(
        self, application_id: int, token: str, outgoing: OutgoingMessage, *, ephemeral: bool = False
    ) -> int:
        """Send another message through an interaction and return its id.

        In a user install, an interaction allows at most five such messages. Discord takes no nonce here, so
        retrying after a lost answer may post the message twice.
        """
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        # discord.py assumes that a partial webhook is a channel's, which can't send ephemeral messages.
        webhook.type = discord.WebhookType.application
        with _mapped():
            message = await webhook.send(**_payload(outgoing), wait=True, ephemeral=ephemeral)
            return message.id

    async def edit(
        self, channel_id: int, message_id: int, outgoing: OutgoingMessage, *, keep_files: bool = True
    ) -> None:
        """Edit one of our messages. Its files are kept if `keep_files` is set and there are no new ones."""
        payload = _payload(outgoing)
        files = payload.pop("files")
        if files or not keep_files:
            payload["attachments"] = files
        with _mapped():
            await (
                self._client.get_partial_messageable(channel_id)
                .get_partial_message(message_id)
                .edit(**payload)
            )

    async def edit_keeping(
        self, channel_id: int, message_id: int, outgoing: OutgoingMessage, keep: Collection[str]
    ) -> None:
        """Edit a message, and keep only those of its files whose names are in `keep`."""
        payload = _payload(outgoing)
        del payload["files"]
        with _mapped():
            channel = self._client.get_partial_messageable(channel_id)
            message = await channel.fetch_message(message_id)
            kept = [attachment for attachment in message.attachments if attachment.filename in keep]
            await message.edit(**payload, attachments=kept)

    async def drop_files(self, channel_id: int, message_id: int, keep: Collection[str]) -> None:
        """Remove all files except those in `keep` from a layout message and its galleries."""
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            message = await channel.fetch_message(message_id)
            kept = [attachment for attachment in message.attachments if attachment.filename in keep]
            view = posted_layout(message)
            _keep_items(view, keep)
            await message.edit(view=view, attachments=kept)

    async def read(self, channel_id: int, message_id: int) -> Posted:
        """Fetch one of our own messages."""
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            message = await channel.fetch_message(message_id)
        files = {each.filename: each.content_type for each in message.attachments}
        return Posted(files, message.content, message.flags.components_v2)

    async def delete(self, channel_id: int, message_id: int) -> None:
        with _mapped():
            await self._client.get_partial_messageable(channel_id).get_partial_message(message_id).delete()

    async def delete_original(self, application_id: int, token: str, message_id: int | None) -> None:
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        with _mapped():
            await webhook.delete_message(_original(message_id))

    async def is_age_restricted(self, channel_id: int) -> bool:
        """Return whether a channel, or the parent of a thread, is age-restricted now.

        Without a gateway connection nothing is cached, so this asks Discord.
        """
        with _mapped():
            channel = await self._channel(channel_id)
            if isinstance(channel, discord.Thread):
                channel = channel.parent or await self._channel(channel.parent_id)
        return isinstance(channel, discord.abc.GuildChannel) and bool(getattr(channel, "nsfw", False))

    async def _channel(self, channel_id: int) -> object:
        return self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)

    def channel_name(self, channel_id: int) -> ChannelName | None:
        """Return the names of a channel and its server, if this process has them from the gateway."""
        channel = self._client.get_channel(channel_id)
        if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return None
        return ChannelName(channel.name, channel.guild.name)

    def takes_reports(self, guild_id: int | None, rules: ServerRules) -> bool:
        """Return whether the server has a review channel in which the bot can post a report.

        A process without a gateway connection knows only whether a channel is set.
        """
        channel_id = rules.approval.review_channel_id
        server = self._client.get_guild(guild_id or 0)
        if channel_id is None or server is None:
            return channel_id is not None
        channel = server.get_channel(channel_id)
        return channel is not None and channel.permissions_for(server.me).send_messages

    async def direct_channel(self, user_id: int) -> int:
        """Return the id of the direct-message channel with a user."""
        with _mapped():
            channel = await self._client.create_dm(discord.Object(user_id))
            return channel.id

    async def answers(self, channel_id: int) -> bool:
        """Return whether Discord answers a request for a channel. A refusal counts as an answer."""
        try:
            with _mapped():
                await self._client.http.get_channel(channel_id)
        except OutcomeUnknown:
            return False
        except PostError:
            pass
        return True

    async def attachments(self, channel_id: int, message_id: int) -> dict[str, str]:
        """Return fresh signed links of a message's attachments, by file name."""
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            message = await channel.fetch_message(message_id)
            return {attachment.filename: attachment.url for attachment in message.attachments}

    async def find(
        self,
        channel_id: int,
        key: str,
        outgoing: OutgoingMessage | None,
        since: datetime,
        *,
        ignore: Collection[int] = (),
    ) -> int | None:
        """Return the id of the bot's message `outgoing` about a run, or None if it isn't found.

        Skips the ids in `ignore`. If `outgoing` is None, any outcome of the run without files matches.
        """
        async for message in self._own_since(channel_id, since):
            if message.id not in ignore and is_message_of(message, key, outgoing):
                return message.id
        return None

    async def find_offering(self, channel_id: int, key: str, action: Action, since: datetime) -> int | None:
        """Return the id of the bot's message that has a run's button `action`, or None if it isn't found.

        This finds a message whose id wasn't stored, if no other message of the run has the button.
        """
        async for message in self._own_since(channel_id, since):
            if RunId(key, action).encode() in set(markers(message.components)):
                return message.id
        return None

    async def find_about(
        self, channel_id: int, key: str, since: datetime, *, ignore: Collection[int]
    ) -> list[int]:
        """Return the ids of the bot's messages about a run, except cards and those in `ignore`."""
        own = [message async for message in self._own_since(channel_id, since)]
        return [message.id for message in own if message.id not in ignore and is_about(message, key)]

    async def _own_since(self, channel_id: int, since: datetime) -> AsyncIterator[discord.Message]:
        me = self._client.user
        after = discord.Object(discord.utils.time_snowflake(since - _LOOKBACK))
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            async for message in channel.history(limit=_HISTORY, after=after, oldest_first=True):
                if me is not None and message.author.id == me.id:
                    yield message


def _keep_items(view: discord.ui.LayoutView, keep: Collection[str]) -> None:
    """Remove all files except those in `keep` from a view's galleries.

    The kept files are referenced as attachments, because Discord's links expire.
    """
    for item in [*view.walk_children()]:
        if not isinstance(item, discord.ui.MediaGallery):
            continue
        kept = []
        for shown in item.items:
            name = shown.media.url.partition("?")[0].rpartition("/")[2]
            if name in keep:
                kept.append(
                    discord.MediaGalleryItem(
                        f"attachment://{name}", description=shown.description, spoiler=shown.spoiler
                    )
                )
        if kept:
            item.items = kept
        elif isinstance(item.parent, discord.ui.Container):
            item.parent.remove_item(item)
        else:
            view.remove_item(item)


def _payload(outgoing: OutgoingMessage) -> dict[str, Any]:
    """Return discord.py's arguments for a message."""
    payload: dict[str, Any] = {
        "allowed_mentions": discord.AllowedMentions(
            everyone=False,
            roles=False,
            replied_user=False,
            users=[discord.Object(outgoing.mention)] if outgoing.mention is not None else False,
        ),
        "files": [file.open() for file in outgoing.files],
    }
    view = outgoing.layout or outgoing.view
    if view is not None:
        payload["view"] = view
    if outgoing.content is not None:
        payload["content"] = outgoing.content
    return payload


class _Original:
    """The word that Discord takes for the id of an interaction's answer; discord.py would quote a text."""

    def __str__(self) -> str:
        return "@original"


def _original(message_id: int | None) -> int:
    return message_id if message_id is not None else _Original()  # type: ignore[return-value]


@contextmanager
def _mapped() -> Iterator[None]:
    """Map discord.py's and aiohttp's errors to PostErrors."""
    try:
        yield
    except discord.RateLimited as error:
        raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error
    except discord.HTTPException as error:
        if error.code == _TOO_LARGE or error.status == 413:
            raise TooLarge(str(error)) from error
        if is_outage(error):
            raise OutcomeUnknown(str(error)) from error
        about_message = error.status == 400 and error.code not in _CLOSED
        kind = Refused if about_message else Unreachable
        raise kind(f"{error.status} {error.code}: {error.text}") from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error


# These buttons may differ between tries: they depend on the fetched pictures, and on the current deployments
# and rules. Under a result, configured follow-ups may push other buttons behind *More*.
_VARIABLE_ACTIONS = (Action.USE, Action.VARY, Action.DETAILS, Action.REPORT, Action.SHARE, Action.MORE)
_VARIABLE_IN_RESULT = (Action.AGAIN, Action.EDIT)


def is_message_of(message: discord.Message, key: str, outgoing: OutgoingMessage | None) -> bool:
    """Return whether a message is `outgoing`. If `outgoing` is None, any outcome without files matches.

    If `outgoing` has buttons that are the same in every try, they are compared, because files may differ
    between tries. Otherwise, its file names are compared without their suffixes; they contain the run key. If
    it has no files either, its text is compared. A moderators' card is never taken for another message of
    the run, although it may have the same files and a Delete button, too.
    """
    found = set(markers(message.components))
    files = {without_suffix(attachment.filename) for attachment in message.attachments}
    if outgoing is None:
        return not files and RunId(key, Action.AGAIN).encode() in found
    view = outgoing.layout or outgoing.view
    meant = set(markers(view.walk_children())) if view is not None else set()
    card = RunId(key, Action.BLOCK).encode()
    if (card in meant) is not (card in found):
        return False
    is_result = RunId(key, Action.DELETE).encode() in meant
    actions = (*_VARIABLE_ACTIONS, *(_VARIABLE_IN_RESULT if is_result else ()))
    variable = {RunId(key, action).encode() for action in actions}
    buttons = {mark for mark in meant if RunId.read(mark)} - variable
    if buttons:
        return buttons <= found
    if outgoing.files:
        same = not files.isdisjoint(without_suffix(file.filename) for file in outgoing.files)
        return same and bool(meant) is bool(found)
    return not files and (meant <= found if view is not None else message.content == outgoing.content)


def is_about(message: discord.Message, key: str) -> bool:
    """Return whether a message has buttons of a run, or nothing but its files, and isn't a moderators' card.

    The card of a decided request has no buttons, but a text beside the files.
    """
    found = set(markers(message.components))
    if found or message.content:
        actions = {id.action for id in map(RunId.read, found) if id is not None and id.key == key}
        return bool(actions) and Action.BLOCK not in actions
    return any(belongs_to(attachment.filename, key) for attachment in message.attachments)
