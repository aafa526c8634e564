"""Moderators' cards, changed by whoever presses them."""

from __future__ import annotations

from collections.abc import Iterable

import discord

from bot.client import tell_error
from bot.domain.errors import RefusedError
from bot.ui.components import Part
from bot.ui.custom_ids import Action, custom_id
from bot.ui.moderation import gone_part
from cogs.asker import Interaction
from cogs.items import custom_ids

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
