"""Moderators' forms, and the updates that a decision makes to review and report cards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import discord

from bot.discord_api.channels import member_names, requester_now
from bot.domain.blocks import block_duration
from bot.domain.errors import DiscordAway, RefusedError
from bot.gateway.client import GenerateBot, tell, tell_error
from bot.gateway.interactions import Interaction, actor_of
from bot.gateway.payloads import custom_ids, submitted_values
from bot.services.access import moderated
from bot.services.moderation import blocks, reviews
from bot.services.moderation.reviews import ReviewedRun
from bot.strings import say
from bot.ui.custom_ids import Action, ReviewForm, ReviewFormId, RunId
from bot.ui.lists import block_confirmation
from bot.ui.message_parts import OutgoingMessage
from bot.ui.moderation import (
    DURATION_FIELD,
    REASON_FIELD,
    block_modal,
    closed_report_card,
    decided_card,
    expired_card,
)

# Discord waits three seconds for the answer to a press.
_SECONDS = 1.0
# A message counts as a card if it has all of a card's buttons, whatever a forged press claims.
_REVIEW = (Action.APPROVE, Action.REJECT, Action.BLOCK)
_REPORTS = ((Action.DELETE, Action.BLOCK, Action.DISMISS), (Action.CLEAR, Action.BLOCK, Action.DISMISS))


async def _submitted(interaction: Interaction, id: ReviewFormId) -> None:
    values = submitted_values(interaction)
    reason = "".join(values.get(REASON_FIELD, ())).strip()
    async with reporting_card_errors(interaction, id.key):
        if id.form is ReviewForm.REJECT:
            await _reject(interaction, id.key, reason)
        else:
            # A form that was opened before an update has no duration.
            await _block(
                interaction, id.key, reason, block_duration(next(iter(values.get(DURATION_FIELD, ())), None))
            )


async def approve(interaction: Interaction, key: str) -> None:
    """Approve a request, judged by the current state of its requester and channel."""
    reviewed = await reviews.approve(interaction.client.app, actor_of(interaction), key)
    await show_decision(interaction, reviewed)


async def _reject(interaction: Interaction, key: str, reason: str) -> None:
    reviewed = await reviews.reject(interaction.client.app, actor_of(interaction), key, reason)
    await show_decision(interaction, reviewed)


async def open_block(interaction: Interaction, key: str) -> None:
    """Open the form of Block, or refuse if the requester can't be blocked.

    If Discord doesn't say in time who the requester is, the submitted form is still checked.
    """
    app, actor = interaction.client.app, actor_of(interaction)
    run = await moderated(app, actor, key)
    names: Mapping[int, str] = {}
    with suppress(DiscordAway):
        await blocks.check(app, actor, await requester_now(interaction.client, run, seconds=_SECONDS))
        if interaction.guild is not None:
            names = await member_names(interaction.guild, [run.requester_id], seconds=_SECONDS)
    await interaction.response.send_modal(block_modal(key, names.get(run.requester_id, "")))


async def _block(interaction: Interaction, key: str, reason: str, duration: timedelta | None) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    run = await moderated(app, actor, key)
    target = await requester_now(interaction.client, run, seconds=_SECONDS)
    done = await blocks.block(app, actor, target, reason=reason, duration=duration)
    await tell(interaction, block_confirmation(*done))


async def show_decision(interaction: Interaction, reviewed: ReviewedRun) -> None:
    """Edit a review card to show the decision."""
    await _show_card(interaction, decided_card(reviewed.run, reviewed.title, reviewed.inputs))


async def close_report(interaction: Interaction, reviewed: ReviewedRun, code: str) -> None:
    """Show on the card that this user has just closed the report. `code` names the sentence that says how."""
    at = int(interaction.client.app.now().timestamp())
    verdict = say(code, person=interaction.user.id, at=at)
    await _show_card(interaction, closed_report_card(reviewed.run, reviewed.title, verdict), keep_files=False)


async def _show_card(interaction: Interaction, card: OutgoingMessage, *, keep_files: bool = True) -> None:
    """Replace the content of the card whose button or form the user has used.

    By default, the attached files are kept. They are the inputs of the request, whose original links expire.
    """
    if card.layout is None:
        raise RuntimeError("a card is a layout")
    await interaction.response.edit_message(
        view=card.layout,
        attachments=discord.utils.MISSING if keep_files else [],
        allowed_mentions=discord.AllowedMentions.none(),
    )


def is_report(interaction: Interaction, key: str) -> bool:
    """Return whether the button is on a report's card about this run."""
    return any(_offers(interaction, key, actions) for actions in _REPORTS)


@asynccontextmanager
async def reporting_card_errors(interaction: Interaction, key: str) -> AsyncIterator[None]:
    """Report errors to the user. If the run is gone, the card itself says so and loses its buttons."""
    try:
        yield
    except Exception as error:
        missing = isinstance(error, RefusedError) and error.code == "run_gone"
        is_card = _offers(interaction, key, _REVIEW) or is_report(interaction, key)
        if not missing or not is_card or interaction.response.is_done():
            await tell_error(interaction, error)
        else:
            await _expire_card(interaction)


async def _expire_card(interaction: Interaction) -> None:
    try:
        await _show_card(interaction, expired_card(), keep_files=False)
    except discord.HTTPException as error:
        await tell_error(interaction, error)


def _offers(interaction: Interaction, key: str, actions: Iterable[Action]) -> bool:
    message = interaction.message
    return message is not None and {RunId(key, action).encode() for action in actions} <= set(
        custom_ids(message.components)
    )


async def setup(bot: GenerateBot) -> None:
    bot.add_form(ReviewFormId, _submitted)
