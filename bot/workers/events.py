"""Progress on its way to the store. It may die with the process, so it is gathered in memory and written
once a second; whatever changes a state goes into the store before its webhook is answered."""

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
    """Takes reports that only move a run on within a state it is known to be in."""

    def __init__(self, store: Store, wakeups: Wakeups, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._nudges = wakeups
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._news: dict[str, RunReport] = {}

    def take(self, key: str, report: RunReport) -> bool:
        """True when the report needed no more than a place here."""
        known = self._known.get(key)
        if known is None or report.state not in IN_FLIGHT or known != (report.run_id, report.state):
            return False
        self._news[key] = report
        return True

    def learn(self, key: str, report: RunReport, state: RunState) -> None:
        """The store has just confirmed that the run is in this state."""
        self._news.pop(key, None)
        if state not in IN_FLIGHT:
            self._known.pop(key, None)
            return
        self._known[key] = _Known(report.run_id, state)
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_RUNS:
            self._known.popitem(last=False)

    async def claim(self) -> Mapping[str, RunReport] | None:
        """Everything gathered since the last time."""
        if not self._news:
            return None
        news, self._news = self._news, {}
        return news

    async def write(self, news: Mapping[str, RunReport]) -> None:
        await self._store.runs.save_progress(news, self._clock())
        self._nudges.show()


log = logging.getLogger(__name__)


class EventRecorder:
    """Records events and wakes whoever they concern. `silence`: how long until a quiet run is asked about."""

    def __init__(
        self,
        store: Store,
        progress: ProgressBuffer,
        wakeups: Wakeups,
        silence: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._progress = progress
        self._nudges = wakeups
        self._silence = silence
        self._clock = clock

    async def record(self, key: str, report: RunReport, *, asked: bool = False) -> RunState | None:
        """Idempotent. Returns the run's state when the event changed anything.

        `asked` tells that it answers GET /run. Raises KeyError, ForeignRunReport or StoreUnavailable.
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
