"""The first answer to a request: the public status message, whose success lets the queue call go out."""

from __future__ import annotations

import logging

import aiohttp
import discord

from bot.domain.requests import NAME_LENGTH
from bot.domain.runs import Run, RunState
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, check_here, check_overrides, requester_of
from bot.services.generation import GenerationService
from bot.services.presets import PresetRun
from bot.strings import say
from bot.ui.lists import posting_layout

log = logging.getLogger(__name__)
_ANSWERED = 40060  # "Interaction has already been acknowledged"


async def send_status(
    interaction: discord.Interaction[GenerateBot], desk: GenerationService, run: Run
) -> None:
    """Shows the status message. Where Discord refuses it, nothing is started.

    While nobody has agreed to a request it is the requester's alone: Discord's own line above a public answer
    lets everybody open the command with all that was typed.
    """
    layout = desk.status(run).layout
    if layout is None:
        raise RuntimeError("a status message is a layout")
    layout.stop()  # its buttons are answered by custom_id; discord.py need not remember each message
    try:
        response = await interaction.response.send_message(
            view=layout,
            ephemeral=run.state is RunState.AWAITING_APPROVAL,
            allowed_mentions=discord.AllowedMentions.none(),
        )
    except (aiohttp.ClientError, OSError):
        await _assume_answered(desk, run)
    except discord.HTTPException as error:
        await _refused(interaction, desk, run, error)
    else:
        await desk.answered(run.key, response.message_id)


async def redeliver_here(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    """A kept result is owed again where the person is, if all that holds for a request there holds for them.

    Raises RefusedError.
    """
    desk = interaction.client.desk
    check_here(interaction)
    await check_overrides(interaction)
    await desk.redeliver(key, requester_of(interaction, desk.now()))


async def send_placeholder(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    """A message that becomes the kept result, where only an interaction can bring it."""
    response = await interaction.response.send_message(view=posting_layout())
    await interaction.client.desk.posting(key, response.message_id)


async def _refused(
    interaction: discord.Interaction[GenerateBot],
    desk: GenerationService,
    run: Run,
    error: discord.HTTPException,
) -> None:
    if error.status >= 500:
        await _assume_answered(desk, run)
    elif error.code == _ANSWERED:
        # Discord took it, answered 5xx all the same, and refused the library's second try.
        await desk.answered(run.key, await _original(interaction))
    else:
        log.warning("Discord did not take the answer (%s %s): not started", error.status, error.code)
        await desk.unanswered(run.key)


async def _assume_answered(desk: GenerationService, run: Run) -> None:
    log.warning("the answer's fate is unknown; the run goes on and its result will be posted")
    await desk.answered(run.key, None)


async def _original(interaction: discord.Interaction[GenerateBot]) -> int | None:
    """The id of the answer that is there."""
    try:
        return (await interaction.original_response()).id
    except (discord.HTTPException, discord.ClientException, aiohttp.ClientError, OSError) as error:
        log.warning("the status message's id is not known: %s", error)
        return None


async def check_start(interaction: Interaction) -> None:
    """What `/generate` itself would be asked here."""
    check_here(interaction)
    await check_overrides(interaction)


async def started(interaction: Interaction, run: Run, dropped: tuple[str, ...]) -> None:
    """The status message, and a word about what was left out."""
    await send_status(interaction, interaction.client.desk, run)
    if dropped:
        await tell(interaction, say("edit_dropped", names=", ".join(f"`{name[:60]}`" for name in dropped)))


async def answer_generated(interaction: Interaction, made: PresetRun) -> None:
    """The status message, and to the person alone what of the preset was left out."""
    await send_status(interaction, interaction.client.desk, made.run)
    if made.dropped:
        dropped = ", ".join(f"`{name}`" for name in made.dropped)
        await tell(interaction, say("preset_dropped", name=_shown(made.preset.name), dropped=dropped[:1000]))


def _shown(name: str) -> str:
    return escape_line(name, NAME_LENGTH)
