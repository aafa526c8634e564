"""Poll silent runs, cancel runs, and time out runs at their deadlines."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain.backend import Backend
from bot.domain.errors import BackendError, BackendNotCancellable, BackendTimeout
from bot.domain.polling import CANCEL_DOUBT, LATE_CHECKS, SETTLE_CHECKS
from bot.domain.runs import FINAL, Run, RunReport, RunState
from bot.domain.transitions import REVIVABLE
from bot.metrics import Metrics
from bot.store import Store
from bot.store.runs import ForeignRunReport
from bot.workers.reports import ReportRecorder
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
# After a restart with a thousand silent runs, checks go out in chunks with a pause after each full one: at
# most 23 per second, to spare the backend and Discord, where the results are posted.
_CHUNK_SIZE = 8
_CHUNK_PAUSE = 0.35


class _Unanswered(Exception):
    """The backend is away, so a run can't be given up yet."""


class Reconciler:
    """Polls and cancels runs, and times them out: everything that no webhook reports.

    `pause` doubles with each check that finds nothing new. `grace` is how long a webhook may still adopt a
    run whose start was not confirmed.
    """

    def __init__(
        self,
        *,
        store: Store,
        backend: Backend,
        recorder: ReportRecorder,
        wakeups: Wakeups,
        metrics: Metrics,
        pause: timedelta,
        grace: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._backend = backend
        self._recorder = recorder
        self._wakeups = wakeups
        self._metrics = metrics
        self._pause = pause
        self._grace = grace
        self._clock = clock
        self._claimed: deque[Run] = deque()
        self._paused_until = 0.0

    async def claim(self) -> Run | None:
        """Return a run that is due to be checked."""
        if not self._claimed:
            await self._claim_chunk()
        return self._claimed.popleft() if self._claimed else None

    async def _claim_chunk(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._paused_until - loop.time()))
        self._claimed.extend(await self._store.claims.claim_checks(self._clock(), self._pause, _CHUNK_SIZE))
        if len(self._claimed) == _CHUNK_SIZE:
            self._paused_until = loop.time() + _CHUNK_PAUSE

    async def check(self, run: Run) -> None:
        """Handle a claimed run: let it expire, poll it, or cancel it."""
        try:
            await self._check(run)
        except _Unanswered as error:
            log.warning("the run is past its deadline, but ComfyDeploy doesn't answer: %s", error)

    async def _check(self, run: Run) -> None:
        if run.state is RunState.AWAITING_APPROVAL:
            await self._finish(run, RunState.EXPIRED, "expired")
        elif run.run_id is None:
            await self._check_unconfirmed(run)
        elif run.state in FINAL - REVIVABLE:
            await self._settle(run)
        elif run.cancel_requested_at is not None and not run.final:
            await self._cancel(run, run.run_id)
        else:
            await self._ask(run, run.run_id)

    async def _settle(self, run: Run) -> None:
        """Fetch the billed duration, for the budgets; fall back to our own measurement."""
        report = await self._report(run)
        if report is not None and report.state in FINAL:
            await self._record_end(run, report)
        elif run.checks >= SETTLE_CHECKS:
            await self._store.runs.stop_checking(run.key)
            self._metrics.settled(run, gpu=None, seconds=None)

    async def _check_unconfirmed(self, run: Run) -> None:
        """Time out a run without an id, whose start call is in progress or got no answer."""
        if run.submitted_at is not None and self._clock() < run.submitted_at + self._grace:
            return
        await self._finish(run, RunState.UNCONFIRMED, BackendTimeout.code)

    async def _ask(self, run: Run, run_id: str) -> None:
        report = await self._report(run, needed=self._is_overdue(run) or run.final)
        if report is not None and report.state in FINAL:
            await self._record_end(run, report)
        elif self._is_overdue(run):
            await self._end_overdue(run, run_id, report)
        elif run.final and self._clock() >= run.created_at + LATE_CHECKS:
            await self._store.runs.stop_checking(run.key)
        elif report is not None:
            await self._record(run, report)

    def _is_overdue(self, run: Run) -> bool:
        return run.deadline is not None and self._clock() >= run.deadline and not run.final

    async def _end_overdue(self, run: Run, run_id: str, report: RunReport | None) -> None:
        if report is not None and report.outputs:
            # Some runs never end although they have outputs. They were paid for, so their outputs are shown.
            await self._record(run, report._replace(state=RunState.SUCCEEDED))
            await self._try_cancel(run_id)  # not earlier, or the run would be recorded as cancelled
            return
        await self._try_cancel(run_id)
        await self._finish(run, RunState.TIMED_OUT, "deadline")

    async def _cancel(self, run: Run, run_id: str) -> None:
        """Cancel a run, then fetch its state, since the call also succeeds for a run that has ended."""
        stopped = await self._try_cancel(run_id)
        report = await self._report(run, needed=stopped is None and self._is_overdue(run))
        if report is not None and report.state in FINAL:
            await self._record_end(run, report)
        elif stopped and (report is not None or not self._is_end_in_doubt(run)):
            await self._finish(run, RunState.CANCELLED, run.cancel_code)
        elif stopped is False:
            await self._store.runs.refuse_cancel(run.key)
            self._wakeups.show()
        elif self._is_overdue(run):
            await self._end_overdue(run, run_id, report)

    def _is_end_in_doubt(self, run: Run) -> bool:
        return run.cancel_requested_at is not None and self._clock() < run.cancel_requested_at + CANCEL_DOUBT

    async def _try_cancel(self, run_id: str) -> bool | None:
        """Return False if the run can't be cancelled at all, None if a retry may succeed."""
        try:
            await self._backend.cancel_run(run_id)
        except BackendNotCancellable as error:
            log.info("this machine can't stop a run: %s", error)
            return False
        except BackendError as error:
            log.warning("the cancel call failed: %s", error)
            return None
        return True

    async def _report(self, run: Run, *, needed: bool = False) -> RunReport | None:
        """Return the backend's report, or None without one.

        A run isn't given up during an outage of the backend: a `needed` report raises _Unanswered instead.
        """
        try:
            return await self._backend.get_run(run.run_id or "")
        except BackendError as error:
            if needed and error.passing and await self._is_backend_away(run):
                raise _Unanswered(str(error)) from error
            log.warning("asking about the run failed: %s", error)
            return None

    async def _is_backend_away(self, run: Run) -> bool:
        """Return whether the backend fails as a whole, and not only for this run."""
        try:
            await self._backend.describe_deployment(run.deployment_id)
        except BackendError as error:
            return error.passing
        return False

    async def _record_end(self, run: Run, report: RunReport) -> None:
        """Record a final state, after which the run is no longer polled."""
        await self._record(run, report)
        self._metrics.settled(run, gpu=report.gpu, seconds=report.run_duration)

    async def _record(self, run: Run, report: RunReport) -> None:
        try:
            await self._recorder.record(run.key, report, asked=True)
        except ForeignRunReport as error:
            log.warning("an answer about another run: %s", error)

    async def _finish(self, run: Run, target: RunState, code: str) -> None:
        ended = await self._store.runs.finish(run.key, target, self._clock(), code=code)
        if ended is not None:
            log.info("%s (%s)", target.value, code)
            self._wakeups.deliver()
            self._wakeups.submit()
