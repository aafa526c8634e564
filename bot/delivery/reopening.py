"""Show a private result once more, as the ephemeral answer to an interaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bot.discord_api.calls import DiscordCalls, PostError, Refused, Unanswered
from bot.domain.errors import BackendError, DiscordAway, MediaError, RefusedError
from bot.domain.requests import Origin
from bot.domain.runs import Run
from bot.media.outputs import MEDIA_SECONDS, OutputPreparer
from bot.media.temporary_files import temporary_folder
from bot.ui.fallbacks import linked_outputs
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs

log = logging.getLogger(__name__)
# Builds the messages of a batch from its outputs by run key.
Render = Callable[[Mapping[str, PreparedOutputs]], Sequence[OutgoingMessage]]


async def show_again(
    discord: DiscordCalls, preparer: OutputPreparer, batch: Sequence[Run], origin: Origin, render: Render
) -> None:
    """Send the results of a batch to the user of a deferred interaction.

    Links stand in for files that can't be fetched or uploaded. Nothing is stored: if this fails, the user
    simply tries again. Raises DiscordAway if Discord doesn't answer, and RefusedError if it refuses.
    """
    shown = [run for run in batch if run.is_shown]
    deadline = asyncio.get_running_loop().time() + MEDIA_SECONDS
    links = {run.key: linked_outputs(run, preparer.may_link) for run in shown}
    try:
        with temporary_folder() as folder:
            files = {run.key: await _prepared(preparer, run, origin, Path(folder), deadline) for run in shown}
            try:
                await _send(discord, render(files), origin)
            except Refused as error:
                log.info("Discord refused the files of a private result: %s", error)
                await _send(discord, render(links), origin)
    except Unanswered as error:
        raise DiscordAway(str(error)) from error
    except PostError as error:
        log.warning("Discord refused a private result of run %s: %s", batch[0].key, error)
        raise RefusedError("private_refused", str(error)) from error


async def _prepared(
    preparer: OutputPreparer, run: Run, origin: Origin, folder: Path, deadline: float
) -> PreparedOutputs:
    try:
        return await preparer.prepare(run, origin.upload_limit, folder, last_try=True, deadline=deadline)
    except (MediaError, BackendError) as error:
        log.warning("can't fetch the outputs of private run %s: %s", run.key, error)
        return linked_outputs(run, preparer.may_link)


async def _send(discord: DiscordCalls, messages: Sequence[OutgoingMessage], origin: Origin) -> None:
    for message in messages:
        await discord.send_in_interaction(
            origin.application_id, origin.interaction_token, message, ephemeral=True
        )
