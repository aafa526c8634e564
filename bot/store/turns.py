"""Who writes next: a lock in order of arrival, except that somebody who waits for an answer goes first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Turns:
    """With two hundred commands at once, what follows the first answers would delay the last ones."""

    def __init__(self) -> None:
        self._taken = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, urgent: bool, within: float) -> AsyncIterator[None]:
        """Raises TimeoutError when it does not come in so many seconds."""
        async with asyncio.timeout(within):
            await self._acquire(self._urgent if urgent else self._others)
        try:
            yield
        finally:
            self._hand_on()

    async def _acquire(self, line: deque[asyncio.Future[None]]) -> None:
        if not self._taken:
            self._taken = True
            return
        place = asyncio.get_running_loop().create_future()
        line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                with suppress(ValueError):
                    line.remove(place)
            else:  # the turn came in the same moment
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        for line in (self._urgent, self._others):
            while line:
                place = line.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._taken = False
