"""The one door through which everything ComfyDeploy says of a run enters, whoever heard it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain.runs import RunReport, RunState
from bot.nudges import Nudges
from bot.store import Store
from bot.tracking.progress import ProgressBuffer

log = logging.getLogger(__name__)


class Recorder:
    """Records events and wakes whoever they concern. `silence`: how long until a quiet run is asked about."""

    def __init__(
        self,
        store: Store,
        progress: ProgressBuffer,
        nudges: Nudges,
        silence: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._progress = progress
        self._nudges = nudges
        self._silence = silence
        self._clock = clock

    async def record_event(self, key: str, report: RunReport, *, asked: bool = False) -> RunState | None:
        """Idempotent. Returns the run's state when the event changed anything.

        `asked` tells that it answers GET /run. Raises KeyError, ForeignReport or StoreUnavailable.
        """
        if not asked and self._progress.take(key, report):
            return None
        now = self._clock()
        change = await self._store.runs.record(key, report, now, now + self._silence, asked=asked)
        if change is None:
            return None
        self._progress.learn(key, report, change.state)
        log.info("%s%s", change.state.value, ", a message is owed" if change.owed else "")
        if change.owed:
            self._nudges.deliver()
            self._nudges.submit()
        if change.visible:
            self._nudges.show()
        if change.values.get("due_at") == now:
            self._nudges.check()
        return change.state
