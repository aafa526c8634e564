"""The calls to Discord that show something, and what their failures mean. Needs no gateway.

discord.py sends `nonce` with `enforce_nonce`, so a post repeated within minutes returns the first message
instead of a second one: its own retries after a 5xx are safe for channels.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import discord

from bot.ui.components import ChannelName, OutgoingMessage
from bot.ui.custom_ids import Action, RunId

log = logging.getLogger(__name__)
_TOO_LARGE = 40005
_LOOKBACK = timedelta(minutes=2)
_HISTORY = 500


class PostError(Exception):
    """A post that did not succeed."""


class Unreachable(PostError):
    """This way is closed for good, and nothing was posted: no access, no permission, gone, expired."""


class TooLarge(PostError):
    """Discord refused the files' size; nothing was posted."""


class OutcomeUnknown(PostError):
    """No usable answer: it may have been posted."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A message of our own as it stands: its files with their types, its text, whether it is a layout."""

    files: Mapping[str, str | None]
    content: str
    layout: bool


class Poster:
    """Posts, edits, deletes and finds the bot's own messages."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def post(self, channel_id: int, part: OutgoingMessage, nonce: str) -> int:
        """A new message; returns its id. Raises PostError."""
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            message = await channel.send(**_payload(part), nonce=nonce)
            return message.id

    async def edit_original(
        self, application_id: int, token: str, message_id: int | None, part: OutgoingMessage
    ) -> int:
        """The answer to a command, through its interaction token: idempotent, so it needs no nonce."""
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        payload = _payload(part)
        payload["attachments"] = payload.pop("files", [])
        with _mapped():
            message = await webhook.edit_message(_original(message_id), **payload)
            return message.id

    async def follow_up(self, application_id: int, token: str, part: OutgoingMessage) -> int:
        """A further message through an interaction, at most five of them.

        Discord knows no nonce here: repeated after a lost answer, the message is there twice.
        """
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        with _mapped():
            message = await webhook.send(**_payload(part), wait=True)
            return message.id

    async def edit(
        self, channel_id: int, message_id: int, part: OutgoingMessage, *, keep_files: bool = True
    ) -> None:
        """A message of the bot's own, by the bot's token. Without files it may keep those that it has."""
        payload = _payload(part)
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
        self, channel_id: int, message_id: int, part: OutgoingMessage, keep: Collection[str]
    ) -> None:
        """As `edit`, with only those of its files that are named."""
        payload = _payload(part)
        del payload["files"]
        with _mapped():
            channel = self._client.get_partial_messageable(channel_id)
            message = await channel.fetch_message(message_id)
            kept = [attachment for attachment in message.attachments if attachment.filename in keep]
            await message.edit(**payload, attachments=kept)

    async def drop_files(self, channel_id: int, message_id: int, keep: Collection[str]) -> None:
        """Takes files out of a layout's galleries; the rest of the message stays as it is."""
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            message = await channel.fetch_message(message_id)
            kept = [attachment for attachment in message.attachments if attachment.filename in keep]
            view = discord.ui.LayoutView.from_message(message, timeout=None)
            _keep_items(view, keep)
            view.stop()
            await message.edit(view=view, attachments=kept)

    async def look(self, channel_id: int, message_id: int) -> Posted:
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
        """Discord's mark as it is now, a thread's by its parent. Raises PostError where that can't be known.

        Without the gateway nothing is remembered, so Discord is asked.
        """
        with _mapped():
            channel = await self._channel(channel_id)
            if isinstance(channel, discord.Thread):
                channel = channel.parent or await self._channel(channel.parent_id)
        return isinstance(channel, discord.abc.GuildChannel) and bool(getattr(channel, "nsfw", False))

    async def _channel(self, channel_id: int) -> object:
        return self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)

    def place(self, channel_id: int) -> ChannelName | None:
        """A server's channel by its names, where the gateway has told them to this process."""
        channel = self._client.get_channel(channel_id)
        if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return None
        return ChannelName(channel.name, channel.guild.name)

    async def direct_channel(self, user_id: int) -> int:
        """The id of the direct messages with a person."""
        with _mapped():
            channel = await self._client.create_dm(discord.Object(user_id))
            return channel.id

    async def attachments(self, channel_id: int, message_id: int) -> dict[str, str]:
        """File name -> a fresh signed link, for a message of our own."""
        channel = self._client.get_partial_messageable(channel_id)
        with _mapped():
            message = await channel.fetch_message(message_id)
            return {attachment.filename: attachment.url for attachment in message.attachments}

    async def find(
        self,
        channel_id: int,
        key: str,
        part: OutgoingMessage | None,
        since: datetime,
        *,
        ignore: Collection[int] = (),
    ) -> int | None:
        """The id of our own message about a run, if that part of it has been posted since then.

        Without a part: any end of the run that was told without files. `ignore` are ids that are not meant.
        """
        with _mapped():
            async for message in self._own_since(channel_id, since):
                if message.id not in ignore and is_message_of(message, key, part):
                    return message.id
        return None

    async def find_offering(self, channel_id: int, key: str, action: Action, since: datetime) -> int | None:
        """The id of a message that nobody noted, by a button of the run's that only it has."""
        with _mapped():
            async for message in self._own_since(channel_id, since):
                if RunId(key, action).encode() in set(markers(message.components)):
                    return message.id
        return None

    async def _own_since(self, channel_id: int, since: datetime) -> AsyncIterator[discord.Message]:
        me = self._client.user
        after = discord.Object(discord.utils.time_snowflake(since - _LOOKBACK))
        channel = self._client.get_partial_messageable(channel_id)
        async for message in channel.history(limit=_HISTORY, after=after, oldest_first=True):
            if me is not None and message.author.id == me.id:
                yield message


