"""The routes that return the bot, users, guilds, channels and the gateway's URL."""

from __future__ import annotations

import discord

from tests.fakediscord import payloads
from tests.fakediscord.calls import Call, Routes
from tests.fakediscord.errors import ApiError
from tests.fakediscord.world import Kind, User

routes = Routes()


@routes("GET", "/users/@me")
def me(call: Call) -> object:
    return payloads.user(call.discord.bot) | {"mfa_enabled": True, "verified": True, "locale": "en-US"}


@routes("GET", "/guilds/{guild_id}/auto-moderation/rules")
def automod_rules(call: Call) -> object:
    """Return the server's AutoMod rules. The bot needs Manage Server."""
    if not discord.Permissions(call.guild.bot_permissions).manage_guild:
        raise ApiError(50013)
    return call.guild.automod


@routes("GET", "/users/@me/guilds")
def my_guilds(call: Call) -> object:
    """Return the guilds with the bot's permissions, all on the first page."""
    world, bot = call.discord.world, call.discord.bot
    there = [guild for _, guild in sorted(world.guilds.items()) if guild.bot_present]
    return [
        payloads.guild(world, guild, bot) | {"owner": False, "permissions": str(guild.bot_permissions)}
        for guild in there
    ]


@routes("POST", "/users/@me/channels")
def direct_messages(call: Call) -> object:
    user = call.discord.world.users.get(int(call.body["recipient_id"]))
    if user is None or user.bot:
        raise ApiError(50007)
    return payloads.channel(call.discord.dm(user), call.discord.bot)


@routes("GET", "/oauth2/applications/@me")
def application(call: Call) -> object:
    return {
        "id": str(call.discord.bot.id),
        "name": call.discord.bot.name,
        "description": "",
        "icon": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": payloads.user(User(1, "owner")),
        "flags": 0,
    }


@routes("GET", "/gateway/bot")
def gateway_bot(call: Call) -> object:
    left = {"total": 1000, "remaining": call.discord.starts_left, "reset_after": 86_400_000}
    return {
        "url": call.discord.gateway_url,
        "shards": call.discord.shards,
        "session_start_limit": left | {"max_concurrency": 1},
    }


@routes("GET", "/guilds/{guild_id}")
def guild(call: Call) -> object:
    return payloads.guild(call.discord.world, call.guild, call.discord.bot)


@routes("GET", "/guilds/{guild_id}/channels")
def guild_channels(call: Call) -> object:
    return payloads.gateway_guild(call.discord.world, call.guild, call.discord.bot)["channels"]


@routes("GET", "/guilds/{guild_id}/members/{user_id}")
def member(call: Call) -> object:
    user = call.discord.world.users.get(call.id("user_id"))
    if user is None or (user.id not in call.guild.members and user is not call.discord.bot):
        raise ApiError(10007)
    return payloads.member(call.discord.world, call.guild, user)


@routes("GET", "/channels/{channel_id}")
def channel(call: Call) -> object:
    place = call.discord.world.channels.get(call.id("channel_id"))
    if place is None or place.deleted:
        raise ApiError(10003)
    if place.kind is not Kind.DM and not call.discord.world.bot_permissions(place):
        raise ApiError(50001)
    return payloads.channel(place, call.discord.bot)
