"""`/usage`: what one has used today; for moderators also somebody else's and the server's."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.client import GenerateBot
from bot.moderation.people_desk import PeopleDesk
from bot.strings import say
from bot.ui.lists import usage_layout
from cogs.asker import Interaction, person_of, server_of
from cogs.named import named


class Usage(commands.Cog):
    """Ephemeral: what somebody uses is theirs and the moderators' to know."""

    def __init__(self, desk: PeopleDesk) -> None:
        self._desk = desk

    @app_commands.command(name="usage", description=say("command_usage"))
    @app_commands.describe(person=say("option_usage_person"))
    async def usage(self, interaction: Interaction, person: discord.User | None = None) -> None:
        view = await self._desk.usage(
            server_of(interaction), person_of(interaction), named(person) if person is not None else None
        )
        await interaction.response.send_message(view=usage_layout(view), ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Usage(bot.people_desk))
