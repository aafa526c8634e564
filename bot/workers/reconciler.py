"""Asks about runs that have gone silent. What it hears enters by the same door as the webhooks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.comfydeploy.client import ComfyClient
from bot.domain.errors import ComfyError, ComfyNotCancellable
from bot.domain.runs import FINAL, REVIVABLE, Run, RunReport, RunState
from bot.metrics import Metrics
from bot.store import Store
from bot.store.runs import ForeignRunReport
from bot.workers.events import EventRecorder
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
# A restart with a thousand silent runs asks about them in small portions, with a breath after a full one:
# 23 a second at the most, so that neither ComfyDeploy nor Discord, which hears of the ends, is stormed.
_PORTION = 8
_SETTLE_CHECKS = 5
_BREATH = 0.35
# So long a run that was cancelled there is asked about again where GET /run fails: ComfyDeploy says yes also
# to cancelling one that had succeeded.
_HEARSAY = timedelta(minutes=2)


class Reconciler:
    """Polling, cancelling, deadlines: everything that ComfyDeploy does not tell by itself.

    `pause` doubles with each check of the same run that brought nothing new; `grace` is how long a queue
    call without an answer may still be adopted by a webhook.
    """

    def __init__(
        self,
        *,
        store: Store,
        comfy: ComfyClient,
        recorder: EventRecorder,
        wakeups: Wakeups,
        metrics: Metrics,
        pause: timedelta,
        grace: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._comfy = comfy
        self._recorder = recorder
        self._nudges = wakeups
        self._metrics = metrics
        self._pause = pause
        self._grace = grace
        self._clock = clock
        self._claimed: deque[Run] = deque()
        self._breath_until = 0.0

    async def claim(self) -> Run | None:
        if not self._claimed:
            await self._claim_portion()
        return self._claimed.popleft() if self._claimed else None

    async def _claim_portion(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._breath_until - loop.time()))
        self._claimed.extend(await self._store.work.claim_checks(self._clock(), self._pause, _PORTION))
        if len(self._claimed) == _PORTION:
            self._breath_until = loop.time() + _BREATH

    async def check(self, run: Run) -> None:
        if run.state is RunState.AWAITING_APPROVAL:
            await self._finish(run, RunState.EXPIRED, "expired")
        elif run.run_id is None:
            await self._unanswered(run)
        elif run.state in FINAL - REVIVABLE:
            await self._settle(run, run.run_id)
        elif run.cancel_requested_at is not None and not run.final:
            await self._cancel(run, run.run_id)
        else:
            await self._ask(run, run.run_id)

    async def _settle(self, run: Run, run_id: str) -> None:
        """What it really took, for the budgets; without an answer, what we measured ourselves stands."""
        report = await self._report(run_id)
        if report is not None and report.state in FINAL:
            await self._record_end(run, report)
        elif run.checks >= _SETTLE_CHECKS:
            await self._store.runs.leave(run.key)
            self._metrics.settled(run, gpu=None, seconds=None)

    async def _unanswered(self, run: Run) -> None:
        """SUBMITTING without an id: the queue call is still under way, or its answer was lost."""
        if run.submitted_at is not None and self._clock() < run.submitted_at + self._grace:
            return
        await self._finish(run, RunState.UNCONFIRMED, "comfy_timeout")

    async def _ask(self, run: Run, run_id: str) -> None:
        report = await self._report(run_id)
        if report is not None and report.state in FINAL:
            await self._record_end(run, report)
        elif self._is_overdue(run):
            await self._overdue(run, run_id, report)
        elif report is not None:
            await self._record(run, report)

    def _is_overdue(self, run: Run) -> bool:
        return run.deadline is not None and self._clock() >= run.deadline and not run.final

    async def _overdue(self, run: Run, run_id: str, report: RunReport | None) -> None:
        if report is not None and report.outputs:
            # Some runs never end although their outputs are there: these were paid for, so they are shown.
            await self._record(run, report._replace(state=RunState.SUCCEEDED))
            await self._try_cancel(run_id)  # after that, or what is there would be taken for cancelled
            return
        await self._try_cancel(run_id)
        await self._finish(run, RunState.TIMED_OUT, "deadline")

    async def _cancel(self, run: Run, run_id: str) -> None:
        """The requester's wish. ComfyDeploy says success also for a run that had ended, so ask what it is."""
        stopped = await self._try_cancel(run_id)
        report = await self._report(run_id)
        if report is not None and report.state in FINAL:
            await self._record_end(run, report)
        elif stopped and (report is not None or not self._may_be_heard_of(run)):
            await self._finish(run, RunState.CANCELLED, run.cancel_code)
        elif stopped is False:
            await self._store.runs.refuse_cancel(run.key)
            self._nudges.show()
        elif self._is_overdue(run):
            await self._overdue(run, run_id, report)

    def _may_be_heard_of(self, run: Run) -> bool:
        return run.cancel_requested_at is not None and self._clock() < run.cancel_requested_at + _HEARSAY

    async def _try_cancel(self, run_id: str) -> bool | None:
        """False when this machine can't stop a run at all, None when it is worth trying again."""
        try:
            await self._comfy.cancel(run_id)
        except ComfyNotCancellable as error:
            log.info("this machine can't stop a run: %s", error)
            return False
        except ComfyError as error:
            log.warning("the cancel call failed: %s", error)
            return None
        return True

    async def _report(self, run_id: str) -> RunReport | None:
        try:
            return await self._comfy.run(run_id)
        except ComfyError as error:
            log.warning("asking about the run failed: %s", error)
            return None

    async def _record_end(self, run: Run, report: RunReport) -> None:
        """Nothing is asked about the run after this: what it took is known."""
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
            self._nudges.deliver()
            self._nudges.submit()
