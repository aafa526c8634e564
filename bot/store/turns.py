"""Who writes next: a lock in order of arrival, except that somebody who waits for an answer goes first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

# Whoever has waited so long goes between two urgent ones: a webhook refused is one that may be lost.
PATIENCE_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class _Place:
    turn: asyncio.Future[None]
    since: float


class Turns:
    """With two hundred commands at once, what follows the first answers would delay the last ones.

    However many are urgent, every second turn is for the others once one of them has waited for `patience`.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._taken = False
        self._others_turn = False
        self._urgent: deque[_Place] = deque()
        self._others: deque[_Place] = deque()

    @asynccontextmanager
    async def turn(self, *, urgent: bool, within: float) -> AsyncIterator[None]:
        """Raises TimeoutError when it does not come in so many seconds."""
        async with asyncio.timeout(within):
            await self._acquire(self._urgent if urgent else self._others)
        try:
            yield
        finally:
            self._hand_on()

    async def _acquire(self, line: deque[_Place]) -> None:
        if not self._taken:
            self._taken = True
            return
        loop = asyncio.get_running_loop()
        place = _Place(loop.create_future(), loop.time())
        line.append(place)
        try:
            await place.turn
        except asyncio.CancelledError:
            if place.turn.cancelled():
                with suppress(ValueError):
                    line.remove(place)
            else:  # the turn came in the same moment
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        for line in self._lines():
            while line:
                place = line.popleft()
                if not place.turn.done():
                    self._others_turn = line is self._urgent
                    place.turn.set_result(None)
                    return
        self._taken = False

    def _lines(self) -> tuple[deque[_Place], ...]:
        """Whichever goes first in front."""
        if self._others_turn and self._others and self._has_waited(self._others[0]):
            return self._others, self._urgent
        return self._urgent, self._others

    def _has_waited(self, place: _Place) -> bool:
        return asyncio.get_running_loop().time() - place.since >= self._patience
