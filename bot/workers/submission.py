"""From a stored intent to a run at ComfyDeploy: one queue call.

The queue call is not idempotent and costs money, so it is made at most once for each claim, and a claim is
given back only where ComfyDeploy can't have accepted the call. Every other silence is left to the webhook,
or to the grace time after which the requester is told.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from bot.comfydeploy.client import ComfyClient
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.comfydeploy.wire import QueueCall
from bot.config.logs import run_context
from bot.domain.errors import (
    BotError,
    ComfyError,
    ComfyRateLimited,
    ComfyUnreachable,
    NotNow,
    RefusedError,
    StoreUnavailable,
)
from bot.domain.runs import InputValue, Run, RunReport, RunState
from bot.store import Store
from bot.store.runs import ForeignRunReport
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
MAX_SUBMISSIONS = 5
MAX_RENEWALS = 30
# A run that is not begun this long before its interaction ends is not begun at all.
START_MARGIN = timedelta(minutes=3)
_STORE_PAUSE = 1.0
Renew = Callable[[Run, datetime], Awaitable[Mapping[str, InputValue]]]


class Submitter:
    """Submits what waits, first come first served over people."""

    def __init__(
        self,
        *,
        store: Store,
        comfy: ComfyClient,
        signer: WebhookSigner,
        wakeups: Wakeups,
        limit: Callable[[str], int | None],
        renew: Renew,
        first_check: timedelta,
        grace: timedelta,
        user_installs: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._comfy = comfy
        self._signer = signer
        self._nudges = wakeups
        self._limit = limit
        self._renew = renew
        self._first_check = first_check
        self._grace = grace
        self._user_installs = user_installs
        self._clock = clock

    async def claim(self) -> Run | None:
        now = self._clock()
        if self._user_installs:
            await self._refuse_late(now)
        run = await self._store.work.claim_submission(self._limit, now, now + self._grace)
        # Only when the line stands still: with each of two hundred that go out, the rest would be renumbered.
        if run is None and await self._store.work.update_queue_positions(now):
            self._nudges.show()
        return run

    async def _refuse_late(self, now: datetime) -> None:
        """Where only the interaction reaches, nothing is begun that would end after it; told in time."""
        for run in await self._store.work.too_late_to_start(now + START_MARGIN):
            with run_context(run.key):
                await self._end(run, RunState.REFUSED, RefusedError("answer_too_late"))

    async def submit(self, run: Run) -> None:
        """The one queue call of this claim."""
        self._nudges.show()
        try:
            inputs = await self._renew(run, self._clock())
        except RefusedError as error:
            await self._end(run, RunState.REFUSED, error)
            return
        except NotNow as error:
            await self._renew_later(run, error)
            return
        call = QueueCall(
            deployment_id=run.deployment_id,
            inputs=inputs,
            webhook=self._signer.url(run.key),
            gpu=run.gpu,
        )
        try:
            run_id = await self._comfy.queue(call)
        except ComfyError as error:
            await self._failed(run, error)
        else:
            await self._queued(run, run_id)

    async def _renew_later(self, run: Run, error: NotNow) -> None:
        """No queue call was made, so this may be tried for as long as an outage of Discord's lasts."""
        log.warning("the attached files could not be renewed: %s", error)
        if run.submissions >= MAX_RENEWALS:
            await self._end(run, RunState.REFUSED, error)
            return
        now = self._clock()
        await self._store.work.requeue(run.key, now + _backoff(run.submissions, error), now)
        self._nudges.submit()

    async def _queued(self, run: Run, run_id: str) -> None:
        """For as long as it takes: without webhooks nobody else tells the id of a run that is paid for."""
        log.info("queued as %s", run_id)
        while True:
            try:
                await self._record_id(run, run_id)
                break
            except StoreUnavailable as error:
                log.warning("the reply to the queue call waits for the database: %s", error)
            await asyncio.sleep(_STORE_PAUSE)
        self._nudges.show()
        self._nudges.check()

    async def _record_id(self, run: Run, run_id: str) -> None:
        now = self._clock()
        report = RunReport(run_id=run_id, state=RunState.QUEUED)
        try:
            await self._store.runs.record(run.key, report, now, now + self._first_check)
        except ForeignRunReport as error:
            # A struggling machine starts a run more than once; the one that reported first is followed.
            log.warning("the queue reply names another run: %s", error)

    async def _failed(self, run: Run, error: ComfyError) -> None:
        log.warning("the queue call failed: %s", error)
        may_try_again = isinstance(error, ComfyUnreachable | ComfyRateLimited)
        if may_try_again and run.submissions < MAX_SUBMISSIONS and run.cancel_requested_at is None:
            now = self._clock()
            await self._store.work.requeue(run.key, now + _backoff(run.submissions, error), now)
        elif error.code == "comfy_timeout":
            # It may have been accepted: the webhook adopts the run, or the grace time ends it.
            return
        else:
            target = RunState.UNCONFIRMED if error.accepted else RunState.REFUSED
            await self._end(run, target, error)
        self._nudges.submit()

    async def _end(self, run: Run, target: RunState, error: BotError) -> None:
        ended = await self._store.runs.finish(
            run.key, target, self._clock(), code=error.code, params=error.params
        )
        if ended is None:
            # The `failed` webhook was quicker; it gave no reason, this answer does.
            await self._store.runs.explain(run.key, error.code, error.params)
        self._nudges.deliver()
        self._nudges.submit()


def _backoff(tries: int, error: BotError) -> timedelta:
    asked = error.retry_after if isinstance(error, ComfyRateLimited) else None
    seconds = asked if asked is not None else 2.0**tries
    return timedelta(seconds=min(seconds, 120) + random.uniform(0, 1))
