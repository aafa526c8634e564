"""`/help`: what can be generated here and how to ask well."""

from __future__ import annotations

import re
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import DynamicItem, Item

from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import reporting_errors, selected_values
from bot.gateway.interactions import Interaction
from bot.strings import say
from bot.ui.help import SELECT, deployment_layout, help_layout


class HelpChoice(DynamicItem[Item[Any]], template=re.compile(rf"{SELECT}[0-9]")):
    """The select that turns to another deployment."""

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> HelpChoice:
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with reporting_errors(interaction):
            catalogue = interaction.client.services.catalogue
            chosen = catalogue.require(next(iter(selected_values(interaction)), ""))
            layout = deployment_layout(chosen, catalogue.all(), catalogue.plan)
            await interaction.response.edit_message(view=layout)


class Help(commands.Cog):
    """Ephemeral, and from memory."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot
        self._catalogue = bot.services.catalogue

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(HelpChoice)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(HelpChoice)

    @app_commands.command(name="help", description=say("command_help"))
    async def help(self, interaction: Interaction) -> None:
        layout = help_layout(self._catalogue.all(), self._catalogue.plan)
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Help(bot))
