"""Commit writes in groups.

Without it, 200 simultaneous commands are 200 transactions that spend most of their time on round
trips to the database.
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
class _Waiter(Generic[T, R]):
    item: T
    result: asyncio.Future[R]
    timer: asyncio.TimerHandle


class GroupCommit(Generic[T, R]):
    """Runs waiting items in shared transactions of up to `limit` items, in order of arrival.

    `handle` is one transaction and returns a result per item, or an exception for an item that fails alone.
    If `handle` raises StoreUnavailable or its subclass CommitUnknown, all callers get that error. After any
    other error everything was rolled back, and each item is retried alone, so that one bad item doesn't fail
    the others.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        timeout: float,
        limit: int = 50,
    ) -> None:
        self._handle = handle
        self._timeout = timeout
        self._limit = limit
        self._waiting: deque[_Waiter[T, R]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """Run an item in the next transaction and return its result.

        Raises StoreUnavailable if no transaction takes the item within the timeout, or the exception that
        `handle` returned for the item. If the caller is cancelled before a transaction takes the item, the
        item is withdrawn. After that, the transaction continues without the caller.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        waiter = _Waiter(item, result, loop.call_later(self._timeout, _give_up, result))
        self._waiting.append(waiter)
        if self._task is None:
            # An empty context: log lines of a batch belong to no single run.
            self._task = asyncio.create_task(self._run(), name="group-commit", context=Context())
        return await result

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._run_batch(self._next_batch())
        finally:
            self._task = None
            for waiter in self._waiting:  # only when the task is cancelled
                waiter.timer.cancel()
                waiter.result.cancel()
            self._waiting.clear()

    def _next_batch(self) -> list[_Waiter[T, R]]:
        batch: list[_Waiter[T, R]] = []
        while self._waiting and len(batch) < self._limit:
            waiter = self._waiting.popleft()
            waiter.timer.cancel()
            if not waiter.result.done():
                batch.append(waiter)
        return batch

    async def _run_batch(self, waiters: Sequence[_Waiter[T, R]]) -> None:
        try:
            results = await self._results(waiters)
        except BaseException:  # cancelled at shutdown
            for waiter in waiters:
                waiter.result.cancel()
            raise
        for waiter, result in zip(waiters, results, strict=True):
            _resolve(waiter.result, result)

    async def _results(self, waiters: Sequence[_Waiter[T, R]]) -> Sequence[R | Exception]:
        if not waiters:
            return []
        try:
            return await self._handle([waiter.item for waiter in waiters])
        except StoreUnavailable as error:
            return [error] * len(waiters)
        except Exception as error:
            if len(waiters) == 1:
                return [error]
        return [result for waiter in waiters for result in await self._results([waiter])]


def _give_up(future: asyncio.Future[R]) -> None:
    _resolve(future, StoreUnavailable("timed out in the queue for the database"))


def _resolve(future: asyncio.Future[R], result: R | Exception) -> None:
    if future.done():
        return
    if not isinstance(result, Exception):
        future.set_result(result)
    elif isinstance(result, StoreUnavailable):
        # Raise a copy per caller: a raised exception collects the frames of its raiser.
        copy = type(result)(str(result))
        copy.__cause__ = result
        future.set_exception(copy)
    else:
        future.set_exception(result)
