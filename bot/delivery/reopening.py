"""Show a private result once more, as the ephemeral answer to an interaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bot.delivery.media.outputs import OutputPreparer
from bot.delivery.media.temporary_files import temporary_folder
from bot.delivery.media.time_budget import MediaBudget
from bot.delivery.posting import OutcomeUnknown, Poster, PostError, Refused, TooLarge
from bot.domain.errors import BackendError, DiscordAway, MediaError, RefusedError
from bot.domain.requests import Origin
from bot.domain.runs import Run
from bot.ui.fallbacks import linked_outputs
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs

log = logging.getLogger(__name__)
# Builds the messages of a batch from its outputs by run key.
Render = Callable[[Mapping[str, PreparedOutputs]], Sequence[OutgoingMessage]]


class PrivateViewer:
    """Sends the outputs of private results to the user of a deferred interaction.

    Nothing is stored. If sending fails, the user simply tries again. All runs of a batch share one `budget`,
    because the interaction's token is valid for only 15 minutes.
    """

    def __init__(
        self, poster: Poster, preparer: OutputPreparer, budget: Callable[[], MediaBudget] = MediaBudget
    ) -> None:
        self._poster = poster
        self._preparer = preparer
        self._budget = budget

    async def show(self, batch: Sequence[Run], origin: Origin, render: Render) -> None:
        """Send the results of a batch; links stand in for files that can't be fetched or uploaded.

        Raises DiscordAway if Discord doesn't answer, and RefusedError if it refuses the messages.
        """
        shown, budget = [run for run in batch if run.is_shown], self._budget()
        with temporary_folder() as folder:
            prepared = {
                run.key: await self._prepared(run, origin.upload_limit, Path(folder), budget) for run in shown
            }
            try:
                await self._send_fitting(render, prepared, shown, origin)
            except OutcomeUnknown as error:
                raise DiscordAway(str(error)) from error
            except PostError as error:
                log.warning("Discord refused a private result of run %s: %s", batch[0].key, error)
                raise RefusedError("private_refused", str(error)) from error

    async def _send_fitting(
        self, render: Render, prepared: Mapping[str, PreparedOutputs], shown: Sequence[Run], origin: Origin
    ) -> None:
        try:
            await self._send(render(prepared), origin)
        except (TooLarge, Refused) as error:
            log.info("Discord refused the files of a private result: %s", error)
            await self._send(render({run.key: self._linked(run) for run in shown}), origin)

    async def _prepared(self, run: Run, limit: int, folder: Path, budget: MediaBudget) -> PreparedOutputs:
        try:
            return await self._preparer.prepare(run, limit, folder, last_try=True, budget=budget)
        except (MediaError, BackendError) as error:
            log.warning("can't fetch the outputs of private run %s: %s", run.key, error)
            return self._linked(run)

    def _linked(self, run: Run) -> PreparedOutputs:
        return linked_outputs(run, self._preparer.may_link)

    async def _send(self, messages: Sequence[OutgoingMessage], origin: Origin) -> None:
        for message in messages:
            await self._poster.send_in_interaction(
                origin.application_id, origin.interaction_token, message, ephemeral=True
            )
