"""Start stored runs at the backend.

Starting a run is not idempotent and costs money, so each claim makes at most one call. A run is requeued only
if the backend can't have accepted it. If the result of the call is unknown, a webhook may still bring the
run's id. Otherwise the reconciler ends the run as unconfirmed after the grace time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.config.logs import run_context
from bot.deployments.schema import DeploymentConfig
from bot.domain.backend import Backend, NewRun
from bot.domain.errors import (
    BackendError,
    BackendRateLimited,
    BackendTimeout,
    BackendUnreachable,
    BotError,
    DiscordAway,
    NotNow,
    RefusedError,
    StoreUnavailable,
)
from bot.domain.policy import check_channel, is_age_restricted
from bot.domain.requests import ChannelState
from bot.domain.runs import InputValue, Run, RunReport, RunState
from bot.store import Store
from bot.store.postponed import DISCORD_PAUSE
from bot.store.runs import ForeignRunReport
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
MAX_SUBMISSIONS = 5
MAX_RENEWALS = 30
# A user install's run is not started this close to the end of its interaction.
START_MARGIN = timedelta(minutes=3)
# The channel was checked with the request, and is checked again if the request is older than this.
CHANNEL_TRUST = timedelta(minutes=1)
_WAITS_FOR_DISCORD = "waits_for_discord"
_STORE_PAUSE = 1.0
# Raises DiscordAway. Returns None if there is no channel to ask about, as in direct messages.
Look = Callable[[Run], Awaitable[ChannelState | None]]
Renew = Callable[[Run, datetime], Awaitable[Mapping[str, InputValue]]]


class Submitter:
    """Starts waiting runs in a fair order, in which users take turns."""

    def __init__(
        self,
        *,
        store: Store,
        backend: Backend,
        wakeups: Wakeups,
        limit: Callable[[str], int | None],
        renew: Renew,
        look: Look,
        configured: Callable[[Run], DeploymentConfig | None],
        first_check: timedelta,
        grace: timedelta,
        user_installs: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._backend = backend
        self._wakeups = wakeups
        self._limit = limit
        self._renew = renew
        self._look = look
        self._configured = configured
        self._first_check = first_check
        self._grace = grace
        self._user_installs = user_installs
        self._clock = clock

    async def claim(self) -> Run | None:
        """Claim the next run to start. If there is none, update the queue positions and return None."""
        now = self._clock()
        if self._user_installs:
            await self._refuse_late(now)
        run = await self._store.claims.claim_submission(self._limit, now, now + self._grace)
        # Renumber the queue only when nothing more can be started, not after each start.
        if run is None and await self._store.claims.update_queue_positions(now):
            self._wakeups.show()
        return run

    async def _refuse_late(self, now: datetime) -> None:
        """Refuse runs of user installs whose interaction ends too soon to show a result in the channel."""
        for run in await self._store.claims.too_late_to_start(now + START_MARGIN):
            with run_context(run.key):
                await self._end(run, RunState.REFUSED, RefusedError("answer_too_late"))

    async def submit(self, run: Run) -> None:
        """Make the queue call of a claimed run.

        First check the channel and renew the links of attached files. If that fails, the run is requeued or
        refused without a call.
        """
        self._wakeups.show()
        try:
            await self._check_channel(run)
            inputs = await self._renew(run, self._clock())
        except RefusedError as error:
            await self._end(run, RunState.REFUSED, error)
            return
        except DiscordAway as error:
            await self._wait_for_discord(run, error)
            return
        except NotNow as error:
            await self._renew_later(run, error)
            return
        new_run = NewRun(key=run.key, deployment_id=run.deployment_id, inputs=inputs, gpu=run.gpu)
        try:
            run_id = await self._backend.start_run(new_run)
        except BackendError as error:
            await self._failed(run, error)
        else:
            await self._queued(run, run_id)

    async def _check_channel(self, run: Run) -> None:
        """Raise RefusedError if the deployment is gone or its channel can't show the result, or DiscordAway.

        The channel of a request that is younger than CHANNEL_TRUST isn't checked again, unless the deployment
        has been marked as age-restricted since.
        """
        run = await self._with_current_mark(run)
        fits = run.channel_age_restricted or not run.age_restricted
        if fits and self._clock() - run.created_at < CHANNEL_TRUST:
            return
        channel = await self._look(run)
        if channel is None:
            channel = ChannelState(age_restricted=run.channel_age_restricted)
        check_channel(channel, restricted=is_age_restricted(run))

    async def _with_current_mark(self, run: Run) -> Run:
        """Return the run as age-restricted as its deployment is now.

        Raises RefusedError if the operator has removed the deployment.
        """
        deployment = self._configured(run)
        if deployment is None:
            raise RefusedError("deployment_gone")
        if run.age_restricted or not deployment.age_restricted:
            return run
        await self._store.runs.mark_age_restricted(run.key)
        return replace(run, age_restricted=True)

    async def _wait_for_discord(self, run: Run, error: DiscordAway) -> None:
        """Requeue a run without a queue call, because Discord didn't answer."""
        log.warning("can't ask Discord: %s", error)
        now = self._clock()
        await self._store.claims.requeue(run.key, now + DISCORD_PAUSE, now, waits_for=_WAITS_FOR_DISCORD)
        self._wakeups.show()
        self._wakeups.submit()

    async def _renew_later(self, run: Run, error: NotNow) -> None:
        """Requeue a run whose attached files Discord didn't return. After MAX_RENEWALS tries, refuse it."""
        log.warning("can't renew the attached files: %s", error)
        if run.submissions >= MAX_RENEWALS:
            await self._end(run, RunState.REFUSED, error)
            return
        now = self._clock()
        await self._store.claims.requeue(run.key, now + _backoff(run.submissions, error), now)
        self._wakeups.submit()

    async def _queued(self, run: Run, run_id: str) -> None:
        """Store the run's id, retrying until the database answers. A webhook with the id may never arrive."""
        log.info("queued as %s", run_id)
        while True:
            try:
                await self._record_id(run, run_id)
                break
            except StoreUnavailable as error:
                log.warning("waiting for the database to store the queue reply: %s", error)
            await asyncio.sleep(_STORE_PAUSE)
        self._wakeups.show()
        self._wakeups.check()

    async def _record_id(self, run: Run, run_id: str) -> None:
        now = self._clock()
        report = RunReport(run_id=run_id, state=RunState.QUEUED)
        try:
            await self._store.runs.record_report(run.key, report, now, now + self._first_check)
        except ForeignRunReport as error:
            # The backend can start a run more than once; we follow the one that reported first.
            log.warning("the queue reply names another run: %s", error)

    async def _failed(self, run: Run, error: BackendError) -> None:
        log.warning("the queue call failed: %s", error)
        may_try_again = isinstance(error, BackendUnreachable | BackendRateLimited)
        if may_try_again and run.submissions < MAX_SUBMISSIONS and run.cancel_requested_at is None:
            now = self._clock()
            await self._store.claims.requeue(run.key, now + _backoff(run.submissions, error), now)
        elif isinstance(error, BackendTimeout):
            # The call may have been accepted: a webhook adopts the run, or it ends as unconfirmed.
            return
        else:
            target = RunState.UNCONFIRMED if error.accepted else RunState.REFUSED
            await self._end(run, target, error)
        self._wakeups.submit()

    async def _end(self, run: Run, target: RunState, error: BotError) -> None:
        ended = await self._store.runs.finish(
            run.key, target, self._clock(), code=error.code, params=error.params
        )
        if ended is None:
            # The webhook about the failure was faster. It gave no reason, but this answer does.
            await self._store.runs.add_failure_reason(run.key, error.code, error.params)
        self._wakeups.deliver()
        self._wakeups.submit()


def _backoff(tries: int, error: BotError) -> timedelta:
    asked = error.retry_after if isinstance(error, BackendRateLimited) else None
    seconds = asked if asked is not None else 2.0**tries
    return timedelta(seconds=min(seconds, 120) + random.uniform(0, 1))
