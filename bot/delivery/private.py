"""Send private results again to a user who waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.context import App
from bot.discord_api.calls import PostError, Refused, Unanswered
from bot.domain.errors import BackendError, DiscordAway, MediaError, RefusedError
from bot.domain.requests import Origin
from bot.domain.runs import Run
from bot.media.download import temporary_folder
from bot.media.outputs import MEDIA_SECONDS
from bot.ui.message_parts import PreparedOutputs
from bot.ui.result_buttons import offered_actions
from bot.ui.results import Batch, opened_messages, outcome
from bot.ui.status import linked_outputs

log = logging.getLogger(__name__)


async def show_again(app: App, batch: Sequence[Run], origin: Origin, *, to_moderator: bool = False) -> None:
    """Send the results of a batch to the user of a deferred interaction.

    Links stand in for files that can't be fetched or uploaded. Nothing is stored: if this fails, the user
    simply tries again. Raises DiscordAway if Discord doesn't answer, and RefusedError if it refuses.
    """
    deadline = asyncio.get_running_loop().time() + MEDIA_SECONDS
    links = {run.key: linked_outputs(run, app.fetcher.may_link) for run in batch if run.is_shown}
    files, limit = dict(links), origin.upload_limit
    title, offered = app.catalogue.title(batch[0].deployment), offered_actions(batch[0], app.catalogue.all())

    async def send(prepared: Mapping[str, PreparedOutputs]) -> None:
        messages = outcome(Batch(batch, prepared), title, offered).messages()
        if to_moderator:
            messages = [each for run in batch for each in opened_messages(run, title, prepared[run.key])]
        for message in messages:
            await app.discord.send_in_interaction(origin.interaction_token, message, ephemeral=True)

    try:
        with temporary_folder() as folder:
            for run in (run for run in batch if run.is_shown):
                try:
                    files[run.key] = await app.outputs.prepare(
                        run, limit, Path(folder), last_try=True, deadline=deadline
                    )
                except (MediaError, BackendError) as error:
                    log.warning("can't fetch the outputs of private run %s: %s", run.key, error)
            try:
                await send(files)
            except Refused as error:
                log.info("Discord refused the files of a private result: %s", error)
                await send(links)
    except Unanswered as error:
        raise DiscordAway(str(error)) from error
    except PostError as error:
        log.warning("Discord refused a private result of run %s: %s", batch[0].key, error)
        raise RefusedError("private_refused", str(error)) from error
