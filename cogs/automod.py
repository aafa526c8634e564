"""Hears when a server changes its AutoMod rules, so that the next request goes by the new ones."""

from __future__ import annotations

import discord
from discord.ext import commands

from bot.client import GenerateBot
from bot.moderation.word_desk import WordDesk


class Automod(commands.Cog):
    """Needs the intent `auto_moderation_configuration`, which is not privileged."""

    def __init__(self, words: WordDesk) -> None:
        self._words = words

    @commands.Cog.listener()
    async def on_automod_rule_create(self, rule: discord.AutoModRule) -> None:
        self._words.cache.invalidate(rule.guild.id)

    @commands.Cog.listener()
    async def on_automod_rule_update(self, rule: discord.AutoModRule) -> None:
        self._words.cache.invalidate(rule.guild.id)

    @commands.Cog.listener()
    async def on_automod_rule_delete(self, rule: discord.AutoModRule) -> None:
        self._words.cache.invalidate(rule.guild.id)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Automod(bot.words))
