"""A circuit breaker: it decides when a service that fails may be called again."""

from __future__ import annotations

import math
from random import Random

_FIRST_PAUSE = 1.0
# With the jitter and their own time, probes start at most 10 seconds apart.
_LONGEST_PAUSE = 8.0
_JITTER = 1.0
# The longest pause that the service may ask for.
_LONGEST_ASKED = 3600.0


class Breaker:
    """Blocks calls after a failure until a cheap probe is answered. Times are seconds of a monotonic clock.

    A breaker is closed, open or half open. While it is open, only probes are made. An answered probe opens it
    half: one call per lane is admitted at a time, until one succeeds. `reason` is the caller's code for the
    failure, and `name` what the breaker guards.
    """

    def __init__(self, random: Random, name: str | None = None) -> None:
        self._random = random
        self.name = name
        self.reason = ""
        self._since: float | None = None
        self._failed_at = self._probe_at = self._pause = 0.0
        self._is_half_open = False
        self._trying: dict[str, str] = {}

    @property
    def is_closed(self) -> bool:
        return self._since is None

    @property
    def is_open(self) -> bool:
        return self._since is not None and not self._is_half_open

    def admits(self, lane: str = "") -> bool:
        """Return whether another call may be started in a lane."""
        return self.is_closed or (self._is_half_open and lane not in self._trying.values())

    def lasts(self, now: float) -> float:
        """Return for how many seconds no call has succeeded. It is 0 if the breaker is closed."""
        return 0.0 if self._since is None else now - self._since

    def begin(self, key: str, lane: str = "") -> None:
        """Note that the call `key` is started in a lane that admits it."""
        if not self.is_closed:
            self._trying[key] = lane

    def finish(self, key: str) -> None:
        """Note that a call has ended, or wasn't made after all."""
        self._trying.pop(key, None)

    def fail(self, now: float, reason: str, retry_after: float | None = None) -> None:
        """Open because a call or a probe failed. `retry_after` is the pause that the service asks for."""
        if self._since is None:
            self._since, self._probe_at, self._pause = now, now, _FIRST_PAUSE
        elif now >= self._probe_at:
            # Calls that were made together fail together, and count once.
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        pause = max(self._pause, min(retry_after or 0.0, _LONGEST_ASKED))
        self._probe_at = max(self._probe_at, now + pause + self._random.uniform(0, _JITTER))
        self._failed_at, self.reason, self._is_half_open = now, reason, False

    def probe_in(self, now: float) -> float:
        """Return the seconds until a probe is due, or infinity unless the breaker is open."""
        return max(0.0, self._probe_at - now) if self.is_open else math.inf

    def answered(self) -> None:
        """Open half, because a probe was answered."""
        self._is_half_open = self._since is not None

    def succeed(self, began: float) -> None:
        """Close, because a call that began at `began` succeeded. If the last failure is later, stay open."""
        if began >= self._failed_at:
            self.close()

    def close(self) -> None:
        """Close, because the failure was another party's."""
        self._since = None
        self._trying.clear()
