"""Forms. They carry the run key in their custom_id and are answered by it alone, so a restart between
opening and sending one loses nothing that was typed."""

from __future__ import annotations

import re
from collections.abc import Iterable

import discord
from discord.ext import commands

from bot.domain.errors import RefusedError
from bot.domain.requests import Person
from bot.gateway.client import GenerateBot, tell, tell_error
from bot.gateway.dynamic_items import custom_ids, sent_form, texts_of
from bot.gateway.interactions import Interaction, named, person_of
from bot.ui.components import Part
from bot.ui.custom_ids import Action, custom_id
from bot.ui.lists import told_of_block
from bot.ui.moderation import _REASON, gone_part

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


# A message is a card when it has all the buttons of one, whatever a forged press says.
_REVIEW = (Action.APPROVE, Action.REJECT, Action.BLOCK)
_REPORTS = ((Action.DELETE, Action.BLOCK, Action.DISMISS), (Action.CLEAR, Action.BLOCK, Action.DISMISS))


async def show_card(interaction: Interaction, part: Part, *, keep_files: bool = True) -> None:
    """The card becomes what it is now. Attached pictures stay, for inputs whose links run out."""
    if part.layout is None:
        raise RuntimeError("a card is a layout")
    part.layout.stop()
    await interaction.response.edit_message(
        view=part.layout,
        attachments=discord.utils.MISSING if keep_files else [],
        allowed_mentions=discord.AllowedMentions.none(),
    )


def is_report(interaction: Interaction, key: str) -> bool:
    return any(_offers(interaction, key, actions) for actions in _REPORTS)


async def told_of_card(interaction: Interaction, key: str, error: Exception) -> None:
    """Tells the error; a card whose request is gone says so itself, and loses its buttons."""
    gone = isinstance(error, RefusedError) and error.code == "run_gone"
    is_card = _offers(interaction, key, _REVIEW) or is_report(interaction, key)
    if not gone or not is_card or interaction.response.is_done():
        await tell_error(interaction, error)
        return
    try:
        await show_card(interaction, gone_part(), keep_files=False)
    except discord.HTTPException as late:
        await tell_error(interaction, late)


def _offers(interaction: Interaction, key: str, actions: Iterable[Action]) -> bool:
    message = interaction.message
    return message is not None and {custom_id(key, action) for action in actions} <= set(
        custom_ids(message.components)
    )


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Forms())
