"""Post, edit and delete messages without a gateway connection, and classify errors.

discord.py sends `nonce` with `enforce_nonce`, so a post repeated within minutes returns the first message
instead of creating another. discord.py's own retries after a 5xx are therefore safe in channels.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import discord

from bot.discord_api.outgoing import OutgoingMessage, component_ids
from bot.domain.errors import DiscordAway
from bot.domain.messages import MessageRef

log = logging.getLogger(__name__)
# A search begins so long before an attempt, because clocks differ, and reads so many messages.
_LOOKBACK = timedelta(minutes=2)
_HISTORY = 200
# Codes of a 400 that concerns the place, not the message: the channel takes no text, the thread is archived
# or locked, or the interaction has used up its follow-ups.
_CLOSED = frozenset({50008, 50083, 160005, 40094})


class PostError(Exception):
    """A call to Discord failed, or it isn't known whether the call succeeded."""


class NoResponse(PostError):
    """Discord gave no usable response, so it isn't known whether the call succeeded."""


class Unreachable(PostError):
    """Nothing was posted, and a retry won't help: the bot lacks access, or the target is gone or expired."""


class Gone(Unreachable):
    """The message or its channel doesn't exist any more."""


class Refused(Unreachable):
    """Discord rejected the message itself; nothing was posted, but a simpler one may be accepted."""


def is_outage(error: discord.HTTPException) -> bool:
    """Return whether an error says nothing about what the call was for, such as a message or a channel.

    A 401 or 403 without one of Discord's codes concerns the whole bot: its token was reset, or Cloudflare
    blocks the address for a while.
    """
    if error.status in (401, 403):
        return error.code == 0
    return error.status in (408, 429) or error.status >= 500


