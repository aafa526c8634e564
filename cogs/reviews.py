"""Forms. They carry the run key in their custom_id and are answered by it alone, so a restart between
opening and sending one loses nothing that was typed."""

from __future__ import annotations

import re
from collections.abc import Iterable

import discord
from discord.ext import commands

from bot.domain.errors import RefusedError
from bot.domain.requests import Member
from bot.gateway.client import GenerateBot, tell, tell_error
from bot.gateway.dynamic_items import custom_ids, submitted_form, text_values
from bot.gateway.interactions import Interaction, member_from_user, member_of
from bot.services.reviews import ReviewedRun
from bot.ui.components import OutgoingMessage
from bot.ui.custom_ids import Action, custom_id
from bot.ui.lists import block_confirmation
from bot.ui.moderation import _REASON, closed_report_card, decided_card, expired_card

_PATTERN = re.compile(r"form:(?P<key>[a-z0-9]{1,20}):(?P<form>reject|block)")


class Forms(commands.Cog):
    """Takes submitted forms in."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        match = submitted_form(interaction, _PATTERN)
        if match is None:
            return
        reason = text_values(interaction).get(_REASON, "").strip()
        try:
            await _SENDS[match["form"]](interaction, match["key"], reason)
        except Exception as error:  # a listener's errors never reach the tree's handler
            await report_card_error(interaction, match["key"], error)


async def _reject(interaction: Interaction, key: str, reason: str) -> None:
    reviews = interaction.client.services.reviews
    reviewed = await reviews.reject(key, member_of(interaction), interaction.guild_id, reason)
    await show_decision(interaction, reviewed)


async def _block(interaction: Interaction, key: str, reason: str) -> None:
    services = interaction.client.services
    user_id = await services.reviews.requester_id(key, member_of(interaction), interaction.guild_id)
    target = await _member(interaction, user_id)
    done = await services.blocks.block(
        interaction.guild_id, member_of(interaction), target, reason=reason, duration=None
    )
    await tell(interaction, block_confirmation(user_id, done))


async def _member(interaction: Interaction, user_id: int) -> Member:
    """With the roles that tell a moderator; whoever has left has none."""
    if interaction.guild is not None:
        try:
            return member_from_user(await interaction.guild.fetch_member(user_id))
        except discord.NotFound:
            pass
    return Member(id=user_id, created_at=discord.utils.snowflake_time(user_id))


_SENDS = {"reject": _reject, "block": _block}


# A message is a card when it has all the buttons of one, whatever a forged press says.
_REVIEW = (Action.APPROVE, Action.REJECT, Action.BLOCK)
_REPORTS = ((Action.DELETE, Action.BLOCK, Action.DISMISS), (Action.CLEAR, Action.BLOCK, Action.DISMISS))


async def show_decision(interaction: Interaction, reviewed: ReviewedRun) -> None:
    """Edit a review card into its decided form."""
    await _show_card(interaction, decided_card(reviewed.run, reviewed.title, reviewed.inputs))


async def close_report(interaction: Interaction, reviewed: ReviewedRun, verdict: str) -> None:
    """Edit a report into its closed form, which says what became of it."""
    part = closed_report_card(reviewed.run, reviewed.title, verdict)
    await _show_card(interaction, part, keep_files=False)


async def _show_card(interaction: Interaction, part: OutgoingMessage, *, keep_files: bool = True) -> None:
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


async def report_card_error(interaction: Interaction, key: str, error: Exception) -> None:
    """Tells the error; a card whose request is gone says so itself, and loses its buttons."""
    gone = isinstance(error, RefusedError) and error.code == "run_gone"
    is_card = _offers(interaction, key, _REVIEW) or is_report(interaction, key)
    if not gone or not is_card or interaction.response.is_done():
        await tell_error(interaction, error)
        return
    try:
        await _show_card(interaction, expired_card(), keep_files=False)
    except discord.HTTPException as late:
        await tell_error(interaction, late)


def _offers(interaction: Interaction, key: str, actions: Iterable[Action]) -> bool:
    message = interaction.message
    return message is not None and {custom_id(key, action) for action in actions} <= set(
        custom_ids(message.components)
    )


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Forms())
