"""A real discord.py bot, logged in over real sockets, in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import discord
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.fakediscord.patch import point_discord_at
from tests.fakediscord.server import FakeDiscord
from tests.unit.fakediscord.harness import SilentBot, Studio


@pytest.fixture
def _addresses() -> Iterator[None]:
    """Restore Discord's addresses, which discord.py keeps in classes, for other tests of this process."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE = before


@pytest.fixture
async def fake(_addresses: None) -> AsyncIterator[FakeDiscord]:
    # Longer than Discord's three seconds, which a busy machine may take.
    async with FakeDiscord(answer_within=60) as server:
        point_discord_at(server.url)
        yield server


@pytest.fixture
async def studio(fake: FakeDiscord) -> AsyncIterator[Studio]:
    """Log the bot in to a fake with a server, a channel and a person."""
    guild = fake.add_guild("Studio")
    general = fake.add_text(guild, "general")
    alice = fake.add_user("alice", guild)
    bot = SilentBot()
    running = asyncio.create_task(bot.start(fake.token))
    try:
        await fake.wait_command("paint")
        await asyncio.wait_for(bot.guild_seen.wait(), 60)
        yield Studio(fake, bot, guild, general, alice)
    finally:
        await bot.close()
        with contextlib.suppress(asyncio.CancelledError, discord.DiscordException):
            await running
