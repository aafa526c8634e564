"""The thread in which word rules are compiled and texts are checked.

A server chooses its word rules, so their cost must not delay other servers. Work is therefore done in slices
of a few milliseconds, and servers that have used much of the thread's time wait for the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from bot.domain.errors import RefusedError
from bot.outside import Outside
from bot.words.rules import Steps

T = TypeVar("T")
# A longer slice delays other servers, a shorter one costs more switches between threads.
_SLICE_SECONDS = 0.01
# Servers of a lower cost share the thread equally, so that one that has just come can't delay a busy one.
_CHEAP_SECONDS = 1.0
_HALF_LIFE_SECONDS = 10.0
_MAX_COSTS = 1_000


class WordThread:
    """Does the work of all servers in one thread, and each server's pieces of work in order.

    The event loop's default threads aren't used, because they also resolve host names.
    """

    def __init__(self, outside: Outside) -> None:
        self._pool = outside.executor("word-rules", 1)
        self._clock = outside.monotonic
        self._costs = _Costs(self._clock)
        self._turns = _Turns()
        self._servers: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    async def run(self, guild_id: int, steps: Steps[T]) -> T:
        """Do a server's work. If the caller is cancelled, the work stops at the end of its slice.

        Raises RefusedError after `close`.
        """
        async with self._servers.setdefault(guild_id, asyncio.Lock()):
            while True:
                async with self._turns.take(max(_CHEAP_SECONDS, self._costs.of(guild_id))):
                    if self._closed:
                        raise RefusedError("words_unavailable", "the bot is stopping")
                    loop = asyncio.get_running_loop()
                    end = await loop.run_in_executor(self._pool, self._slice, guild_id, steps)
                if end is not None:
                    return end.value

    def close(self) -> None:
        """Start no more slices. The thread ends with the current one."""
        self._closed = True
        self._pool.shutdown(wait=False)

    def _slice(self, guild_id: int, steps: Steps[T]) -> _End[T] | None:
        """Do the next steps, and return the result if they were the last. Called in the thread."""
        began = now = self._clock()
        try:
            while now - began < _SLICE_SECONDS:
                next(steps)
                now = self._clock()
        except StopIteration as stop:
            return _End(stop.value)
        finally:
            self._costs.add(guild_id, self._clock() - began)
        return None


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    value: T


class _Costs:
    """The seconds of the thread that each server has used. They halve every `_HALF_LIFE_SECONDS`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._costs: dict[int, tuple[float, float]] = {}

    def of(self, guild_id: int) -> float:
        seconds, at = self._costs.get(guild_id, (0.0, 0.0))
        return float(seconds * 0.5 ** ((self._clock() - at) / _HALF_LIFE_SECONDS)) if seconds else 0.0

    def add(self, guild_id: int, seconds: float) -> None:
        self._costs[guild_id] = (self.of(guild_id) + seconds, self._clock())
        if len(self._costs) > _MAX_COSTS:
            # Few remain, because all servers together can't use more than the thread's time.
            kept = {server: cost for server, cost in self._costs.items() if self.of(server) > _SLICE_SECONDS}
            self._costs = kept


class _Turns:
    """A lock that the waiter of the lowest cost takes next, or the first of these.

    It is taken in the event loop's next iteration, so that the work that had it can be among the waiters.
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @asynccontextmanager
    async def take(self, cost: float) -> AsyncIterator[None]:
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (cost, next(self._numbers), turn))
        self._pass_on()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._taken = False
                self._pass_on()

    def _pass_on(self) -> None:
        asyncio.get_running_loop().call_soon(self._choose)

    def _choose(self) -> None:
        while self._waiting and not self._taken:
            *_, turn = heappop(self._waiting)
            if not turn.done():
                self._taken = True
                turn.set_result(None)
