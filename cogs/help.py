"""`/help` lists the deployments and their options, the user's own limits, and the other commands."""

from __future__ import annotations

import asyncio

from discord import app_commands
from discord.ext import commands

from bot.domain.errors import StoreUnavailable
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import PersistentItem, selected_values
from bot.gateway.interactions import Interaction, requester_of, rules_guild_id
from bot.strings import say
from bot.ui.custom_ids import HelpId
from bot.ui.help import HelpText, deployment_layout, help_layout
from bot.ui.help.rules import rules_text

# Fetching the commands' ids may take as long again, and an interaction has to be answered within 3 seconds.
_SECONDS = 1.2


class HelpSelect(PersistentItem[HelpId], codec=HelpId):
    """The select that shows another deployment."""

    async def pressed(self, interaction: Interaction, id: HelpId) -> None:
        catalogue = interaction.client.services.catalogue
        deployment = catalogue.require(next(iter(selected_values(interaction)), ""))
        layout = deployment_layout(deployment, await _help_text(interaction))
        await interaction.response.edit_message(view=layout)


class Help(commands.Cog):
    """The command `/help`. Its answer is ephemeral. Without the database it lacks only the user's limits."""

    @app_commands.command(name="help", description=say("command_help"))
    async def help(self, interaction: Interaction) -> None:
        layout = help_layout(await _help_text(interaction, with_rules=True))
        await interaction.response.send_message(view=layout, ephemeral=True)


async def _help_text(interaction: Interaction, *, with_rules: bool = False) -> HelpText:
    bot = interaction.client
    rules = await _rules(interaction) if with_rules else ""
    return HelpText(
        deployments=bot.services.catalogue.all(),
        plan=bot.services.catalogue.plan,
        mention=await bot.command_ids.mention(interaction.guild_id),
        rules=rules,
        in_server=rules_guild_id(interaction) is not None,
    )


async def _rules(interaction: Interaction) -> str:
    services = interaction.client.services
    try:
        async with asyncio.timeout(_SECONDS):
            standing = await services.help.standing(requester_of(interaction))
    except (StoreUnavailable, TimeoutError):
        return say("help_rules_unread")
    return rules_text(standing, services.catalogue.title)


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(HelpSelect)
    await bot.add_cog(Help())
