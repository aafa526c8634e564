"""Limit the calls while the backend is away or too busy, and decide how long requests wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from bot.domain.backend import Backend
from bot.domain.errors import BackendBadReply, BackendCrashed, BackendError

log = logging.getLogger(__name__)
_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(minutes=1)
# The longest pause that the backend may ask for.
_LONGEST_ASKED = timedelta(hours=1)
# How long the others are given; longer than the submitter's pause between two claims.
_TURN = timedelta(seconds=3)
# An outage with shorter pauses may be a burst of calls, which is over before other requesters have to know.
_LONG_PAUSE = timedelta(seconds=8)
# A request that is older than this is refused once the backend has accepted no call for an hour.
_LONGEST_WAIT = timedelta(days=7)
_LASTING = timedelta(hours=1)
# A confirmed outage counts as lasting so long, so that not each run asks again.
_TRUST = timedelta(minutes=1)
_LONGEST_PARTIAL = timedelta(days=1)


class BackendOutage:
    """Lets one queue call at a time through, with growing pauses, until the backend answers one again.

    An outage begins with a queue call that fails temporarily: no connection, too many calls, or
    an internal error.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.since: datetime | None = None
        self._pause = _FIRST_PAUSE
        self._failed_at: datetime | None = None
        self._until: datetime | None = None
        self._trying: str | None = None

    @property
    def is_long(self) -> bool:
        """Return whether several calls in a row have failed."""
        return self.since is not None and self._pause >= _LONG_PAUSE

    def has_outlasted(self, requested_at: datetime, now: datetime) -> bool:
        """Return whether a request has waited so long that it is refused."""
        lasts = now - (self.since or now)
        return lasts >= _LASTING and now - requested_at >= _LONGEST_WAIT

    def lets_through(self, now: datetime) -> bool:
        """Return whether another run may be claimed."""
        if self._failed_at is not None and now < self._failed_at:
            # The clock was set back. The queue must not stop until it has caught up.
            self._failed_at = self._until = now
        return self._until is None or (self._trying is None and now >= self._until)

    def begin(self, key: str) -> None:
        """Note that a run was claimed, so that during an outage no other run is until `finish`."""
        if self.since is not None:
            self._trying = key

    def finish(self, key: str) -> None:
        """Note that a claimed run's queue call was answered, or that none was made."""
        if self._trying == key:
            self._trying = None

    def fail(self, now: datetime, retry_after: float | None = None) -> datetime:
        """Note a call that failed, and return when its run is due again.

        `retry_after` is the pause in seconds that the backend asks for, or None. Another run may be claimed
        first, so that a run whose calls always fail holds up no others.
        """
        if self._until is None:
            self.since = self._until = now
            self._pause = _FIRST_PAUSE
        elif now >= self._until:
            # Calls that were made together fail together, and count once.
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        asked = min(timedelta(seconds=retry_after or 0), _LONGEST_ASKED)
        self._failed_at = now
        self._until = max(self._until, now + max(self._pause, asked))
        return self._until + _TURN + timedelta(seconds=self._random.uniform(0, 1))

    def answered(self, claimed_at: datetime | None) -> None:
        """Note that the backend answered the call of a run that was claimed at `claimed_at`.

        A call that was made before the last one failed proves nothing.
        """
        if self._failed_at is None or (claimed_at is not None and claimed_at >= self._failed_at):
            self.since = self._until = self._failed_at = None


class OutageCheck:
    """Tells an outage of the backend from a run that can't be read, and remembers the outage for a minute."""

    def __init__(self, backend: Backend, clock: Callable[[], datetime]) -> None:
        self._backend = backend
        self._clock = clock
        self._away_at: datetime | None = None
        self._broken_since: dict[str, datetime] = {}

    @property
    def is_known(self) -> bool:
        """Return whether it was confirmed within the last minute that the whole backend is away."""
        return self._away_at is not None and timedelta() <= self._clock() - self._away_at < _TRUST

    def end(self) -> None:
        """Note that the backend has answered."""
        self._away_at = None

    async def confirm(self, deployment_id: str) -> bool:
        """Return whether the backend is away, after a call about a run of this deployment failed temporarily.

        The deployment is asked for. For one that is gone, ComfyDeploy answers as in an outage, so the account
        is asked, too. If it still lists the deployment, or can't describe it, only a part of the backend is
        away. That counts for a day, after which the deployment is taken to be broken for good.
        """
        if self.is_known:
            return True
        try:
            await self._backend.describe_deployment(deployment_id)
        except BackendError as error:
            # Even a reply that can't be parsed proves that the backend is there.
            if error.passing and not isinstance(error, BackendBadReply):
                return await self._confirm_by_list(deployment_id, error)
        self._broken_since.pop(deployment_id, None)
        return False

    async def _confirm_by_list(self, deployment_id: str, reason: BackendError) -> bool:
        now = self._clock()
        try:
            listed = await self._backend.describe_deployments()
        except BackendError as error:
            if not error.passing or isinstance(error, BackendBadReply):
                return False
            self._away_at = now
            log.warning("ComfyDeploy is away, so no run is given up: %s", reason)
            return True
        if not isinstance(reason, BackendCrashed) and all(each.id != deployment_id for each in listed):
            return False
        log.warning("ComfyDeploy doesn't describe deployment %s: %s", deployment_id, reason)
        return now - self._broken_since.setdefault(deployment_id, now) < _LONGEST_PARTIAL
