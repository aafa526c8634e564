"""`/help` lists the deployments, the user's limits, and the other commands. New servers get a greeting."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.domain.errors import StoreUnavailable
from bot.gateway.client import GenerateBot
from bot.gateway.interactions import Interaction, actor_of, rules_guild_id
from bot.services.help import is_to_be_greeted, standing_of
from bot.strings import say
from bot.ui.help import HelpText, greeting_layout, help_layout
from bot.ui.help.rules import rules_text

# Fetching the commands' ids may take as long again, and an interaction has to be answered within 3 seconds.
_SECONDS = 1.2
log = logging.getLogger(__name__)


class Help(commands.Cog):
    """The command `/help`. Its answer is ephemeral. Without the database it lacks only the user's limits."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Introduce the bot in the server's channel for system messages, if it may post there.

        That the server was greeted is stored first, so it is never greeted twice.
        """
        app, channel = self._bot.app, guild.system_channel
        allowed = channel.permissions_for(guild.me) if channel is not None else discord.Permissions.none()
        if channel is None or not (allowed.view_channel and allowed.send_messages):
            return
        try:
            if await is_to_be_greeted(app, guild.id):
                mention = await self._bot.command_ids.mention(guild.id)
                await channel.send(view=greeting_layout(mention, app.catalogue.all(), app.catalogue.plan))
        except (StoreUnavailable, discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.warning("can't greet server %s: %s: %s", guild.id, type(error).__name__, error)

    @app_commands.command(name="help", description=say("command_help"))
    async def help(self, interaction: Interaction) -> None:
        bot = interaction.client
        shown = HelpText(
            deployments=bot.app.catalogue.all(),
            plan=bot.app.catalogue.plan,
            mention=await bot.command_ids.mention(interaction.guild_id),
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
    await bot.add_cog(Help(bot))
