"""Those who wait for the same kind of transaction share one: who comes while it is under way is in the next.

Two hundred commands at once would else be two hundred transactions, of which most of the time is the way to
the database and back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from bot.domain.errors import StoreUnavailable

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Place(Generic[T, R]):
    item: T
    result: asyncio.Future[R]
    timer: asyncio.TimerHandle


class Gathering(Generic[T, R]):
    """Hands what waits to `handle`, up to `most` at a time, in order of arrival.

    `handle` is one transaction: it returns one result for each item, an exception where that item alone
    fails. What it raises undid all of them: StoreUnavailable is everybody's answer; after anything else
    each item is tried by itself, so that one that can't be stored takes no other with it.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        within: float,
        most: int = 50,
    ) -> None:
        self._handle = handle
        self._within = within
        self._most = most
        self._waiting: deque[_Place[T, R]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, item: T) -> R:
        """Raises StoreUnavailable when the item's turn does not come `within` so many seconds.

        Whoever is cancelled before that takes the item along; later its transaction goes on without them.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        place = _Place(item, result, loop.call_later(self._within, _give_up, result))
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

    def _next(self) -> list[_Place[T, R]]:
        taken: list[_Place[T, R]] = []
        while self._waiting and len(taken) < self._most:
            place = self._waiting.popleft()
            place.timer.cancel()
            if not place.result.done():
                taken.append(place)
        return taken

    async def _together(self, places: Sequence[_Place[T, R]]) -> None:
        try:
            results = await self._results(places)
        except BaseException:  # the loop ends
            for place in places:
                place.result.cancel()
            raise
        for place, result in zip(places, results, strict=True):
            _tell(place.result, result)

    async def _results(self, places: Sequence[_Place[T, R]]) -> Sequence[R | Exception]:
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
