"""`/generate`: interaction -> request, answer -> words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from discord.ext import commands

from bot.client import GenerateBot
from bot.deployments.command import build_generate
from bot.deployments.plan import OptionChoice
from bot.deployments.values import GivenValue
from bot.desk import FrontDesk
from bot.presets.inputs import PRESET_OPTION
from cogs.answers import answer
from cogs.asker import Interaction, asker_of, check_here
from cogs.presets import answer_generated


class Generate(commands.Cog):
    """Adds the command that the deployments make."""

    def __init__(self, bot: GenerateBot, desk: FrontDesk) -> None:
        self._bot = bot
        self._desk = desk

    async def cog_load(self) -> None:
        self._build()
        self._bot.when_deployments_change(self._build)

    async def cog_unload(self) -> None:
        self._bot.tree.remove_command(self._command.name)

    def _build(self) -> None:
        self._command = build_generate(self._desk.plan, self._generate, self._suggest)
        self._bot.tree.add_command(self._command, override=True)

    async def _generate(
        self, interaction: Interaction, deployment: str, given: Mapping[str, GivenValue]
    ) -> None:
        check_here(interaction)
        asker = asker_of(interaction, self._desk.now())
        name = given.get(PRESET_OPTION.name)
        if name is None:
            await answer(interaction, self._desk, await self._desk.generate(deployment, given, asker))
            return
        typed = {option: value for option, value in given.items() if option != PRESET_OPTION.name}
        made = await self._bot.presets.generate(deployment, str(name), typed, asker)
        await answer_generated(interaction, made)

    async def _suggest(
        self, interaction: Interaction, deployment: str, option: str, typed: str
    ) -> Sequence[OptionChoice]:
        if option == PRESET_OPTION.name:
            person_id, guild_id = interaction.user.id, interaction.guild_id
            return await self._bot.presets.suggest(person_id, guild_id, typed, deployment)
        return self._desk.suggestions(deployment, option, typed)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Generate(bot, bot.desk))
