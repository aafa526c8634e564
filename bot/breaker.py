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
    half at `half_open_at`: the caller tries single calls, until one succeeds. `reason` is the caller's code
    for the failure, and `name` what the breaker guards.
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

    def answered(self, now: float) -> None:
        """Open half, because a probe was answered."""
        self.half_open_at = now if self._since is not None else None

    def succeed(self, began: float) -> None:
        """Close, because a call that began at `began` succeeded. If the last failure is later, stay open."""
        if began >= self._failed_at:
            self.close()

    def close(self) -> None:
        """Close, because the failure was another party's."""
        self._since = self.half_open_at = None
