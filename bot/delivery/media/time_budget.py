"""Limit the time that a delivery spends on its outputs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

# The first try has this many seconds for all files. Each later try has half as many as the one before, but
# at least `_LATER_TRIES`.
_FIRST_TRY: Final = 120.0
_LATER_TRIES: Final = 30.0


class MediaBudget:
    """The seconds that one try of a delivery may spend on its outputs, over all files and runs.

    After `slow` seconds, `on_slow` is called. If it returns False, too many downloads are slow at the same
    time, so this try's downloads are stopped and left to a later try.
    """

    def __init__(
        self,
        seconds: float = _FIRST_TRY,
        on_slow: Callable[[], Awaitable[bool]] | None = None,
        *,
        slow: float = 0,
    ) -> None:
        self.is_stopped = False
        self._seconds = seconds
        self._until_slow = slow
        self._on_slow = on_slow
        self._deadline = 0.0
        self._running: set[asyncio.Timeout] = set()

    @classmethod
    def of_try(cls, tries: int, on_slow: Callable[[], Awaitable[bool]], slow: float) -> Self:
        """Return the budget of a try, counted from 1. The first five tries have 270 seconds in all."""
        return cls(max(_FIRST_TRY / 2 ** min(tries - 1, 10), _LATER_TRIES), on_slow, slow=slow)

    @property
    def left(self) -> float:
        """Return the seconds that are left. Valid only inside `spend`."""
        return self._deadline - asyncio.get_running_loop().time()

    @property
    def is_spent(self) -> bool:
        """Return whether the time has run out. Valid only inside `spend`."""
        return self.left <= 0

    @asynccontextmanager
    async def spend(self) -> AsyncIterator[None]:
        """Count the time inside the block. If it ends without an error, wait for a started `on_slow`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._deadline = began + self._seconds
        watching = asyncio.create_task(self._watch())
        try:
            yield
            if self._on_slow is None:
                # An edit of the status message has to end before the outcome is posted.
                await asyncio.wait([watching])
        finally:
            watching.cancel()
            self._seconds = self._deadline - loop.time()
            self._until_slow -= loop.time() - began

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raise TimeoutError when the time has run out or the downloads are stopped."""
        async with asyncio.timeout_at(self._deadline) as timeout:
            self._running.add(timeout)
            try:
                yield
            finally:
                self._running.discard(timeout)

    async def _watch(self) -> None:
        if self._on_slow is None:
            return
        await asyncio.sleep(self._until_slow)
        on_slow, self._on_slow = self._on_slow, None
        if not await on_slow():
            self._stop()

    def _stop(self) -> None:
        self.is_stopped = True
        self._deadline = asyncio.get_running_loop().time()
        for timeout in self._running:
            if not timeout.expired():
                timeout.reschedule(self._deadline)
