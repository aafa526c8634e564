"""`/runs`: what became of one's own requests."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.client import GenerateBot
from bot.desk import FrontDesk
from bot.lists import RUNS_SHOWN, runs_layout
from bot.words import say


class Runs(commands.Cog):
    """Ephemeral: what somebody generates is theirs to show."""

    def __init__(self, desk: FrontDesk) -> None:
        self._desk = desk

    @app_commands.command(name="runs", description=say("command_runs"))
    async def runs(self, interaction: discord.Interaction[GenerateBot]) -> None:
        entries = await self._desk.latest(interaction.user.id, RUNS_SHOWN)
        layout = runs_layout(entries, self._desk.title)
        layout.stop()  # answered by custom_id
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Runs(bot.desk))
