"""The users, guilds, channels and messages of the fake Discord. Each change wakes tasks in `wait_until`."""

from __future__ import annotations

import asyncio
import itertools
import mimetypes
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import discord
from simcord.components import walk_components as walk

from tests.fakediscord.components import attachment_references
from tests.fakediscord.errors import Json

if TYPE_CHECKING:
    from tests.fakediscord.interactions import Interaction

EPHEMERAL = 1 << 6
LOADING = 1 << 7
COMPONENTS_V2 = 1 << 15
MIB = 1024 * 1024
UPLOAD_LIMIT = 10 * MIB
DISCORD_EPOCH_MS = 1420070400000
_EDITS_KEPT = 60

MEMBER = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    embed_links=True,
    read_message_history=True,
    use_application_commands=True,
).value
MODERATOR = MEMBER | discord.Permissions(manage_guild=True, manage_messages=True).value


class Kind(IntEnum):
    """Discord's channel types."""

    TEXT = 0
    DM = 1
    GROUP = 3
    THREAD = 11


class Clock:
    """The wall clock by which tokens, nonces and signed links expire."""

    def now(self) -> float:
        return time.time()


@dataclass(eq=False, slots=True)
class User:
    id: int
    name: str
    accepts_dms: bool = True
    bot: bool = False


@dataclass(eq=False, slots=True)
class Guild:
    """A server. `members` maps user ids to permissions.

    Each member has a role with these permissions, unless their id is in `without_role`.
    """

    id: int
    name: str
    members: dict[int, int] = field(default_factory=dict)
    without_role: set[int] = field(default_factory=set)
    bot_permissions: int = MEMBER
    bot_present: bool = True
    automod: list[Json] = field(default_factory=list)
    system_channel: int | None = None


@dataclass(eq=False, slots=True)
class Channel:
    """A channel. `bot_permissions` (None for the guild's) and `member_permissions` are its overwrites.

    `members` are the people in a group DM, which the bot can't see.
    """

    id: int
    kind: Kind
    name: str
    guild: Guild | None = None
    parent: Channel | None = None
    recipient: User | None = None
    members: tuple[User, ...] = ()
    nsfw: bool = False
    archived: bool = False
    locked: bool = False
    deleted: bool = False
    bot_permissions: int | None = None
    member_permissions: dict[int, int] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)

    @property
    def is_thread(self) -> bool:
        return self.kind is Kind.THREAD

    @property
    def has_no_bot(self) -> bool:
        """Whether only user installs of the bot work there."""
        return not self.guild.bot_present if self.guild is not None else self.kind is Kind.GROUP


@dataclass(eq=False, slots=True)
class Attachment:
    """A file. `data` is None if the fake didn't keep the bytes."""

    id: int
    filename: str
    content_type: str
    size: int
    data: bytes | None = None
    width: int | None = None
    height: int | None = None
    description: str | None = None


@dataclass(eq=False, slots=True)
class Message:
    """A message. `created_at` and `edited_at` are of the world's clock.

    `created` and `edited` are of `time.perf_counter()`. `history` has the earlier bodies, oldest first.
    """

    id: int
    channel: Channel
    author: User
    body: Json
    attachments: list[Attachment] = field(default_factory=list)
    nonce: str | None = None
    created_at: float = 0.0
    created: float = 0.0
    edited: float | None = None
    edited_at: float | None = None
    deleted_at: float | None = None
    interaction: Interaction | None = None
    pinged: frozenset[int] = frozenset()
    history: deque[Json] = field(default_factory=lambda: deque(maxlen=_EDITS_KEPT))
    edits: int = 0

    @property
    def content(self) -> str:
        return self.body.get("content") or ""

    @property
    def flags(self) -> int:
        return int(self.body.get("flags") or 0)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        """Whether it is a deferred answer that still shows "thinking…"."""
        return bool(self.flags & LOADING)

    @property
    def components(self) -> list[Json]:
        """Return all components, including nested ones, in reading order."""
        return list(walk(self.body.get("components") or []))

    @property
    def custom_ids(self) -> list[str]:
        return [c["custom_id"] for c in self.components if c.get("custom_id") and not c.get("disabled")]

    @property
    def text(self) -> str:
        return text_of(self.body)

    @property
    def shown_attachments(self) -> list[Attachment]:
        """Return the attachments, but with components v2 only those that a component refers to."""
        if not self.flags & COMPONENTS_V2:
            return list(self.attachments)
        named = set(attachment_references(self.body))
        return [a for a in self.attachments if a.filename in named]


def text_of(body: Json) -> str:
    """Return all text of a message's JSON: content, text displays and labels of buttons."""
    parts = [body.get("content") or ""]
    parts += [str(c.get("content") or c.get("label") or "") for c in walk(body.get("components") or [])]
    return "\n".join(part for part in parts if part)


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self._serial = itertools.count(1)
        self._waiting: set[asyncio.Event] = set()

    def snowflake(self) -> int:
        milliseconds = int(self.clock.now() * 1000) - DISCORD_EPOCH_MS
        return (milliseconds << 22) | next(self._serial) % (1 << 22)

    def file(self, name: str, data: bytes, content_type: str = "", **more: Any) -> Attachment:
        """Return a new file, by default of the type that its name tells."""
        kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Attachment(self.snowflake(), name, kind, len(data), data, **more)

    def changed(self) -> None:
        for event in self._waiting:
            event.set()

    async def wait_until(self, predicate: Callable[[], object], within: float) -> None:
        """Wait until the predicate, which is called after each change, is true. Raises TimeoutError."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(within):
                while not predicate():
                    event.clear()
                    await event.wait()
        finally:
            self._waiting.discard(event)

    def bot_permissions(self, channel: Channel) -> int:
        if channel.guild is None:
            return 0 if channel.kind is Kind.GROUP else MEMBER
        if not channel.guild.bot_present:
            return 0
        if channel.bot_permissions is not None:
            return channel.bot_permissions
        return self.bot_permissions(channel.parent) if channel.parent else channel.guild.bot_permissions

    def member_permissions(self, channel: Channel, user: User) -> int:
        if channel.guild is None:
            return MEMBER
        if user.id in channel.member_permissions:
            return channel.member_permissions[user.id]
        if channel.parent:
            return self.member_permissions(channel.parent, user)
        return channel.guild.members.get(user.id, 0)
