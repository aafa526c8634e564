"""The routes that return the bot, users, guilds, channels and the gateway's URL."""

from __future__ import annotations

from collections.abc import Callable

import discord

from tests.fakediscord import payloads
from tests.fakediscord.calls import Call, Endpoint, Reply
from tests.fakediscord.errors import ApiError, Json
from tests.fakediscord.world import Channel, Guild, Kind, User, World


class WorldRoutes:
    """Routes about the world. `shards` and `starts_left` are what GET /gateway/bot returns.

    `open_dm` returns the direct messages with a user.
    """

    def __init__(
        self, world: World, bot: User, gateway_url: Callable[[], str], open_dm: Callable[[User], Channel]
    ) -> None:
        self.shards = 1
        self.starts_left = 1000
        self._world = world
        self._bot = bot
        self._gateway_url = gateway_url
        self._open_dm = open_dm

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/users/@me", self.me),
            Endpoint("GET", "/users/@me/guilds", self.my_guilds),
            Endpoint("POST", "/users/@me/channels", self.direct_messages),
            Endpoint("GET", "/oauth2/applications/@me", self.application),
            Endpoint("GET", "/gateway/bot", self.gateway_bot),
            Endpoint("GET", "/guilds/{guild_id}", self.guild),
            Endpoint("GET", "/guilds/{guild_id}/auto-moderation/rules", self.automod_rules),
            Endpoint("GET", "/guilds/{guild_id}/members/{user_id}", self.member),
            Endpoint("GET", "/channels/{channel_id}", self.channel),
        ]

    def me(self, call: Call) -> Reply:
        return Reply(
            body=payloads.user(self._bot) | {"mfa_enabled": True, "verified": True, "locale": "en-US"}
        )

    def automod_rules(self, call: Call) -> Reply:
        """Return the server's AutoMod rules. The bot needs Manage Server."""
        guild = self._world.guilds.get(call.id("guild_id"))
        if guild is None or not guild.bot_present:
            raise ApiError(10004)
        if not discord.Permissions(guild.bot_permissions).manage_guild:
            raise ApiError(50013)
        return Reply(body=list(guild.automod))

    def my_guilds(self, call: Call) -> Reply:
        """Return the guilds with the bot's permissions, all on the first page."""
        there = [g for _, g in sorted(self._world.guilds.items()) if g.bot_present]
        return Reply(
            body=[
                payloads.guild(self._world, guild, self._bot)
                | {"owner": guild.owner_id == self._bot.id, "permissions": str(guild.bot_permissions)}
                for guild in there
            ]
        )

    def direct_messages(self, call: Call) -> Reply:
        user = self._world.users.get(int(call.body["recipient_id"]))
        if user is None or user.bot:
            raise ApiError(50007)
        return Reply(body=payloads.channel(self._open_dm(user), self._bot))

    def application(self, call: Call) -> Reply:
        body: Json = {
            "id": str(self._bot.id),
            "name": self._bot.name,
            "description": "",
            "icon": None,
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "owner": payloads.user(User(1, "owner")),
            "flags": 0,
        }
        return Reply(body=body)

    def gateway_bot(self, call: Call) -> Reply:
        limit = {
            "total": 1000,
            "remaining": self.starts_left,
            "reset_after": 86_400_000,
            "max_concurrency": 1,
        }
        return Reply(body={"url": self._gateway_url(), "shards": self.shards, "session_start_limit": limit})

    def guild(self, call: Call) -> Reply:
        return Reply(body=payloads.guild(self._world, self._guild(call), self._bot))

    def member(self, call: Call) -> Reply:
        guild, user_id = self._guild(call), call.id("user_id")
        user = self._world.users.get(user_id)
        if user is None or (user_id not in guild.members and user is not self._bot):
            raise ApiError(10007)
        return Reply(body=payloads.member(self._world, guild, user))

    def channel(self, call: Call) -> Reply:
        place = self._world.channels.get(call.id("channel_id"))
        if place is None or place.deleted:
            raise ApiError(10003)
        if place.kind is not Kind.DM and not self._world.bot_permissions(place):
            raise ApiError(50001)
        return Reply(body=payloads.channel(place, self._bot))

    def _guild(self, call: Call) -> Guild:
        guild = self._world.guilds.get(call.id("guild_id"))
        if guild is None or not guild.bot_present:
            raise ApiError(10004)
        return guild
