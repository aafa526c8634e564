"""Limit how much a person writes, and open one private result for a person at a time.

Both are kept in memory and in this process only.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from bot.domain.errors import RefusedError

# How many commands, presses and forms of a person may write within a minute.
WRITES_PER_PERSON = 10
WINDOW = timedelta(minutes=1)
_SIZE = 10_000


class Allowance:
    """Lets each person write a few times a minute: rows, messages, and cards for moderators.

    A refused request counts, too, because it adds a row to the audit log. The `size` people who wrote last
    are remembered.
    """

    def __init__(self, clock: Callable[[], datetime], *, size: int = _SIZE) -> None:
        self._clock = clock
        self._size = size
        self._times: OrderedDict[int, deque[datetime]] = OrderedDict()

    def spend(self, user_id: int) -> None:
        """Count one that is about to be written. Raises RefusedError, and counts nothing, at the limit."""
        now = self._clock()
        times = self._times.setdefault(user_id, deque(maxlen=WRITES_PER_PERSON))
        self._times.move_to_end(user_id)
        if len(self._times) > self._size:
            self._times.popitem(last=False)
        # Later times were noted before the clock was set back.
        if sum(now - WINDOW < at <= now for at in times) >= WRITES_PER_PERSON:
            raise RefusedError("too_fast")
        times.append(now)

    def refund(self, user_id: int) -> None:
        """Forget the last one that was counted, because nothing was written."""
        times = self._times.get(user_id)
        if times:
            times.pop()


class Openings:
    """Lets each person open one private result at a time, because each opening downloads it."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    @contextmanager
    def slot(self, user_id: int) -> Iterator[None]:
        """Hold the person's place for the block. Raises RefusedError if they are opening another."""
        if user_id in self._open:
            raise RefusedError("open_busy")
        self._open.add(user_id)
        try:
            yield
        finally:
            self._open.discard(user_id)
