"""`/help` lists the deployments, the user's own limits, and the other commands."""

from __future__ import annotations

import asyncio

from discord import app_commands
from discord.ext import commands

from bot.domain.errors import StoreUnavailable
from bot.gateway.client import GenerateBot
from bot.gateway.interactions import Interaction, actor_of, rules_guild_id
from bot.services.help import standing_of
from bot.strings import say
from bot.ui.help import HelpText, help_layout
from bot.ui.help.rules import rules_text

# Fetching the commands' ids may take as long again, and an interaction has to be answered within 3 seconds.
_SECONDS = 1.2


class Help(commands.Cog):
    """The command `/help`. Its answer is ephemeral. Without the database it lacks only the user's limits."""

    @app_commands.command(name="help", description=say("command_help"))
    async def help(self, interaction: Interaction) -> None:
        bot = interaction.client
        shown = HelpText(
            deployments=bot.app.catalogue.all(),
            plan=bot.app.catalogue.plan,
            mention=await bot.registered.mention(interaction.guild_id),
            rules=await _rules(interaction),
            in_server=rules_guild_id(interaction) is not None,
        )
        await interaction.response.send_message(view=help_layout(shown), ephemeral=True)


async def _rules(interaction: Interaction) -> str:
    app = interaction.client.app
    try:
        async with asyncio.timeout(_SECONDS):
            standing = await standing_of(app, actor_of(interaction))
    except (StoreUnavailable, TimeoutError):
        return say("help_rules_unread")
    return rules_text(standing, app.catalogue.title)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Help())
