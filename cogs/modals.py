"""Forms. They carry the run key in their custom_id and are answered by it alone, so a restart between
opening and sending one loses nothing that was typed."""

from __future__ import annotations

import re

import discord
from discord.ext import commands

from bot.client import GenerateBot, tell
from bot.domain.requests import Person
from bot.ui.lists import told_of_block
from bot.ui.moderation import _REASON
from cogs.asker import Interaction, person_of
from cogs.cards import show_card, told_of_card
from cogs.items import sent_form
from cogs.named import named
from cogs.typed import texts_of

_PATTERN = re.compile(r"form:(?P<key>[a-z0-9]{1,20}):(?P<form>reject|block)")


class Forms(commands.Cog):
    """Takes submitted forms in."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        match = sent_form(interaction, _PATTERN)
        if match is None:
            return
        reason = texts_of(interaction).get(_REASON, "").strip()
        try:
            await _SENDS[match["form"]](interaction, match["key"], reason)
        except Exception as error:  # a listener's errors never reach the tree's handler
            await told_of_card(interaction, match["key"], error)


async def _reject(interaction: Interaction, key: str, reason: str) -> None:
    reviews = interaction.client.reviews
    part = await reviews.reject(key, person_of(interaction), interaction.guild_id, reason)
    await show_card(interaction, part)


async def _block(interaction: Interaction, key: str, reason: str) -> None:
    bot = interaction.client
    person_id = await bot.reviews.subject(key, person_of(interaction), interaction.guild_id)
    target = await _member(interaction, person_id)
    done = await bot.people_desk.block(
        interaction.guild_id, person_of(interaction), target, reason=reason, duration=None
    )
    await tell(interaction, told_of_block(person_id, done))


async def _member(interaction: Interaction, person_id: int) -> Person:
    """With the roles that tell a moderator; whoever has left has none."""
    if interaction.guild is not None:
        try:
            return named(await interaction.guild.fetch_member(person_id))
        except discord.NotFound:
            pass
    return Person(id=person_id, created_at=discord.utils.snowflake_time(person_id))


_SENDS = {"reject": _reject, "block": _block}


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Forms())
