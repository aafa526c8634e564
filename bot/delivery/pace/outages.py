"""Distinguish outages from messages that Discord never answers. Pace the courier during and after outages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from bot.delivery.retries import Form, form_if_ignored, is_route_abandoned, pause_after

# After this many unanswered deliveries in a row, assume an outage and try only one at a time.
_UNANSWERED = 3
_LONGEST_PROBE_PAUSE = 60.0
# A probe may take long, because discord.py retries on its own. After this time another one may start.
_PROBE_TIME = timedelta(seconds=30)
# The pace after an outage, until nothing is due. A delivery makes 2 or 3 calls; Discord allows 50 a second.
DELIVERIES_A_SECOND = 10
_SECOND = timedelta(seconds=1)
# From this unanswered attempt on, find out whether Discord ignores only this delivery.
_SUSPECT = 3
_KEPT = 10_000


@dataclass(slots=True)
class _Trouble:
    """The attempts of a delivery since Discord last answered it.

    `unanswered` is the number of attempts that didn't count as tries. `alone` is the number of attempts that
    Discord left unanswered although it had answered other calls since the previous attempt. `since` is the
    time of the first such attempt. `answers` is the value of `Outages._answers` at the last unanswered
    attempt.
    """

    unanswered: int = 0
    alone: int = 0
    answers: int = 0
    since: datetime | None = None


class _SteadyTime:
    """Turns the times of a clock that may be set back into times that never go back."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._set_back = timedelta()

    def of(self, now: datetime) -> datetime:
        """Return the steady time at which the clock shows `now`."""
        steady = now + self._set_back
        if self._last is not None and steady < self._last:
            self._set_back += self._last - steady
            steady = self._last
        self._last = steady
        return steady


class Outages:
    """One courier's view of Discord's state. A restart loses it, so a few attempts may be made too early.

    If the clock is set back, pauses don't grow.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._time = _SteadyTime()
        self._troubles: dict[int, _Trouble] = {}
        self._answers = 0
        self._in_a_row = 0
        self._silent: set[int] = set()
        self._next_probe: datetime | None = None
        self._recovering = False
        self._second: datetime | None = None
        self._started = 0

    def admits(self, now: datetime) -> bool:
        """Return whether another delivery may be started, and count it."""
        now = self._time.of(now)
        if self._in_a_row >= _UNANSWERED:
            if self._next_probe is not None and now < self._next_probe:
                return False
            self._next_probe = now + _PROBE_TIME
        elif self._recovering:
            if self._second is None or now >= self._second + _SECOND:
                self._second, self._started = now, 0
            if self._started >= DELIVERIES_A_SECOND:
                return False
            self._started += 1
        return True

    def nothing_due(self) -> None:
        """Record that no delivery is due.

        This ends the slow start after an outage. During an outage, another delivery may be tried at once,
        because the attempt that `admits` allowed was not made.
        """
        self._recovering, self._next_probe = False, None

    def answered(self, delivery_id: int) -> None:
        """Record that Discord answered a delivery, whether or not it accepted the message."""
        self._troubles.pop(delivery_id, None)
        self.answered_otherwise()

    def answered_otherwise(self) -> None:
        """Record that Discord answered some call, so there is no outage."""
        self._answers += 1
        self._recovering = self._recovering or self._in_a_row >= _UNANSWERED
        self._in_a_row = 0
        self._silent.clear()

    def unanswered(self, delivery_id: int, now: datetime) -> None:
        """Record that Discord did not answer a delivery."""
        now = self._time.of(now)
        trouble = self._trouble(delivery_id)
        if trouble.unanswered and self._answers > trouble.answers:
            trouble.alone += 1
            trouble.since = trouble.since or now
        trouble.answers = self._answers
        self._in_a_row += 1
        self._silent.add(delivery_id)
        self._next_probe = now + pause_after(self._in_a_row, self._random, _LONGEST_PROBE_PAUSE)

    def pause(self, delivery_id: int) -> timedelta:
        """Count an attempt that doesn't count as a try, and return the pause before the next attempt."""
        trouble = self._trouble(delivery_id)
        trouble.unanswered += 1
        return pause_after(trouble.unanswered, self._random)

    def is_suspect(self, delivery_id: int) -> bool:
        """Return whether it is unclear if Discord ignores only this delivery or answers nothing at all."""
        return self._trouble(delivery_id).unanswered + 1 >= _SUSPECT and self._silent == {delivery_id}

    def is_abandoned(self, delivery_id: int, now: datetime) -> bool:
        """Return whether Discord has ignored a delivery so often and for so long that its route is given up.

        See `is_route_abandoned`.
        """
        trouble = self._troubles.get(delivery_id)
        if trouble is None or trouble.since is None:
            return False
        return is_route_abandoned(trouble.alone, self._time.of(now) - trouble.since)

    def form(self, delivery_id: int) -> Form:
        """Return the form for a delivery, which is simpler if Discord ignores it but answers other calls."""
        trouble = self._troubles.get(delivery_id)
        return form_if_ignored(trouble.alone if trouble is not None else 0)

    def _trouble(self, delivery_id: int) -> _Trouble:
        if delivery_id not in self._troubles and len(self._troubles) >= _KEPT:
            del self._troubles[next(iter(self._troubles))]
        return self._troubles.setdefault(delivery_id, _Trouble())
