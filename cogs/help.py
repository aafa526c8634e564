"""`/help` lists the deployments and their options."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.deployments.catalogue import Catalogue
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import PersistentItem, selected_values
from bot.gateway.interactions import Interaction
from bot.strings import say
from bot.ui.custom_ids import HelpId
from bot.ui.help import deployment_layout, help_layout


class HelpSelect(PersistentItem[HelpId], codec=HelpId):
    """The select that shows another deployment."""

    async def pressed(self, interaction: Interaction, id: HelpId) -> None:
        catalogue = interaction.client.services.catalogue
        deployment = catalogue.require(next(iter(selected_values(interaction)), ""))
        layout = deployment_layout(deployment, catalogue.all(), catalogue.plan)
        await interaction.response.edit_message(view=layout)


class Help(commands.Cog):
    """The command `/help`. Its answer is ephemeral and needs no database."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @app_commands.command(name="help", description=say("command_help"))
    async def help(self, interaction: Interaction) -> None:
        layout = help_layout(self._catalogue.all(), self._catalogue.plan)
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(HelpSelect)
    await bot.add_cog(Help(bot.services.catalogue))
