"""Check that a component was pressed in a message that may hold it."""

from __future__ import annotations

from typing import Any

import discord

from bot.domain.errors import RefusedError
from bot.domain.messages import Kind
from bot.services.runs import message_kinds
from bot.ui.custom_ids import Action, CustomId, RunId
from bot.ui.message_parts import component_ids
from bot.ui.moderation import DECISIONS


async def check_message(interaction: discord.Interaction[Any], id: CustomId) -> None:
    """Raise RefusedError unless the message may hold the pressed component, or the button behind the form.

    A custom_id can be forged, but the message can't. Handlers edit, delete and read the message, so a press
    elsewhere would change someone else's. A message that only this user sees may hold anything. Any other has
    to be the bot's, and about the run that the custom_id names. The handlers answer if that run is gone.
    """
    message, run_key = interaction.message, getattr(id, "key", "")
    if message is None:
        return  # a form that a command opened
    answered = message.interaction_metadata
    if message.flags.ephemeral:
        # As far as Discord says whom the message answers.
        is_valid = answered is None or answered.user.id == interaction.user.id
    elif message.author != interaction.client.user or not run_key:
        is_valid = False
    else:
        answered_id, shown = answered.id if answered else None, component_ids(message)
        kinds = await message_kinds(interaction.client.app, run_key, message.id, answered_id, shown)
        is_valid = kinds is None or any(may_be_on(id, kind) for kind in kinds)
    if not is_valid:
        raise RefusedError("message_other", f"a custom_id of {type(id).__name__} in message {message.id}")


def may_be_on(id: CustomId, kind: Kind) -> bool:
    """Return whether a run's message of this kind may hold the component, or the button of the form."""
    action = id.action if isinstance(id, RunId) else None
    if kind in DECISIONS:
        return action in DECISIONS[kind] or (kind is Kind.REVIEW and action is Action.DETAILS)
    return all(action not in decisions for decisions in DECISIONS.values())
