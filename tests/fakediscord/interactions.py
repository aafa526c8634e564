"""Interactions with their answers, and the lifetimes of their tokens."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from enum import IntEnum

import discord

from tests.fakediscord import payloads
from tests.fakediscord.errors import Json
from tests.fakediscord.world import UPLOAD_LIMIT, Channel, Kind, Message, User, World

# The permissions of a user install in a channel of a server without the bot.
_USER_INSTALL_PERMISSIONS = discord.Permissions(
    attach_files=True, embed_links=True, mention_everyone=True, use_external_emojis=True
).value
# How long the token works, by the world's clock.
TOKEN_SECONDS = 900.0


class Type(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Answer(IntEnum):
    MESSAGE = 4
    DEFERRED = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(eq=False, slots=True)
class Interaction:
    """An interaction with its answer.

    `created` and `answered_at` are of `time.perf_counter()`, `created_at` is of the world's clock. `original`
    is the answer's message or, for an update, the pressed one.
    """

    id: int
    type: Type
    user: User
    channel: Channel
    data: Json
    created_at: float
    size_limit: int = UPLOAD_LIMIT
    source: Message | None = None
    user_install: bool = False
    delivered_to: int = 0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(150))
    created: float = field(default_factory=time.perf_counter)
    answered_at: float | None = None
    answer_type: Answer | None = None
    answer: Json = field(default_factory=dict)
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def answered(self) -> bool:
        return self.answered_at is not None

    @property
    def shown(self) -> bool:
        """Return whether there is an answer other than "thinking…"."""
        return self.answered and not (self.original is not None and self.original.loading)

    @property
    def latency(self) -> float:
        """Return the seconds from the interaction to its accepted answer, or infinity without one."""
        return float("inf") if self.answered_at is None else self.answered_at - self.created

    @property
    def modal(self) -> Json | None:
        return self.answer if self.answer_type is Answer.MODAL else None

    @property
    def choices(self) -> list[Json]:
        """The suggestions of an autocomplete."""
        return list(self.answer.get("choices") or [])

    @property
    def text(self) -> str:
        """The current text of the answer; empty if there is none or it was deleted."""
        gone = self.original is None or self.original.deleted_at is not None
        return "" if gone or self.original is None else self.original.text

    async def wait_answer(self, within: float = 90.0) -> Interaction:
        """Wait for an answer, which may be a deferral. Raises TimeoutError."""
        async with asyncio.timeout(within):
            await self._answered.wait()
        return self

    def accept(self, kind: Answer, data: Json, message: Message | None) -> None:
        self.answered_at, self.answer_type = time.perf_counter(), kind
        self.answer, self.original = data, message
        self._answered.set()

    def metadata(self) -> Json:
        """Return the `interaction_metadata` of messages that answer the interaction."""
        metadata: Json = {
            "id": str(self.id),
            "type": int(self.type),
            "user": payloads.user(self.user),
            "authorizing_integration_owners": self._owners(),
        }
        if self.source is not None:
            metadata["interacted_message_id"] = str(self.source.id)
        return metadata

    def _owners(self) -> Json:
        if self.user_install:
            return {"1": str(self.user.id)}
        return {"0": str(self.channel.guild.id if self.channel.guild else 0)}

    def payload(self, world: World, bot: User, sign: payloads.SignUrl) -> Json:
        """Return the `d` of INTERACTION_CREATE."""
        place, guild = self.channel, self.channel.guild
        permissions = _USER_INSTALL_PERMISSIONS if self.user_install else world.bot_permissions(place)
        body: Json = {
            "id": str(self.id),
            "application_id": str(bot.id),
            "type": int(self.type),
            "token": self.token,
            "version": 1,
            "data": self.data,
            "channel_id": str(place.id),
            "channel": payloads.channel(place, bot)
            | {"permissions": str(world.member_permissions(place, self.user))},
            "app_permissions": str(permissions),
            "locale": "en-US",
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": self._owners(),
            "context": 0 if guild else 2 if place.kind is Kind.GROUP else 1,
            "attachment_size_limit": self.size_limit,
        }
        if self.source is not None:
            body["message"] = payloads.message(self.source, sign)
        if guild is None:
            return body | {"user": payloads.user(self.user)}
        return body | {
            "guild_id": str(guild.id),
            "guild_locale": "en-US",
            "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
            "member": payloads.member(world, guild, self.user, channel=place),
        }
