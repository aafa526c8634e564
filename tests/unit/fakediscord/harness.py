"""A minimal bot, and the offline server in which it is, with one channel and one person."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import discord
import pytest
from discord import app_commands

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Guild, User


class SilentBot(discord.Client):
    """A bot with the command /paint, which keeps the interactions that it receives and answers none."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), max_messages=None)
        self.tree = app_commands.CommandTree(self)
        self.guild_seen = asyncio.Event()
        self.interactions: list[discord.Interaction] = []

    async def setup_hook(self) -> None:
        async def keep(interaction: discord.Interaction) -> None:
            self.interactions.append(interaction)

        self.tree.add_command(app_commands.Command(name="paint", description="Paints", callback=keep))
        await self.tree.sync()

    async def on_guild_available(self, _: discord.Guild) -> None:
        self.guild_seen.set()


@dataclass(frozen=True)
class Studio:
    fake: FakeDiscord
    bot: SilentBot
    guild: Guild
    general: Channel
    alice: User

    @property
    def channel(self) -> discord.PartialMessageable:
        """The channel as the bot sees it."""
        return self.bot.get_partial_messageable(self.general.id, guild_id=self.guild.id)

    @property
    def shown(self) -> list[str]:
        """The messages in the channel."""
        return [message.content for message in self.fake.messages(self.general)]

    async def received(self, *, user_install: bool = False) -> tuple[discord.Interaction, Interaction]:
        """Return an interaction that nobody has answered, as the bot and as the fake have it."""
        asked = await self.fake.slash(self.alice, self.general, "paint", {}, user_install=user_install)
        while not self.bot.interactions:
            await self.bot.http.get_bot_gateway()
        return self.bot.interactions.pop(), asked


async def refusal(call: Any, status: int, code: int) -> None:
    """Wait for a call to Discord, which must be refused like this."""
    with pytest.raises(discord.HTTPException) as refused:
        await call
    assert (refused.value.status, refused.value.code) == (status, code)
