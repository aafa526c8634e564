"""Edit the answers to commands, which show the status of requests, and show private results again.

When a request will end is estimated from the median durations of its deployment and GPU. Functions raise
NoResponse.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta

from bot.context import App
from bot.discord_api.calls import NoResponse, PostError, Refused, Unreachable
from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.errors import BackendError, DiscordAway, MediaError, RefusedError, StoreUnavailable
from bot.domain.files import PreparedOutputs
from bot.domain.messages import Claim, MessageRef, Place, Purpose, component_id
from bot.domain.requests import Origin
from bot.domain.run_timing import (
    PLACES,
    Medians,
    StartedRun,
    end_of_all,
    expected_end,
    expected_start,
    may_be_estimated,
)
from bot.domain.runs import Run, RunState
from bot.media.outputs import MEDIA_SECONDS
from bot.ui.result_buttons import offered_actions
from bot.ui.results import Batch, opened_messages, outcome
from bot.ui.status import linked_outputs

log = logging.getLogger(__name__)

# Medians change slowly, so each process caches them for this long.
MEDIANS_AGE = timedelta(minutes=5)
# Too few successes for a median may soon be enough.
TOO_FEW_AGE = timedelta(seconds=20)


class Estimator:
    """Estimates the ends of batches, from what it has read within the last minutes."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._medians: dict[tuple[str, str | None], tuple[datetime, Medians | None]] = {}

    async def expected_ends(self, batches: Sequence[Sequence[Run]]) -> Mapping[str, datetime]:
        """Return when the last runs of batches are expected to end, by request, as far as that is known."""
        now, ends = self._app.now(), dict[str, datetime]()
        waiting = any(run.state is RunState.WAITING for batch in batches for run in batch)
        try:
            busy = await self._app.store.figures.in_flight() if waiting else {}
            for batch in batches:
                active = [run for run in batch if not run.final]
                if all(map(may_be_estimated, active)):
                    end = end_of_all([await self._end(run, now, busy) for run in active], now)
                    ends |= {batch[0].request_key: end} if end is not None else {}
        except StoreUnavailable as error:
            log.info("can't estimate when requests end: %s", error)
        return ends

    async def _end(
        self, run: Run, now: datetime, busy: Mapping[str, Sequence[StartedRun]]
    ) -> datetime | None:
        """Return when a run is expected to end, or None if there is no estimate.

        A waiting run has none if it is far back in the queue, or if it waits although a slot is free, because
        a limit of its user or server keeps it.
        """
        usual = await self._usual(run.deployment, run.expected_gpu, now)
        slots, place = self._app.limit(run.deployment), run.queue_position
        if usual is None:
            return None
        if run.state is not RunState.WAITING:
            return expected_end(run, usual, now, slots)
        if place is None or place > PLACES or slots is None:
            return None
        others, free_at = busy.get(run.deployment, ()), list[datetime]()
        for each in others if len(others) >= slots else ():
            own = await self._usual(run.deployment, each.expected_gpu, now)
            end = expected_end(each, own, now, slots) if own is not None else None
            free_at += [end] if end is not None else []
        # A limit that was lowered leaves more runs in flight than slots: the first to end free none.
        free_at = sorted(free_at)[max(0, len(others) - slots) :]
        start = expected_start(place, free_at, usual)
        return start + usual.total if start is not None else None

    async def _usual(self, deployment: str, gpu: str | None, now: datetime) -> Medians | None:
        key = (deployment, gpu)
        known = self._medians.get(key)
        if known is None or now - known[0] >= (MEDIANS_AGE if known[1] else TOO_FEW_AGE):
            self._medians[key] = known = (now, await self._app.store.figures.usual(deployment, gpu, now))
        return known[1]


async def tell(app: App, claim: Claim, build: Callable[[Sequence[Run], str], OutgoingMessage]) -> None:
    """Say in the status message why the outcome isn't shown yet.

    A message that the bot can't edit any more, or that shows a part of the outcome, stays as it is.
    """
    if claim.first.status_message_id in {part.message_id for part in claim.message.posted}:
        return
    try:
        await edit(app, claim, build(claim.runs, app.catalogue.title(claim.first.deployment)))
    except NoResponse:
        raise
    except Exception:
        # This may be the reason why nothing could be shown.
        log.exception("can't update the status message")


async def remove(app: App, claim: Claim) -> None:
    """Delete the status message, unless it shows the outcome."""
    run, shown = claim.first, {part.message_id for part in claim.message.posted}
    token, status = run.interaction_token_at(app.now()), run.status_message_id
    if status in shown or any(part.place is Place.ANSWER for part in claim.message.posted):
        return
    if token is not None:
        with suppress(Unreachable):
            await app.discord.delete_original(token, status)
            return
    if run.needs_interaction or (status is None and run.interaction_token is None):
        return
    with suppress(Unreachable):
        if status is None:
            # A crash after the answer lost its id.
            mark, since = component_id(run.request_key, Purpose.STATUS), run.created_at
            status = await app.discord.search(run.channel_id, since, mark, (), but=claim.known)
        if status is not None:
            await app.discord.delete(MessageRef(run.channel_id, status))


async def edit(app: App, claim: Claim, message: OutgoingMessage) -> int | None:
    """Edit the status message, where that is still possible, and return its id if it is known."""
    run = claim.first
    message_id, token = run.status_message_id, run.interaction_token_at(app.now())
    # The status of a request that waits for approval is ephemeral.
    only_by_interaction = run.needs_interaction or run.state is RunState.AWAITING_APPROVAL
    try:
        if token is not None:
            try:
                return await app.discord.edit_original(token, message_id, message)
            except Unreachable:
                if only_by_interaction:
                    raise
        if message_id is not None and not only_by_interaction:
            await app.discord.edit(MessageRef(run.channel_id, message_id), message, None)
    except Unreachable as error:
        log.info("can't update the status message: %s", error)
    return message_id


async def show_again(app: App, batch: Sequence[Run], origin: Origin, *, to_moderator: bool = False) -> None:
    """Send the results of a batch to the user of a deferred interaction.

    Links stand in for files that can't be fetched or uploaded. Nothing is stored: if this fails, the user
    simply tries again. Raises DiscordAway if Discord doesn't respond, and RefusedError if it refuses.
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
        with ExitStack() as opened:
            for run in (run for run in batch if run.is_shown):
                try:
                    files[run.key] = await app.outputs.prepare(
                        run, limit, opened, last_try=True, deadline=deadline
                    )
                except (MediaError, BackendError) as error:
                    log.warning("can't fetch the outputs of private run %s: %s", run.key, error)
            try:
                await send(files)
            except Refused as error:
                log.info("Discord refused the files of a private result: %s", error)
                await send(links)
    except NoResponse as error:
        raise DiscordAway(str(error)) from error
    except PostError as error:
        log.warning("Discord refused a private result of run %s: %s", batch[0].key, error)
        raise RefusedError("private_refused", str(error)) from error
