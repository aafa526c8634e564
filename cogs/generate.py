"""`/generate`: interaction -> request, answer -> words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord
from discord.ext import commands

from bot.client import GenerateBot
from bot.deployments.command import build_generate
from bot.deployments.plan import OptionChoice
from bot.deployments.values import GivenValue
from bot.desk import FrontDesk
from bot.preflight import check_place
from cogs.answers import answer
from cogs.asker import asker_of

Interaction = discord.Interaction[GenerateBot]


class Generate(commands.Cog):
    """Adds the command that the deployments make."""

    def __init__(self, bot: GenerateBot, desk: FrontDesk) -> None:
        self._bot = bot
        self._desk = desk

    async def cog_load(self) -> None:
        self._command = build_generate(self._desk.plan, self._generate, self._suggest)
        self._bot.tree.add_command(self._command)

    async def cog_unload(self) -> None:
        self._bot.tree.remove_command(self._command.name)

    async def _generate(
        self, interaction: Interaction, deployment: str, given: Mapping[str, GivenValue]
    ) -> None:
        check_place(interaction.channel, interaction.app_permissions)
        run = await self._desk.generate(deployment, given, asker_of(interaction, self._desk.now()))
        await answer(interaction, self._desk, run)

    async def _suggest(
        self, _interaction: Interaction, deployment: str, option: str, typed: str
    ) -> Sequence[OptionChoice]:
        return self._desk.suggestions(deployment, option, typed)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Generate(bot, bot.desk))
