"""Decide by circuit breakers when Discord, the backend or the machine of a deployment may be called again.

Each process has breakers of its own, so a restart may make a few calls in vain. A question that costs nothing
finds out when a service is back.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from random import Random

from bot.context import App
from bot.domain.backend import NO_RUN
from bot.domain.errors import (
    BackendError,
    BackendMachineFailed,
    BackendRateLimited,
    BackendServerError,
    BackendUnauthorized,
    BackendUnreachable,
)
from bot.domain.runs import Run
from bot.worker import Later

log = logging.getLogger(__name__)
# The codes of the sentences that tell requesters what their runs wait for.
AWAY = "waits_for_backend"
BUSY = "waits_for_busy_backend"
MACHINE = "waits_for_machine"
# A shorter outage may be over before other requesters have to know.
_WORTH_TELLING = 8.0
# After so many calls in a row that neither Discord nor a cheap question responded to, Discord counts as away.
_SILENT_CALLS = 2
_FIRST_PAUSE = 1.0
# With the jitter and their own time, probes start at most 10 seconds apart.
_LONGEST_PAUSE = 8.0
_JITTER = 1.0
# The longest pause that the service may ask for.
_LONGEST_ASKED = 3600.0


class Breaker:
    """Blocks calls after a failure until a cheap probe is successful. Times are seconds of a monotonic clock.

    A breaker is closed, open or half open. While it is open, only probes are made. A successful probe opens
    it half at `half_open_at`: the caller tries single calls, until one succeeds. `reason` is the caller's
    code for the failure, and `name` what the breaker guards.
    """

    def __init__(self, random: Random, name: str | None = None) -> None:
        self._random = random
        self.name = name
        self.reason = ""
        self.half_open_at: float | None = None
        self._since: float | None = None
        self._failed_at = self._probe_at = self._pause = 0.0

    @property
    def is_closed(self) -> bool:
        return self._since is None

    @property
    def is_open(self) -> bool:
        return self._since is not None and self.half_open_at is None

    def lasts(self, now: float) -> float:
        """Return for how many seconds no call has succeeded. It is 0 if the breaker is closed."""
        return 0.0 if self._since is None else now - self._since

    def fail(self, now: float, reason: str, retry_after: float | None = None) -> None:
        """Open because a call or a probe failed. `retry_after` is the pause that the service asks for."""
        if self._since is None:
            self._since, self._probe_at, self._pause = now, now, _FIRST_PAUSE
        elif now >= self._probe_at:
            # Calls that were made together fail together, and count once.
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        pause = max(self._pause, min(retry_after or 0.0, _LONGEST_ASKED))
        self._probe_at = max(self._probe_at, now + pause + self._random.uniform(0, _JITTER))
        self._failed_at, self.reason, self.half_open_at = now, reason, None

    def probe_in(self, now: float) -> float:
        """Return the seconds until a probe is due, or infinity unless the breaker is open."""
        return max(0.0, self._probe_at - now) if self.is_open else math.inf

    def responded(self, now: float) -> None:
        """Open half, because a probe was successful."""
        self.half_open_at = now if self._since is not None else None

    def close(self, began: float = math.inf) -> None:
        """Close, because a call that began at `began` succeeded. If the last failure is later, stay open."""
        if began >= self._failed_at:
            self._since = self.half_open_at = None


class BackendBreakers:
    """This process's queue calls and breakers, which the submitter and the reconciler share.

    While the breaker `service` is open, the backend doesn't respond, so no run is started, polled or given
    up. While it is closed, the backend as a whole has responded to its last queue call.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.service = Breaker(self._app.effects.random)
        # By the names of the deployments whose machines have failed their last queue call.
        self.broken: dict[str, Breaker] = {}
        # For each run that was claimed for its queue call, whose result isn't stored yet: its deployment, and
        # when it was claimed.
        self.calls: dict[str, tuple[str, float]] = {}

    def limit(self, deployment: str) -> int | None:
        """Return how many runs of a deployment may be in flight, or None without a limit.

        It is 0 if none may be started now: if a breaker is half open, one is tried at a time.
        """
        for guard in filter(None, (self.service, self.broken.get(deployment))):
            since = guard.half_open_at
            tried = (at for name, at in self.calls.values() if name == deployment)
            if guard.is_open or (since is not None and any(at >= since for at in tried)):
                return 0
        return self._app.limit(deployment)

    def succeeded(self, run: Run) -> None:
        """Note that the backend and the machine responded to the queue call of a run."""
        _, began = self.calls.get(run.key, ("", 0.0))
        self.service.close(began)
        if (own := self.broken.get(run.deployment)) is not None:
            own.close(began)
            if own.is_closed:
                del self.broken[run.deployment]

    async def failed(self, run: Run, error: BackendError) -> BackendError:
        """Open a breaker after a run's queue call, and return the error with the party to blame.

        After a 5xx or no response, that is the machine behind the deployment if the backend responds.
        """
        if not error.passing:
            self.succeeded(run)
            return error
        if isinstance(error, BackendRateLimited | BackendUnreachable):
            self._stop(error)
            return error
        if not self.service.is_open:
            self._stop(error)  # nothing else starts until the response is known
        if await self._fault() is not None:
            log.warning("the backend doesn't answer, so no run is started or given up until it does")
            return error
        if self.service.reason == AWAY:
            self.service.close()
            self._app.wakeups.wake("check")
        own = Breaker(self._app.effects.random, run.deployment)
        self._open(self.broken.setdefault(run.deployment, own), MACHINE)
        log.warning("the machine of deployment %s fails", run.deployment)
        return BackendMachineFailed(str(error)) if isinstance(error, BackendServerError) else error

    async def is_away(self) -> bool:
        """Ask whether the backend is away, after a call about a run failed temporarily."""
        if not self.service.is_open and (fault := await self._fault()) is not None:
            log.warning("the backend doesn't answer, so no run is given up until it does")
            self._stop(fault)
        return self.service.is_open

    async def refuses_key(self) -> bool:
        """Ask once more whether the backend refuses the key, because a single refusal may be its mistake."""
        try:
            await self._app.backend.get_run(NO_RUN)
        except BackendError as error:
            return isinstance(error, BackendUnauthorized)
        return False

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
        now = self._app.effects.monotonic()
        guards = [self.service] if self.service.is_open else [self.service, *self.broken.values()]
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
            guard.responded(self._app.effects.monotonic())
            self._app.wakeups.wake("check", "submit")
        else:
            self._stop(fault)
        # Tell requesters what their runs wait for.
        for each in list(self.broken.values()) if self.service.is_closed else [self.service]:
            lasts = each.lasts(self._app.effects.monotonic()) >= _WORTH_TELLING
            if lasts and await self._app.store.claims.hold_queues(each.reason, deployment=each.name):
                self._app.wakeups.wake("show")

    def _stop(self, error: BackendError) -> None:
        reason = BUSY if isinstance(error, BackendRateLimited) else AWAY
        self._open(self.service, reason, getattr(error, "retry_after", None))

    def _open(self, guard: Breaker, reason: str, retry_after: float | None = None) -> None:
        guard.fail(self._app.effects.monotonic(), reason, retry_after)
        self._app.wakeups.receive(["probe"])