@contextmanager
def mapped() -> Iterator[None]:
    try:
        yield
    except discord.RateLimited as error:
        raise NoResponse(f"{type(error).__name__}: {error}") from error
    except discord.HTTPException as error:
        if error.status == 413:
            raise Refused(str(error)) from error
        if is_outage(error):
            raise NoResponse(str(error)) from error
        about_message = error.status == 400 and error.code not in _CLOSED
        kind = Gone if error.status == 404 else Refused if about_message else Unreachable
        raise kind(f"{error.status} {error.code}: {error.text}") from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise NoResponse(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def responding(seconds: float) -> AsyncIterator[None]:
    """Raise DiscordAway if the calls in the block fail or take longer than `seconds`, apart from refusals."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, TimeoutError, OSError) as error:
        if isinstance(error, discord.Forbidden | discord.NotFound) and not is_outage(error):
            raise
        raise DiscordAway(f"{type(error).__name__}: {error}") from error


class _Original:
    """The word that Discord takes for the id of an interaction's answer; discord.py would quote a text."""

    def __str__(self) -> str:
        return "@original"


_ORIGINAL: Any = _Original()  # only its text goes into a URL


class DiscordCalls:
    """Posts, edits, deletes and finds the bot's own messages.

    Methods that call Discord raise PostError, except `answers`.
    """

    def __init__(self, client: discord.Client) -> None:
        self.client = client

    def _interaction(self, token: str) -> discord.Webhook:
        return discord.Webhook.partial(self.client.application_id or 0, token, client=self.client)

    async def post(self, channel_id: int, outgoing: OutgoingMessage, nonce: str, mark: int) -> int:
        """Post a message and return its id. `mark` is the component id by which `search` finds it."""
        payload, channel = _payload(outgoing, mark), self.client.get_partial_messageable(channel_id)
        with mapped():
            return (await channel.send(**payload, nonce=nonce)).id

    async def edit_original(self, token: str, message_id: int | None, outgoing: OutgoingMessage) -> int:
        """Edit a command's answer through its interaction token, and return the message's id.

        `message_id` may be None if it isn't known.
        """
        webhook = self._interaction(token)
        payload = _payload(outgoing)
        payload["attachments"] = payload.pop("files")
        with mapped():
            return (await webhook.edit_message(message_id or _ORIGINAL, **payload)).id

    async def send_in_interaction(
        self, token: str, outgoing: OutgoingMessage, *, ephemeral: bool = False
    ) -> int:
        """Send another message through an interaction and return its id.

        In a user install, an interaction allows at most five such messages. Discord takes no nonce here, so
        retrying after a lost response may post the message twice.
        """
        webhook = self._interaction(token)
        # discord.py assumes that a partial webhook is a channel's, which can't send ephemeral messages.
        webhook.type = discord.WebhookType.application
        with mapped():
            return (await webhook.send(**_payload(outgoing), wait=True, ephemeral=ephemeral)).id

    async def edit(
        self,
        ref: MessageRef,
        outgoing: OutgoingMessage,
        keep: Collection[str] | None,
        mark: int | None = None,
    ) -> None:
        """Edit a message, and keep those of its files whose names are in `keep`, or all if it is None.

        A message that `search` has to find again, if the process dies now, needs its `mark` again.
        """
        payload = _payload(outgoing, mark)
        payload["attachments"] = payload.pop("files")
        channel = self.client.get_partial_messageable(ref.channel_id)
        with mapped():
            if keep:
                message = await channel.fetch_message(ref.message_id)
                payload["attachments"] += [each for each in message.attachments if each.filename in keep]
            elif keep is None and not payload["attachments"]:
                del payload["attachments"]
            await channel.get_partial_message(ref.message_id).edit(**payload)

    async def delete(self, ref: MessageRef) -> None:
        channel = self.client.get_partial_messageable(ref.channel_id)
        with mapped():
            await channel.get_partial_message(ref.message_id).delete()

    async def delete_original(self, token: str, message_id: int | None) -> None:
        with mapped():
            await self._interaction(token).delete_message(message_id or _ORIGINAL)

    async def is_age_restricted(self, channel_id: int) -> bool:
        """Return whether a channel, or the parent of a thread, is age-restricted now.

        Without a gateway connection nothing is cached, so this asks Discord.
        """
        with mapped():
            found = self.client.get_channel(channel_id) or await self.client.fetch_channel(channel_id)
            if isinstance(found, discord.Thread):
                found = found.parent or await self.client.fetch_channel(found.parent_id)
        return bool(getattr(found, "nsfw", False))

    async def direct_channel(self, user_id: int) -> int:
        with mapped():
            return (await self.client.create_dm(discord.Object(user_id))).id

    async def tell_owner(self, sentence: str) -> None:
        """Send a direct message to the bot's owner or, in a team, to its admins and developers.

        A failure is logged.
        """
        try:
            info = await self.client.application_info()
            people = {info.owner.id}
            if info.team is not None:
                roles = (discord.TeamMemberRole.admin, discord.TeamMemberRole.developer)
                people = {each.id for each in info.team.members if each.role in roles}
                people.add(info.team.owner_id or info.owner.id)
            for person in sorted(people):
                try:
                    channel = self.client.get_partial_messageable(await self.direct_channel(person))
                    with mapped():
                        await channel.send(sentence)
                except Unreachable:
                    log.warning("user %s takes no direct messages from the bot", person)
        except (PostError, discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.warning("can't tell the owner: %s", error)

    async def responds(self) -> bool:
        """Return whether Discord responds to a question that costs nothing, even by a refusal."""
        try:
            with mapped():
                await self.client.http.request(discord.http.Route("GET", "/users/@me"))
        except NoResponse:
            return False
        except PostError:
            pass
        return True

    async def attachments(self, channel_id: int, message_id: int) -> dict[str, str]:
        """Return fresh signed links of a message's attachments, by file name."""
        channel = self.client.get_partial_messageable(channel_id)
        with mapped():
            message = await channel.fetch_message(message_id)
            return {attachment.filename: attachment.url for attachment in message.attachments}

    async def search(
        self, channel_id: int, since: datetime, mark: int, files: Collection[str], *, but: Collection[int]
    ) -> int | None:
        """Return the id of the bot's message with the component id `mark`, or None if it isn't found.

        A message without components is recognized by the names of its `files`. Those in `but` are known.
        """
        me = self.client.user
        after = discord.Object(discord.utils.time_snowflake(since - _LOOKBACK))
        channel = self.client.get_partial_messageable(channel_id)
        with mapped():
            async for message in channel.history(limit=_HISTORY, after=after, oldest_first=True):
                if me is None or message.author.id != me.id or message.id in but:
                    continue
                names = {attachment.filename for attachment in message.attachments}
                if mark in component_ids(message) or (not message.components and names & {*files}):
                    return message.id
        return None


def _payload(outgoing: OutgoingMessage, mark: int | None = None) -> dict[str, Any]:
    mentions = discord.AllowedMentions(
        everyone=False,
        roles=[discord.Object(outgoing.role)] if outgoing.role is not None else False,
        replied_user=False,
        users=[discord.Object(outgoing.mention)] if outgoing.mention is not None else False,
    )
    files = list[discord.File]()
    for each in outgoing.files:
        each.content.seek(0)  # discord.py sends what follows
        file: Any = each.content  # discord.py takes any seekable file
        files.append(discord.File(file, each.filename, description=each.description))
    payload: dict[str, Any] = {"view": outgoing.layout or outgoing.view, "content": outgoing.content}
    if mark is not None and (view := payload["view"]) is not None and view.children:
        view.children[0].id = mark
    shown = {name: value for name, value in payload.items() if value is not None}
    return {"allowed_mentions": mentions, "files": files, **shown}
