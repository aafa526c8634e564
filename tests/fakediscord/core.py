"""The parts of the fake Discord, assembled. `WorldChanges` and `Actions` add what tests call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator

import discord

from tests.fakediscord import payloads
from tests.fakediscord.errors import Json
from tests.fakediscord.faults import Faults
from tests.fakediscord.gateway import Gateway, Session
from tests.fakediscord.http_commands import Commands
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.messages import Messages
from tests.fakediscord.ratelimits import RateLimits
from tests.fakediscord.request_log import RequestLog
from tests.fakediscord.world import Attachment, Channel, Message, User, World

LINK_SECONDS = 24 * 3600


class Core:
    """The state of a fake Discord. `url` is empty until the server runs."""

    shards = 1
    starts_left = 1000
    """How many sessions the bot may still start, by GET /gateway/bot."""

    def __init__(self, *, rate_limits: bool = True, answer_within: float = 3.0) -> None:
        self.url = ""
        self.files_url = ""
        """The URL of the CDN; by default it is `url`."""
        self.world = World()
        self.bot = User(self.world.snowflake(), "painter", bot=True)
        self.world.users[self.bot.id] = self.bot
        self.token = _bot_token(self.bot.id)
        self.request_log = RequestLog()
        self.limits = RateLimits(enabled=rate_limits)
        self.faults = Faults()
        self.gateway = Gateway(self.token, self._greet, self.world.changed)
        self.messages_service = Messages(self.world, self.request_log)
        self.interactions: dict[str, Interaction] = {}
        """All interactions by token."""
        self.answer_within = answer_within
        self.commands = Commands()
        self._link_key = secrets.token_bytes(16)
        self.user_files: dict[int, Attachment] = {}

    @property
    def gateway_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/gateway"

    async def wait_until(self, predicate: Callable[[], object], within: float = 90.0) -> None:
        """Wait until the predicate, which is called after each change, is true. Raises TimeoutError."""
        await self.world.wait_until(predicate, within)

    def messages(self, channel: Channel, viewer: User | None = None) -> list[Message]:
        """Return a channel's public messages, and ephemeral ones to `viewer`, oldest first."""
        return [m for m in channel.messages.values() if not m.ephemeral or _addressed(m, viewer)]

    def sees(self, user: User, channel: Channel) -> bool:
        """Return whether a person can see a channel now."""
        if channel.guild is None:
            return channel.recipient is user or user in channel.members
        return bool(self.world.member_permissions(channel, user) & discord.Permissions.view_channel.flag)

    def visible(self, user: User) -> list[Message]:
        """Return the messages that a person can see now, oldest first."""
        channels = [each for each in self.world.channels.values() if self.sees(user, each)]
        found = [message for channel in channels for message in self.messages(channel, user)]
        return sorted(found, key=lambda message: message.id)

    def sign(self, channel: Channel, file: Attachment) -> str:
        """Return a CDN URL that expires after a day, with the parameters `ex`, `is` and `hm`."""
        issued = int(self.world.clock.now())
        path = f"/attachments/{channel.id}/{file.id}/{file.filename}"
        ex, since = f"{issued + LINK_SECONDS:x}", f"{issued:x}"
        return (
            f"{self.files_url or self.url}/cdn{path}?ex={ex}&is={since}&hm={self.link_mac(path, ex, since)}&"
        )

    def link_mac(self, path: str, expires: str, issued: str) -> str:
        return hmac.new(self._link_key, f"{path}{expires}{issued}".encode(), hashlib.sha256).hexdigest()

    def _greet(self, session: Session) -> Iterator[tuple[str, Json]]:
        guilds = [g for g in self.world.guilds.values() if g.bot_present and session.serves(g.id)]
        yield (
            "READY",
            {
                "v": 10,
                "user": payloads.user(self.bot) | {"mfa_enabled": True, "verified": True, "flags": 0},
                "guilds": [{"id": str(g.id), "unavailable": True} for g in guilds],
                "session_id": session.id,
                "session_type": "normal",
                "resume_gateway_url": self.gateway_url,
                "shard": list(session.shard),
                "application": {"id": str(self.bot.id), "flags": 0},
                "private_channels": [],
            },
        )
        if session.intents & discord.Intents.guilds.flag:
            for guild in guilds:
                yield "GUILD_CREATE", payloads.gateway_guild(self.world, guild, self.bot)


def _addressed(message: Message, viewer: User | None) -> bool:
    return message.interaction is not None and message.interaction.user is viewer


def _bot_token(bot_id: int) -> str:
    """Return a token in Discord's format, so that tests of log redaction use a realistic one."""
    head = base64.b64encode(str(bot_id).encode()).decode().rstrip("=")
    return f"{head}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"
