"""Commit writes in groups, and order the writers on SQLite with a lock.

Without group commit, 200 simultaneous commands are 200 transactions that spend most of their time on round
trips to the database.
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


# After this long a normal writer goes first, so that webhooks are not starved: ComfyDeploy may not resend
# one.
STARVATION_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class _WaitingWriter:
    granted: asyncio.Future[None]
    since: float


class WriteLock:
    """A lock that is granted in order of arrival, to urgent writers first.

    Once a normal writer has waited for `starvation_seconds`, normal and urgent writers alternate.
    """

    def __init__(self, starvation_seconds: float = STARVATION_SECONDS) -> None:
        self._starvation_seconds = starvation_seconds
        self._held = False
        self._normal_next = False
        self._urgent: deque[_WaitingWriter] = deque()
        self._normal: deque[_WaitingWriter] = deque()

    @asynccontextmanager
    async def acquire(self, *, urgent: bool, wait_seconds: float) -> AsyncIterator[None]:
        """Hold the lock inside the block. Raises TimeoutError if it isn't granted in time."""
        async with asyncio.timeout(wait_seconds):
            await self._wait(self._urgent if urgent else self._normal)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, queue: deque[_WaitingWriter]) -> None:
        if not self._held:
            self._held = True
            return
        loop = asyncio.get_running_loop()
        writer = _WaitingWriter(loop.create_future(), loop.time())
        queue.append(writer)
        try:
            await writer.granted
        except asyncio.CancelledError:
            if writer.granted.cancelled():
                with suppress(ValueError):
                    queue.remove(writer)
            else:  # granted at the moment of cancellation
                self._release()
            raise

    def _release(self) -> None:
        for queue in self._queues():
            while queue:
                writer = queue.popleft()
                if not writer.granted.done():
                    self._normal_next = queue is self._urgent
                    writer.granted.set_result(None)
                    return
        self._held = False

    def _queues(self) -> tuple[deque[_WaitingWriter], ...]:
        """Return both queues, beginning with the queue to serve next."""
        if self._normal_next and self._normal and self._is_starving(self._normal[0]):
            return self._normal, self._urgent
        return self._urgent, self._normal

    def _is_starving(self, writer: _WaitingWriter) -> bool:
        return asyncio.get_running_loop().time() - writer.since >= self._starvation_seconds
