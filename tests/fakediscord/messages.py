"""Create, edit and delete messages, for all routes that do so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakediscord import rules
from tests.fakediscord.errors import ApiError, Json
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.request_log import RequestLog
from tests.fakediscord.world import (
    COMPONENTS_V2,
    EPHEMERAL,
    LOADING,
    MIB,
    Attachment,
    Channel,
    Message,
    User,
    World,
)

NONCE_SECONDS = 300
REQUEST_SIZE = 25 * MIB
_REPEATED_WITHIN = 10
_BODY = ("content", "components")
_SETTABLE_FLAGS = COMPONENTS_V2 | 1 << 2 | 1 << 12


@dataclass(slots=True)
class _Nonce:
    """A message's nonce. The times are of Discord's clock."""

    message: Message
    known_until: float
    in_use_until: float


class Messages:
    """The messages of all channels. The bot has no intent for messages, so it gets no events about them."""

    def __init__(self, world: World, log: RequestLog) -> None:
        self._world = world
        self._log = log
        self._nonces: dict[str, _Nonce] = {}

    def repeated(self, nonce: object) -> Message | None:
        """Return the message of any channel that was created with this nonce in the last minutes, or None."""
        entry = self._nonces.get(str(nonce))
        return entry.message if entry and self._world.clock.now() < entry.known_until else None

    def keep_nonces_in_use(self, jump: float) -> None:
        """Keep the nonces of the last seconds valid when a test moves the clock.

        discord.py repeats a post within seconds after a 500, and in reality no clock jumps in between.
        """
        now = self._world.clock.now()
        for nonce in self._nonces.values():
            if now < nonce.in_use_until:
                nonce.in_use_until += jump
                nonce.known_until = max(nonce.known_until, nonce.in_use_until)

    def create(
        self,
        channel: Channel,
        author: User,
        body: Json,
        files: Mapping[int, Attachment],
        *,
        limit: int,
        extra_flags: int = 0,
        interaction: Interaction | None = None,
    ) -> Message:
        """Create a message. Raises ApiError. `limit` is the largest size of a file in bytes."""
        attachments = self._uploaded(body, files, limit)
        flags = (int(body.get("flags") or 0) & (_SETTABLE_FLAGS | EPHEMERAL)) | extra_flags
        kept = {key: body[key] for key in _BODY if body.get(key)} | {"flags": flags}
        if not flags & LOADING:
            rules.check_message(kept | {"nonce": body.get("nonce")}, [a.filename for a in attachments])
        nonce = body.get("nonce")
        message = Message(
            id=self._world.snowflake(),
            channel=channel,
            author=author,
            body=kept,
            attachments=attachments,
            nonce=None if nonce is None else str(nonce),
            created_at=self._world.clock.now(),
            created=time.perf_counter(),
            interaction=interaction,
        )
        message.pinged = rules.pings(message.text, body.get("allowed_mentions"))
        if body.get("enforce_nonce") and message.nonce is not None:
            at = message.created_at
            self._nonces[message.nonce] = _Nonce(message, at + NONCE_SECONDS, at + _REPEATED_WITHIN)
        channel.messages[message.id] = message
        self._log.messages.append(message)
        self._world.changed()
        return message

    def edit(self, message: Message, body: Json, files: Mapping[int, Attachment], *, limit: int) -> None:
        attachments = self._kept(message, body) + self._uploaded(body, files, limit)
        whole = message.body | {key: body[key] for key in _BODY if key in body}
        old = int(message.flags) & ~LOADING
        whole["flags"] = old | (int(body.get("flags") or 0) & _SETTABLE_FLAGS)
        rules.check_message(whole, [a.filename for a in attachments])
        message.history.append(message.body)
        message.edits += 1
        message.body = {key: value for key, value in whole.items() if value}
        message.attachments = attachments
        message.edited, message.edited_at = time.perf_counter(), self._world.clock.now()
        self._world.changed()

    def _uploaded(self, body: Json, files: Mapping[int, Attachment], limit: int) -> list[Attachment]:
        sizes = [file.size for file in files.values()]
        # A boosted server's limit for one file may exceed the usual limit for a request.
        if any(size > limit for size in sizes) or sum(sizes) > max(REQUEST_SIZE, limit):
            raise ApiError(40005)
        for entry in body.get("attachments") or []:
            if (index := int(entry["id"])) in files:
                files[index].description = entry.get("description")
        return [file for _, file in sorted(files.items())]

    def _kept(self, message: Message, body: Json) -> list[Attachment]:
        """Return the attachments that an edit keeps: those that it lists, or all if it has no list."""
        if body.get("attachments") is None:
            return list(message.attachments) if "attachments" not in body else []
        named = {str(entry.get("id")) for entry in body["attachments"]}
        return [a for a in message.attachments if str(a.id) in named]
