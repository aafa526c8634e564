"""Answer a request with its status message, and let the run start once Discord has accepted the message."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import aiohttp
import discord

from bot.domain.presets import NAME_LENGTH
from bot.domain.requests import Release
from bot.domain.runs import Run, RunState
from bot.domain.text import escape_line, in_code
from bot.gateway.allowance import check_counted
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, check_here, check_overrides, requester_of
from bot.services.presets.service import PresetRun
from bot.strings import say
from bot.ui.lists import posting_layout
from bot.ui.status import status_message

log = logging.getLogger(__name__)
_ANSWERED = 40060  # "Interaction has already been acknowledged"
# How many dropped inputs a sentence names, so that it fits into a message.
_NAMED = 15


async def send_status(interaction: discord.Interaction[GenerateBot], run: Run) -> None:
    """Send the status message. Nothing is started until Discord has accepted it.

    The message is ephemeral if the request awaits approval or is private. With a public answer, Discord would
    show everybody the options of the command.
    """
    services = interaction.client.services
    # All runs of a new batch are in the state of its first.
    layout = status_message([run] * run.count, services.catalogue.title(run.deployment)).layout
    if layout is None:
        raise RuntimeError("a status message is a layout")
    try:
        response = await interaction.response.send_message(
            view=layout,
            ephemeral=run.private or run.state is RunState.AWAITING_APPROVAL,
            allowed_mentions=discord.AllowedMentions.none(),
        )
    except (aiohttp.ClientError, OSError) as error:
        log.warning("can't tell whether Discord has the answer to run %s, asking later: %s", run.key, error)
    except discord.HTTPException as error:
        await _handle_refusal(interaction, run, error)
    else:
        await _confirm(interaction, run, response.message_id)


async def redeliver_here(interaction: discord.Interaction[GenerateBot], key: str) -> bool:
    """Have an undelivered result posted in this channel. Raises RefusedError if that isn't possible.

    Returns whether the interaction has been answered. If only an interaction can show the result here, the
    answer is a placeholder that the messenger edits into the result.
    """
    await check_start(interaction)
    run = await interaction.client.services.runs.redeliver(key, requester_of(interaction))
    if run.needs_interaction:
        response = await interaction.response.send_message(view=posting_layout(), ephemeral=run.private)
        await interaction.client.services.runs.confirm_placeholder(key, response.message_id)
    return run.needs_interaction


async def reopen_here(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    """Show the user their own private result once more. Raises RefusedError."""
    await check_start(interaction)
    services, requester = interaction.client.services, requester_of(interaction)
    with services.openings.slot(requester.person.id):
        batch = await services.runs.reopen(key, requester)
        await interaction.response.defer(ephemeral=True, thinking=True)
        await services.show_private(batch, requester.origin, to_moderator=False)


async def _handle_refusal(
    interaction: discord.Interaction[GenerateBot], run: Run, error: discord.HTTPException
) -> None:
    if error.status >= 500:
        log.warning("can't tell whether Discord has the answer to run %s, asking later: %s", run.key, error)
    elif error.code == _ANSWERED:
        # Discord accepted the answer but replied with a 5xx, and refused discord.py's retry.
        await _confirm(interaction, run, await _original(interaction))
    else:
        log.warning("dropped a run because Discord refused its answer (%s %s)", error.status, error.code)
        await interaction.client.services.generation.cancel_unanswered(run.key)


async def _confirm(
    interaction: discord.Interaction[GenerateBot], run: Run, status_message_id: int | None
) -> None:
    """Allow the run to start. If the message's id is unknown, AnswerChecker asks Discord about it first."""
    if status_message_id is None:
        return
    released = await interaction.client.services.generation.confirm_answer(run.key, status_message_id)
    if released is Release.KEPT:
        return
    log.warning("removing the status message of run %s, which is %s", run.key, released.value)
    with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
        await interaction.delete_original_response()
    if released is Release.WITHDRAWN:
        # The answer took so long that the worker has already asked Discord and withdrawn the run.
        await tell(interaction, say("answer_lost"))


async def _original(interaction: discord.Interaction[GenerateBot]) -> int | None:
    """Return the id of the answer that Discord stored, or None if it can't be fetched."""
    try:
        return (await interaction.original_response()).id
    except (discord.HTTPException, discord.ClientException, aiohttp.ClientError, OSError) as error:
        log.warning("can't fetch the status message's id: %s", error)
        return None


async def check_start(interaction: Interaction) -> None:
    """Check the user's allowance, and what `/generate` needs in this channel. Raises RefusedError."""
    check_counted(interaction)
    check_here(interaction)
    await check_overrides(interaction)


async def answer_started(
    interaction: Interaction, run: Run, dropped: Sequence[str], code: str = "edit_dropped", **params: str
) -> None:
    """Send the status message, and tell the user with the sentence `code` which inputs were dropped.

    `params` are the sentence's other values.
    """
    await send_status(interaction, run)
    if dropped:
        names = [f"`{in_code(name, 60)}`" for name in dropped[:_NAMED]]
        more = ["…"] if len(dropped) > _NAMED else []
        await tell(interaction, say(code, names=", ".join(names + more), **params))


async def answer_preset_run(interaction: Interaction, made: PresetRun) -> None:
    """Send the status message, and tell the user which inputs of the preset were dropped."""
    name = escape_name(made.preset.name) if made.preset is not None else ""
    await answer_started(interaction, made.run, made.dropped, "preset_dropped", name=name)


def escape_name(name: str) -> str:
    """Escape a preset's name for a sentence."""
    return escape_line(name, NAME_LENGTH)
