"""The forms that ask for a reason, and the errors that are shown on cards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import discord

from bot.discord_api.channels import member_names, requester_now
from bot.domain.errors import DiscordAway, RefusedError
from bot.domain.moderation import block_duration
from bot.gateway.client import GenerateBot, tell, tell_error
from bot.gateway.interactions import Interaction, actor_of
from bot.gateway.payloads import custom_ids, submitted_values
from bot.services.access import moderated
from bot.services.moderation import blocks, reviews
from bot.strings import say
from bot.ui.custom_ids import Action, ReviewForm, ReviewFormId, RunId
from bot.ui.lists import block_confirmation
from bot.ui.moderation import (
    DURATION_FIELD,
    NOTE_FIELD,
    REASON_FIELD,
    block_modal,
    expired_card,
)

# Discord waits three seconds for the answer to a press.
_SECONDS = 1.0
# A message counts as a card if it has all of a card's buttons, whatever a forged press claims.
_REVIEW = (Action.APPROVE, Action.REJECT, Action.BLOCK)
_REPORTS = ((Action.DELETE, Action.BLOCK, Action.DISMISS), (Action.CLEAR, Action.BLOCK, Action.DISMISS))


async def _submitted(interaction: Interaction, id: ReviewFormId) -> None:
    values = submitted_values(interaction)
    reason, duration, note = (
        "".join(values.get(field, ())).strip() for field in (REASON_FIELD, DURATION_FIELD, NOTE_FIELD)
    )
    async with reporting_card_errors(interaction, id.key):
        match id.form:
            case ReviewForm.REJECT:
                await reviews.reject(interaction.client.app, actor_of(interaction), id.key, reason)
                await interaction.response.defer()  # the messenger changes the card
            case ReviewForm.BLOCK:
                await _block(interaction, id.key, reason, block_duration(duration or None))
            case ReviewForm.REPORT:
                await _report(interaction, id.key, reason, note)


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


async def _report(interaction: Interaction, key: str, reason: str, note: str) -> None:
    accepted = await reviews.report(interaction.client.app, actor_of(interaction), key, reason, note)
    await tell(interaction, say("report_noted" if accepted else "report_looked_at"))


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
        await interaction.response.edit_message(view=expired_card(), attachments=[])
    except discord.HTTPException as error:
        await tell_error(interaction, error)


def _offers(interaction: Interaction, key: str, actions: Iterable[Action]) -> bool:
    message = interaction.message
    wanted = {RunId(key, action).encode() for action in actions}
    return message is not None and wanted <= set(custom_ids(message.components))


async def setup(bot: GenerateBot) -> None:
    bot.add_form(ReviewFormId, _submitted)
