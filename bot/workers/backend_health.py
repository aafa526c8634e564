"""Decide by circuit breakers when the backend, or the machine of a deployment, may be called again.

Each process has breakers of its own: one for the backend, and one for each deployment that fails. A failed
queue call opens one of them. A question that costs nothing tells a broken machine from a backend that is
away, and finds out when it is back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bot.breaker import Breaker
from bot.context import App
from bot.domain.errors import (
    BackendError,
    BackendMachineFailed,
    BackendRateLimited,
    BackendServerError,
    BackendUnreachable,
)
from bot.domain.runs import Run
from bot.workers.worker import Later

log = logging.getLogger(__name__)
# The codes of the sentences that tell requesters what their runs wait for.
AWAY = "waits_for_backend"
BUSY = "waits_for_busy_backend"
MACHINE = "waits_for_machine"
# A shorter outage may be over before other requesters have to know.
_WORTH_TELLING = 8.0


class BackendHealth:
    """This process's queue calls and breakers, which the submitter and the reconciler share.

    While the breaker `service` is open, the backend doesn't answer, so no run is started, polled or given up.
    While it is closed, the backend as a whole has answered its last queue call.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.service = Breaker(self._app.outside.random)
        self._deployments: dict[str, Breaker] = {}
        # The deployment of each call that is under way, and when it began, by run key.
        self._calls: dict[str, tuple[str, float]] = {}

    @property
    def broken(self) -> frozenset[str]:
        """Return the names of the deployments whose machines have failed their last queue call."""
        return frozenset(self._deployments)

    def _guards(self, deployment: str) -> list[Breaker]:
        own = self._deployments.get(deployment)
        return [self.service, own] if own is not None else [self.service]

    def admits(self, deployment: str) -> bool:
        """Return whether a run of a deployment may be started: if a breaker is half open, one at a time."""
        for guard in self._guards(deployment):
            since = guard.half_open_at
            tried = (at for name, at in self._calls.values() if name == deployment)
            if guard.is_open or (since is not None and any(at >= since for at in tried)):
                return False
        return True

    def begin(self, run: Run) -> None:
        """Note that a run was claimed for its queue call."""
        self._calls[run.key] = (run.deployment, self._app.outside.monotonic())

    def finish(self, run: Run) -> None:
        """Note that a claimed run's queue call has ended, or that none was made."""
        self._calls.pop(run.key, None)

    def is_calling(self, run: Run) -> bool:
        """Return whether a run was claimed for its queue call, whose result isn't stored yet."""
        return run.key in self._calls

    def succeeded(self, run: Run) -> None:
        """Note that the backend and the machine answered the queue call of a run."""
        _, began = self._calls.get(run.key, ("", 0.0))
        for guard in self._guards(run.deployment):
            guard.succeed(began)
            if guard.is_closed:
                self._deployments.pop(guard.name or "", None)

    async def failed(self, run: Run, error: BackendError) -> BackendError:
        """Open a breaker after a run's queue call, and return the error with the party to blame.

        After a 5xx or no answer, that is the machine behind the deployment if the backend answers.
        """
        if not error.passing:
            self.succeeded(run)
            return error
        if isinstance(error, BackendRateLimited | BackendUnreachable):
            self._stop(error)
            return error
        if not self.service.is_open:
            self._stop(error)  # nothing else starts until the answer is known
        if await self._fault() is not None:
            log.warning("the backend doesn't answer, so no run is started or given up until it does")
            return error
        if self.service.reason == AWAY:
            self.service.close()
            self._app.wakeups.wake("check")
        own = Breaker(self._app.outside.random, run.deployment)
        self._open(self._deployments.setdefault(run.deployment, own), MACHINE)
        log.warning("the machine of deployment %s fails", run.deployment)
        return BackendMachineFailed(str(error)) if isinstance(error, BackendServerError) else error

    async def is_away(self) -> bool:
        """Ask whether the backend is away, after a call about a run failed temporarily."""
        if not self.service.is_open and (fault := await self._fault()) is not None:
            log.warning("the backend doesn't answer, so no run is given up until it does")
            self._stop(fault)
        return self.service.is_open

    async def _fault(self) -> BackendError | None:
        """Ask the backend, and return the error if it doesn't answer."""
        try:
            await self._app.backend.ping()
        except BackendError as error:
            log.debug("the backend doesn't answer: %s", error)
            return error
        return None

    async def claim(self, _room: int) -> Sequence[Breaker] | Later:
        """Return what has to be probed now. While the backend is away, no deployment is probed."""
        now = self._app.outside.monotonic()
        guards = [self.service] if self.service.is_open else [self.service, *self._deployments.values()]
        first = min(guards, key=lambda guard: guard.probe_in(now))
        seconds = first.probe_in(now)
        return Later(seconds) if seconds else [first]

    async def probe(self, guard: Breaker) -> None:
        """Ask the backend. If it answers, let the next call be tried."""
        fault = await self._fault()
        if fault is None:
            log.info("%s is tried again", guard.name or "the backend")
            if guard.reason == AWAY:
                await self._app.store.claims.make_checks_due(self._app.now())
            guard.answered(self._app.outside.monotonic())
            self._app.wakeups.wake("check", "submit")
        else:
            self._stop(fault)
        # Tell requesters what their runs wait for.
        for each in list(self._deployments.values()) if self.service.is_closed else [self.service]:
            lasts = each.lasts(self._app.outside.monotonic()) >= _WORTH_TELLING
            if lasts and await self._app.store.claims.hold_queues(each.reason, deployment=each.name):
                self._app.wakeups.wake("show")

    def _stop(self, error: BackendError) -> None:
        reason = BUSY if isinstance(error, BackendRateLimited) else AWAY
        self._open(self.service, reason, getattr(error, "retry_after", None))

    def _open(self, guard: Breaker, reason: str, retry_after: float | None = None) -> None:
        guard.fail(self._app.outside.monotonic(), reason, retry_after)
        self._app.wakeups.receive(["probe"])
