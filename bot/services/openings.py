"""Limit how often a user opens private results, because each opening downloads the whole result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from bot.domain.errors import RefusedError
from bot.services.refusals import RecentTimes

PER_MINUTE = 5
_WINDOW = timedelta(minutes=1)
_SIZE = 10_000


class OpeningLimiter:
    """Lets each user open one private result at a time, and a few a minute.

    The openings are remembered in memory and in this process only.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._recent = RecentTimes(PER_MINUTE, _SIZE)
        self._open: set[int] = set()

    @contextmanager
    def slot(self, user_id: int) -> Iterator[None]:
        """Count an opening that lasts as long as the block. Raises RefusedError before the block begins."""
        now = self._clock()
        recent = self._recent.since(user_id, now - _WINDOW)
        if user_id in self._open:
            raise RefusedError("open_busy")
        if len(recent) >= PER_MINUTE:
            raise RefusedError("open_often", until=int((recent[0] + _WINDOW).timestamp()) + 1)
        self._recent.add(user_id, now)
        self._open.add(user_id)
        try:
            yield
        finally:
            self._open.discard(user_id)
