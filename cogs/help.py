"""`/help` says how to begin, and has pages with examples, the user's own limits, and the other commands."""

from __future__ import annotations

import asyncio

from discord import app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.errors import StoreUnavailable
from bot.gateway.client import GenerateBot, PersistentItem
from bot.gateway.interactions import Interaction, actor_of, rules_guild_id
from bot.services.runs import standing_of
from bot.strings import say
from bot.ui.custom_ids import HelpId, HelpPage
from bot.ui.help import commands_text, examples_text, help_layout, rules_text, start_text

# An interaction has to be answered within 3 seconds.
_SECONDS = 1.2


async def _page(interaction: Interaction, page: HelpPage) -> LayoutView:
    bot = interaction.client
    catalogue = bot.app.catalogue
    match page:
        case HelpPage.EXAMPLES:
            text = examples_text(catalogue.all())
        case HelpPage.LIMITS:
            text = await _limits(interaction)
        case HelpPage.COMMANDS:
            mention = await bot.registered.mention(interaction.guild_id)
            text = commands_text(mention, in_server=rules_guild_id(interaction) is not None)
        case HelpPage.START:
            mention = await bot.registered.mention(interaction.guild_id)
            text = start_text(catalogue.all(), catalogue.plan, mention)
    return help_layout(page, text)


async def _limits(interaction: Interaction) -> str:
    app = interaction.client.app
    try:
        async with asyncio.timeout(_SECONDS):
            standing = await standing_of(app, actor_of(interaction))
    except (StoreUnavailable, TimeoutError):
        return say("help_rules_unread")
    return rules_text(standing, app.catalogue.title)


class HelpButton(PersistentItem[HelpId], codec=HelpId):
    """A button that shows another page."""

    async def pressed(self, interaction: Interaction, id: HelpId) -> None:
        await interaction.response.edit_message(view=await _page(interaction, id.page))


class Help(commands.Cog):
    """The command `/help`. Its answer is ephemeral. Without the database it lacks only the user's limits."""

    @app_commands.command(name="help", description=say("command_help"))
    async def help(self, interaction: Interaction) -> None:
        layout = await _page(interaction, HelpPage.START)
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_items(HelpButton)
    await bot.add_cog(Help())
