"""Record the backend's reports about runs, whether they came by webhook or by polling.

A state change is stored before its webhook is answered. Progress is buffered in memory and written at most
once a second, not in a transaction for each step of a run; it is lost if the process dies, or if the database
is unavailable.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from bot.context import App
from bot.domain.runs import IN_FLIGHT, RunReport, RunState
from bot.domain.transitions import is_progress

log = logging.getLogger(__name__)

_KNOWN_RUNS = 10_000


class _Known(NamedTuple):
    run_id: str
    state: RunState


class ProgressBuffer:
    """Buffers reports that change a run's progress, and drops those that change nothing."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._news: dict[str, RunReport] = {}

    def add(self, key: str, report: RunReport) -> bool:
        """Buffer a report, or return False if it has to be recorded immediately."""
        known = self._known.get(key)
        if known is None or known.run_id != report.run_id:
            return False
        if known.state is RunState.SUCCEEDED:
            return True  # nothing that a webhook says changes a success
        if not is_progress(known.state, report.state):
            return False
        if report.outputs or (report.progress is not None and report.progress >= 1):
            return False  # outputs aren't progress, and after its last node the run is polled soon
        self._news[key] = report
        return True

    def remember_state(self, key: str, report: RunReport, state: RunState) -> None:
        """Remember the state that the store has just recorded, and drop the run's buffered progress."""
        self._news.pop(key, None)
        if state not in IN_FLIGHT and state is not RunState.SUCCEEDED:
            self._known.pop(key, None)
            return
        self._known[key] = _Known(report.run_id, state)
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_RUNS:
            self._known.popitem(last=False)

    async def claim(self, _room: int) -> Sequence[Mapping[str, RunReport]]:
        """Return the reports buffered since the last call, by run key."""
        news, self._news = self._news, {}
        return [news] if news else []


class ReportRecorder:
    """Records reports from webhooks and polling. A run without a report for `App.quiet_period` is polled."""

    def __init__(self, app: App, progress: ProgressBuffer) -> None:
        self._app = app
        self._store = app.store
        self._progress = progress
        self._wakeups = app.wakeups
        self._clock = app.now

    def buffer(self, key: str, report: RunReport) -> bool:
        """Take a report that tells only progress, or nothing new; return False for any other."""
        if not self._progress.add(key, report):
            return False
        self._wakeups.progress()
        return True

    async def record(self, key: str, report: RunReport, *, asked: bool = False) -> RunState | None:
        """Record a report and return the run's state.

        Returns None if the report changed nothing, or only completed the data of an ended run.
        `asked` means that the report is a reply to GET /run, and therefore complete. Raises RunGone,
        ForeignRunReport or StoreUnavailable. Recording a report twice does no harm.
        """
        now = self._clock()
        next_check = now + self._app.quiet_period
        change = await self._store.runs.record_report(
            key, report, now, next_check, run_timeout=self._app.run_timeout, asked=asked
        )
        if change is None:
            return None
        self._progress.remember_state(key, report, change.state)
        result = "result" if change.state is RunState.SUCCEEDED else "outcome"
        log.info("recorded %s%s", change.state.value, f"; posting the {result}" if change.ends_run else "")
        if change.ends_run:
            self._wakeups.show()
            self._wakeups.submit()
        if change.visible:
            self._wakeups.show()
        if isinstance(due_at := change.values.get("due_at"), datetime):
            self._wakeups.check(due_at - now)
        return change.state

    async def save_progress(self, reports: Mapping[str, RunReport]) -> None:
        """Store the reports that `ProgressBuffer.claim` returned."""
        now = self._clock()
        next_check = now + self._app.quiet_period
        await self._store.runs.save_progress(reports, now, next_check, run_timeout=self._app.run_timeout)
        self._wakeups.show()
        self._wakeups.check(self._app.quiet_period)
