"""Record the backend's reports about runs, whether they came by webhook or by polling.

A state change is stored before its webhook is answered.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from bot.context import App
from bot.domain.runs import RunReport, RunState
from bot.workers.progress import ProgressBuffer

log = logging.getLogger(__name__)


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
