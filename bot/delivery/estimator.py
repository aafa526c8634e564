"""Estimate when a batch will end, from the median durations of its deployment and GPU."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.context import App
from bot.domain.errors import StoreUnavailable
from bot.domain.queue.estimates import (
    Medians,
    QueueState,
    end_of_all,
    expected_end,
    expected_starts,
    may_be_estimated,
)
from bot.domain.queue.fair_queue import PLACES
from bot.domain.runs import Run, RunState

log = logging.getLogger(__name__)
# Medians change slowly, so each process caches them for this long.
MEDIANS_AGE = timedelta(minutes=5)
# Too few successes for a median may soon be enough.
TOO_FEW_AGE = timedelta(seconds=20)
# The queue is cached for the shortest time between two edits of a status message.
QUEUE_AGE = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class _Queue:
    """The expected starts of a deployment's waiting runs, and the positions that they are based on."""

    at: datetime
    positions: Mapping[str, int | None]
    starts: Mapping[str, datetime]


class Estimator:
    """Estimates the ends of batches, from what it has read within the last minutes."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._medians: dict[tuple[str, str | None], tuple[datetime, Medians | None]] = {}
        self._queues: dict[str, _Queue] = {}
        self._reading = asyncio.Lock()

    async def expected_end(self, batch: Sequence[Run]) -> datetime | None:
        """Return when the last run of a batch is expected to end, or None if there is no estimate."""
        active = [run for run in batch if not run.final]
        if not all(map(may_be_estimated, active)):
            return None
        now = self._app.now()
        try:
            return end_of_all([await self._end(run, now) for run in active], now)
        except StoreUnavailable as error:
            log.info("can't estimate the end of run %s: %s", batch[0].key, error)
            return None

    async def expected_ends(self, batches: Sequence[Sequence[Run]]) -> Mapping[str, datetime]:
        """Return when batches are expected to end, by request, without those that are unknown."""
        ends = {batch[0].request_key: await self.expected_end(batch) for batch in batches}
        return {key: end for key, end in ends.items() if end is not None}

    async def _end(self, run: Run, now: datetime) -> datetime | None:
        usual = await self._usual(run.deployment, run.expected_gpu, now)
        if usual is None:
            return None
        if run.state is not RunState.WAITING:
            return expected_end(run, usual, now, self._app.limit(run.deployment))
        start = await self._start(run, now)
        return start + usual.total if start is not None else None

    async def _usual(self, deployment: str, gpu: str | None, now: datetime) -> Medians | None:
        key = (deployment, gpu)
        async with self._reading:
            known = self._medians.get(key)
            if known is None or now - known[0] >= (MEDIANS_AGE if known[1] else TOO_FEW_AGE):
                known = (now, await self._app.store.durations.usual(deployment, gpu, now))
                self._medians[key] = known
        return known[1] or self._guess(deployment)

    def _guess(self, deployment: str) -> Medians | None:
        """Return the durations that the operator expects, or None."""
        found = self._app.catalogue.get(deployment)
        if found is None or found.expected_seconds is None:
            return None
        seconds = timedelta(seconds=found.expected_seconds)
        return Medians(seconds, seconds)

    async def _start(self, run: Run, now: datetime) -> datetime | None:
        """Return when a waiting run is expected to start, or None if there is no estimate.

        Runs that are far back in the queue have none. The queue is read again if the cached one is too old or
        has another position for this run.
        """
        if run.queue_position is None or run.queue_position > PLACES:
            return None
        queue = self._queues.get(run.deployment)
        moved = queue is None or queue.positions.get(run.key) != run.queue_position
        if queue is None or moved or now - queue.at >= QUEUE_AGE:
            queue = self._queues[run.deployment] = await self._read_queue(run.deployment, now)
        return queue.starts.get(run.key)

    async def _read_queue(self, deployment: str, now: datetime) -> _Queue:
        waiting, in_flight = await self._app.store.durations.queue(deployment)
        pairs = {(run.deployment, run.expected_gpu) for run in (*waiting, *in_flight)}
        medians = {pair: await self._usual(*pair, now) for pair in pairs}
        starts = expected_starts(QueueState(waiting, in_flight, medians), now, self._app.limit(deployment))
        return _Queue(now, {run.key: run.queue_position for run in waiting}, starts)
