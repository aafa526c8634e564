"""Those who wait for the same kind of transaction share one: who comes while it is under way is in the next.

Two hundred commands at once would else be two hundred transactions, of which most of the time is the way to
the database and back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from bot.domain.errors import StoreUnavailable

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Waiter(Generic[T, R]):
    item: T
    result: asyncio.Future[R]
    timer: asyncio.TimerHandle


class GroupCommit(Generic[T, R]):
    """Hands what waits to `handle`, up to `limit` at a time, in order of arrival.

    `handle` is one transaction: it returns one result for each item, an exception where that item alone
    fails. What it raises undid all of them: StoreUnavailable is everybody's answer; after anything else
    each item is tried by itself, so that one that can't be stored takes no other with it.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        within: float,
        limit: int = 50,
    ) -> None:
        self._handle = handle
        self._within = within
        self._most = limit
        self._waiting: deque[_Waiter[T, R]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, item: T) -> R:
        """Raises StoreUnavailable when the item's turn does not come `within` so many seconds.

        Whoever is cancelled before that takes the item along; later its transaction goes on without them.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        place = _Waiter(item, result, loop.call_later(self._within, _give_up, result))
        self._waiting.append(place)
        if self._working is None:
            # A context of its own: the log lines of all belong to no single run.
            self._working = asyncio.create_task(self._work(), name="gathering", context=Context())
        return await result

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._together(self._next())
        finally:
            self._working = None
            for place in self._waiting:  # only when the loop ends
                place.timer.cancel()
                place.result.cancel()
            self._waiting.clear()

    def _next(self) -> list[_Waiter[T, R]]:
        taken: list[_Waiter[T, R]] = []
        while self._waiting and len(taken) < self._most:
            place = self._waiting.popleft()
            place.timer.cancel()
            if not place.result.done():
                taken.append(place)
        return taken

    async def _together(self, places: Sequence[_Waiter[T, R]]) -> None:
        try:
            results = await self._results(places)
        except BaseException:  # the loop ends
            for place in places:
                place.result.cancel()
            raise
        for place, result in zip(places, results, strict=True):
            _tell(place.result, result)

    async def _results(self, places: Sequence[_Waiter[T, R]]) -> Sequence[R | Exception]:
        if not places:
            return []
        try:
            return await self._handle([place.item for place in places])
        except StoreUnavailable as error:
            return [error] * len(places)
        except Exception as error:
            if len(places) == 1:
                return [error]
        return [result for place in places for result in await self._results([place])]


def _give_up(waiting: asyncio.Future[R]) -> None:
    _tell(waiting, StoreUnavailable("too many wait for the database"))


def _tell(waiting: asyncio.Future[R], result: R | Exception) -> None:
    if waiting.done():
        return
    if not isinstance(result, Exception):
        waiting.set_result(result)
    elif isinstance(result, StoreUnavailable):
        # One of their own each: raised, an exception takes up the raiser's frames.
        own = StoreUnavailable(str(result))
        own.__cause__ = result
        waiting.set_exception(own)
    else:
        waiting.set_exception(result)


# Whoever has waited so long goes between two urgent ones: a webhook refused is one that may be lost.
PATIENCE_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class _WaitingWriter:
    turn: asyncio.Future[None]
    since: float


class WriteLock:
    """With two hundred commands at once, what follows the first answers would delay the last ones.

    However many are urgent, every second turn is for the others once one of them has waited for `timeout`.
    """

    def __init__(self, timeout: float = PATIENCE_SECONDS) -> None:
        self._patience = timeout
        self._taken = False
        self._others_turn = False
        self._urgent: deque[_WaitingWriter] = deque()
        self._others: deque[_WaitingWriter] = deque()

    @asynccontextmanager
    async def turn(self, *, urgent: bool, within: float) -> AsyncIterator[None]:
        """Raises TimeoutError when it does not come in so many seconds."""
        async with asyncio.timeout(within):
            await self._acquire(self._urgent if urgent else self._others)
        try:
            yield
        finally:
            self._hand_on()

    async def _acquire(self, line: deque[_WaitingWriter]) -> None:
        if not self._taken:
            self._taken = True
            return
        loop = asyncio.get_running_loop()
        place = _WaitingWriter(loop.create_future(), loop.time())
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

    def _lines(self) -> tuple[deque[_WaitingWriter], ...]:
        """Whichever goes first in front."""
        if self._others_turn and self._others and self._has_waited(self._others[0]):
            return self._others, self._urgent
        return self._urgent, self._others

    def _has_waited(self, place: _WaitingWriter) -> bool:
        return asyncio.get_running_loop().time() - place.since >= self._patience
