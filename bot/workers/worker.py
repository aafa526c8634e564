"""The loop in which a worker claims and handles items."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

from bot.config.logs import run_context
from bot.domain.errors import StoreUnavailable
from bot.workers.schedule import Schedule

log = logging.getLogger(__name__)
T = TypeVar("T")


class Worker(Generic[T]):
    """A loop that claims items and handles several of them concurrently, as its schedule says.

    `handle` should store its failures. If it raises an exception, the exception is logged, and the item can
    be claimed again when its claim expires. Its place stays taken for the schedule's `fault_pause`.
    """

    def __init__(
        self,
        name: str,
        claim: Callable[[], Awaitable[T | None]],
        handle: Callable[[T], Awaitable[None]],
        schedule: Schedule,
    ) -> None:
        self.name = name
        self._claim = claim
        self._handle = handle
        self._schedule = schedule
        self._slots = asyncio.Semaphore(schedule.width)
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    def wake(self) -> None:
        """End the current pause."""
        self._wake.set()

    async def run(self) -> None:
        """Run until `stop` is called, and leave the current items running for `finish`."""
        own = asyncio.current_task()
        if own is not None:
            # `finish` waits for the loop too, so that a claim in progress is not lost at `stop`.
            self._tasks.add(own)
            own.add_done_callback(self._tasks.discard)
        while not self._stopping.is_set():
            await self._slots.acquire()
            item, pause = await self._next()
            if item is None:
                self._slots.release()
                await self._idle(pause)
                continue
            task = asyncio.create_task(self._one(item), name=self.name)
            self._tasks.add(task)
            task.add_done_callback(self._done)
            if self._schedule.rest:
                await self._idle(self._schedule.rest)

    async def drain(self) -> int:
        """Handle all items that can be claimed now, and return their number. Only tests use this."""
        count = 0
        while (item := await self._claim()) is not None:
            await self._handle(item)
            count += 1
        return count

    def stop(self) -> None:
        """Stop claiming items."""
        self._stopping.set()
        self._wake.set()

    async def finish(self, seconds: float) -> None:
        """Wait up to `seconds` for the current items, then cancel those that are still being handled."""
        try:
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            late = tuple(self._tasks)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _next(self) -> tuple[T | None, float]:
        """Claim an item, or return how long to wait if there is none."""
        if self._stopping.is_set():
            return None, 0
        self._wake.clear()
        try:
            return await self._claim(), self._schedule.pause
        except StoreUnavailable as error:
            log.warning("%s waits for the database: %s", self.name, error)
        except Exception:
            log.exception("%s failed to look for work", self.name)
        return None, self._schedule.fault_pause

    async def _one(self, item: T) -> None:
        key = getattr(item, "key", None) or getattr(getattr(item, "run", None), "key", None)
        with run_context(key) if key else nullcontext():
            try:
                await self._handle(item)
            except StoreUnavailable as error:
                log.warning("%s left an item for later: the database is unavailable: %s", self.name, error)
            except Exception:
                log.exception("%s failed on an item", self.name)
            else:
                return
        # The item may be claimed again at once, as when reads succeed and writes fail.
        await _wait(self._stopping, self._schedule.fault_pause)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if self._schedule.again:
            self.wake()

    async def _idle(self, seconds: float) -> None:
        if not self._stopping.is_set():
            await _wait(self._wake, seconds)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