def _keep_items(view: discord.ui.LayoutView, keep: Collection[str]) -> None:
    """What is left of the galleries is named as attached: the links that Discord gave run out."""
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


def _payload(part: OutgoingMessage) -> dict[str, Any]:
    """discord.py's arguments for a part.

    A stopped view is sent but not remembered: buttons are answered by their custom_id alone, and a view
    kept for each message would grow for ever.
    """
    payload: dict[str, Any] = {
        "allowed_mentions": discord.AllowedMentions(
            everyone=False,
            roles=False,
            replied_user=False,
            users=[discord.Object(part.mention)] if part.mention is not None else False,
        ),
        "files": [file.open() for file in part.files],
    }
    view = part.layout or part.view
    if view is not None:
        view.stop()
        payload["view"] = view
    if part.content is not None:
        payload["content"] = part.content
    return payload


def _original(message_id: int | None) -> int:
    # Discord takes the word as an id, also where a crash kept us from learning the number.
    return message_id if message_id is not None else "@original"  # type: ignore[return-value]


@contextmanager
def _mapped() -> Iterator[None]:
    """Discord's faults, named once."""
    try:
        yield
    except discord.RateLimited as error:
        raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error
    except discord.HTTPException as error:
        if error.code == _TOO_LARGE or error.status == 413:
            raise TooLarge(str(error)) from error
        if error.status in (408, 429) or error.status >= 500:
            raise OutcomeUnknown(str(error)) from error
        # 403 and 404 say so; a 400 means that Discord won't have this message in this place.
        raise Unreachable(f"{error.status} {error.code}: {error.text}") from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error


# They come and go with the pictures that could be had and with what the deployments take by now.
_PASSING = (Action.USE, Action.VARY)


def is_message_of(message: discord.Message, key: str, part: OutgoingMessage | None) -> bool:
    """Whether a message is this part; without a part, whether it tells this run's end without files.

    By its buttons, where it has any: what its files are like, and whether there are any, differs from try to
    try. Else by the names of its files, which carry the run key, but for their endings; else by its text.
    """
    found = set(markers(message.components))
    files = {_stem(attachment.filename) for attachment in message.attachments}
    if part is None:
        return not files and RunId(key, Action.AGAIN).encode() in found
    view = part.layout or part.view
    meant = set(markers(view.walk_children())) if view is not None else set()
    passing = {RunId(key, action).encode() for action in _PASSING}
    buttons = {mark for mark in meant if RunId.read(mark)} - passing
    if buttons:
        return buttons <= found
    if part.files:
        return not files.isdisjoint(_stem(file.filename) for file in part.files)
    return not files and (meant <= found if view is not None else message.content == part.content)


def _stem(filename: str) -> str:
    return filename.rpartition(".")[0]


def markers(components: Iterable[Any]) -> Iterator[str]:
    """What a message is known by: its buttons' custom_ids and its texts."""
    for component in components:
        for name in ("custom_id", "content"):
            mark = getattr(component, name, None)
            if mark:
                yield mark
        yield from markers(getattr(component, "children", ()))


class RestClient(discord.Client):
    """Logged in and never connected. Nothing may rely on a cache: there is none."""

    def __init__(self, http_trace: aiohttp.TraceConfig) -> None:
        super().__init__(
            intents=discord.Intents.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            http_trace=http_trace,
        )
