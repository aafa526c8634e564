"""`/help` says how to begin, and has pages with examples, the user's own limits, and the other commands.

A server that adds the bot gets a greeting.
"""

from __future__ import annotations

import logging

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.errors import RefusedError, StoreUnavailable
from bot.domain.policy import check_availability
from bot.gateway.client import GenerateBot
from bot.gateway.interactions import Interaction, actor_of, paged
from bot.ui.custom_ids import HelpId, HelpPage
from bot.ui.help import commands_text, examples_text, greeting_layout, help_layout, rules_of, start_texts

log = logging.getLogger(__name__)


@paged
async def _page(interaction: Interaction, id: HelpId) -> LayoutView:
    bot, actor = interaction.client, actor_of(interaction)
    catalogue = bot.app.catalogue
    match id.page:
        case HelpPage.EXAMPLES:
            text = examples_text(catalogue.all())
        case HelpPage.LIMITS:
            facts = await bot.app.store.requests.facts(actor, "", (), bot.app.now(), preset="")
            presets = [each for each in facts.defaults if catalogue.get(each.deployment) is not None]
            text = "\n".join(rules_of(actor, catalogue.all(), facts.usage, facts.rules, presets))
        case HelpPage.COMMANDS:
            text = commands_text(await bot.registered.mention(), in_server=actor.origin.guild_id is not None)
        case HelpPage.START:
            mention = await bot.registered.mention()
            return help_layout(id.page, *start_texts(catalogue.all(), catalogue.plan, mention))
    return help_layout(id.page, text)


class Help(commands.Cog):
    """The command `/help`. Its answer is ephemeral. Without the database it lacks only the user's limits."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Introduce the bot in the channel for system messages of a server that the operator allows.

        That the server was greeted is stored first, so it is never greeted twice.
        """
        app, channel = self._bot.app, guild.system_channel
        allowed = channel.permissions_for(guild.me) if channel is not None else discord.Permissions.none()
        if channel is None or not (allowed.view_channel and allowed.send_messages):
            return
        try:
            check_availability(guild.id, app.store.operator, user_install=False)
            if await app.store.key_values.change(f"greeted {guild.id}", lambda before: ("", before is None)):
                mention = await self._bot.registered.mention()
                await channel.send(view=greeting_layout(mention, app.catalogue.all(), app.catalogue.plan))
        except RefusedError:
            return
        except (StoreUnavailable, discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.warning("can't greet server %s: %s: %s", guild.id, type(error).__name__, error)

    @app_commands.command(
        name="help", description="Show how to begin, with examples, your limits and all commands"
    )
    async def help(self, interaction: Interaction) -> None:
        await _page(interaction, HelpId(HelpPage.START))


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(HelpId, _page)
    await bot.add_cog(Help(bot))
