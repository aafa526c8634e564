"""A server that adds the bot gets one greeting, in its channel for system messages."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from simcord.backend.serializers import guild_create_payload

from tests.discord.rendered import text_of, texts
from tests.harness import Harness


async def leave(bot: Harness, guild: Any) -> None:
    bot.env.backend.emit("GUILD_DELETE", {"id": str(guild.id)})
    await bot.env.settle()


async def join(bot: Harness, guild: Any) -> None:
    """Let the bot join a server that has channels already."""
    backend = bot.env.backend
    body = guild_create_payload(backend, backend.get_guild(guild.id))
    del body["unavailable"]  # discord.py takes it for the end of an outage
    backend.emit("GUILD_CREATE", body)
    await bot.env.settle()
    await bot.play()


async def server(bot: Harness, **bot_may: bool) -> tuple[Any, Any]:
    """Return a server that the bot isn't on, and its channel for system messages."""
    guild = bot.env.create_guild("New")
    overwrites: dict[Any, discord.PermissionOverwrite] = {}
    if bot_may:
        overwrites[bot.app.bot.user] = discord.PermissionOverwrite(**bot_may)
    channel = guild.create_text_channel("general", overwrites=overwrites)
    bot.env.backend.get_guild(guild.id).system_channel_id = channel.id
    await leave(bot, guild)
    return guild, channel


def seen(bot: Harness, channel: Any) -> list[str]:
    """Return the texts that a member of the channel's server sees in it."""
    return [text_of(bot, message) for message in channel.history()]


async def test_the_greeting_says_what_to_try_and_where_the_limits_are(bot: Harness) -> None:
    guild, channel = await server(bot)
    await join(bot, guild)
    (greeting,) = seen(bot, channel)
    for words in (
        "Try </generate",
        "in any channel where I may post",
        "</settings:",
        "Integrations** lets you choose channels",
    ):
        assert words in greeting


async def test_a_server_is_greeted_once_also_after_a_restart_and_a_second_invitation(bot: Harness) -> None:
    guild, channel = await server(bot)
    await join(bot, guild)
    await bot.restart()
    await leave(bot, guild)
    await join(bot, guild)
    assert len(seen(bot, channel)) == 1
    assert texts(bot) == []  # a server that had the bot before gets none


@pytest.mark.parametrize("closed", ["send_messages", "view_channel"])
async def test_without_permission_nothing_is_posted(bot: Harness, closed: str) -> None:
    guild, channel = await server(bot, **{closed: False})
    other = guild.create_text_channel("random")
    await join(bot, guild)
    assert (seen(bot, channel), seen(bot, other)) == ([], [])


async def test_without_a_channel_for_system_messages_nothing_is_posted(bot: Harness) -> None:
    guild, channel = await server(bot)
    bot.env.backend.get_guild(guild.id).system_channel_id = None
    await join(bot, guild)
    assert seen(bot, channel) == []


@pytest.mark.bot(allowed_guild_ids=[1])
async def test_a_server_that_the_operator_does_not_allow_gets_none(bot: Harness) -> None:
    guild, channel = await server(bot)
    await join(bot, guild)
    assert seen(bot, channel) == []


async def test_a_refused_greeting_is_no_error(bot: Harness) -> None:
    guild, channel = await server(bot)
    bot.env.inject_error("POST", f"/channels/{channel.id}/messages", status=403, code=50013, times=1)
    await join(bot, guild)
    assert seen(bot, channel) == []