class DiscordBreaker:
    """This process's view of Discord. `posts` is the number of posts that Discord has answered."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.breaker = Breaker(app.effects.random)
        self.posts = 0
        self._silent = 0

    async def pause(self) -> float:
        """Return for how many seconds to leave Discord alone. Once they are over, ask whether it is back.

        If it is, the messages become due that wait for it.
        """
        if not self.breaker.probe_in(self._app.effects.monotonic()):
            if await self._app.discord.responds():
                log.info("Discord answers again")
                self.heard()
                await self._app.store.messages.make_due(self._app.now())
            else:
                self.breaker.fail(self._app.effects.monotonic(), "discord")
        return self.breaker.probe_in(self._app.effects.monotonic()) if self.breaker.is_open else 0.0

    def heard(self, *, posted: bool = False) -> None:
        """Note that Discord responded to a call, perhaps a post."""
        self._silent = 0
        self.posts += posted
        self.breaker.close()

    async def not_heard(self) -> bool:
        """Note that Discord didn't respond to a call, and return whether it responds to a cheap question.

        Then the failure is that of the message, and not an outage.
        """
        if not self.breaker.is_open and await self._app.discord.responds():
            self.heard()
            return True
        self._silent += 1
        if self._silent >= _SILENT_CALLS:
            self.breaker.fail(self._app.effects.monotonic(), "discord")
        return False
