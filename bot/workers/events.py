"""Record what the backend reports about runs.

State changes are stored before a webhook is answered. Progress alone may be lost with the process, so it is
buffered in memory and written once a second.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.domain.runs import IN_FLIGHT, RunReport, RunState
from bot.store import Store
from bot.workers.worker import Wakeups

_KNOWN_RUNS = 10_000


class _Known(NamedTuple):
    run_id: str
    state: RunState


class ProgressBuffer:
    """Buffers reports that change a run's progress, but not its state."""

    def __init__(self, store: Store, wakeups: Wakeups, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._wakeups = wakeups
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._news: dict[str, RunReport] = {}

    def add(self, key: str, report: RunReport) -> bool:
        """Buffer a report, or return False if it has to be recorded immediately."""
        known = self._known.get(key)
        if known is None or report.state not in IN_FLIGHT or known != (report.run_id, report.state):
            return False
        self._news[key] = report
        return True

    def remember_state(self, key: str, report: RunReport, state: RunState) -> None:
        """Remember the state that the store has just confirmed."""
        self._news.pop(key, None)
        if state not in IN_FLIGHT:
            self._known.pop(key, None)
            return
        self._known[key] = _Known(report.run_id, state)
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_RUNS:
            self._known.popitem(last=False)

    async def claim(self) -> Mapping[str, RunReport] | None:
        """Return everything that was buffered since the last call."""
        if not self._news:
            return None
        news, self._news = self._news, {}
        return news

    async def write(self, news: Mapping[str, RunReport]) -> None:
        """Store the reports that `claim` returned."""
        await self._store.runs.save_progress(news, self._clock())
        self._wakeups.show()


log = logging.getLogger(__name__)


class EventRecorder:
    """Records reports from webhooks and polling. After `quiet_period` without one, a run is asked about."""

    def __init__(
        self,
        store: Store,
        progress: ProgressBuffer,
        wakeups: Wakeups,
        quiet_period: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._progress = progress
        self._wakeups = wakeups
        self._quiet_period = quiet_period
        self._clock = clock

    async def record(self, key: str, report: RunReport, *, asked: bool = False) -> RunState | None:
        """Record a report and return the run's new state, or None if the report changed nothing.

        `asked` means that the report is complete, since it answers our own request. Raises KeyError,
        ForeignRunReport or StoreUnavailable. Recording a report twice does no harm.
        """
        if not asked and self._progress.add(key, report):
            return None
        now = self._clock()
        change = await self._store.runs.record_report(key, report, now, now + self._quiet_period, asked=asked)
        if change is None:
            return None
        self._progress.remember_state(key, report, change.state)
        log.info("%s%s", change.state.value, ", its outcome is due" if change.ends_run else "")
        if change.ends_run:
            self._wakeups.deliver()
            self._wakeups.submit()
        if change.visible:
            self._wakeups.show()
        if change.values.get("due_at") == now:
            self._wakeups.check()
        return change.state
