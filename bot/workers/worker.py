"""The loop in which a worker claims and handles items, and sleeps until the next one is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from bot.config.logs import run_context
from bot.context import LONGEST_SLEEP
from bot.domain.errors import StoreUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The number of a worker's concurrent items, and the pauses of its loop in seconds.

    The loop sleeps until its claim expects another item, at most `longest`; a wake-up ends that, but not the
    `rest` after each claim. After a failed claim it sleeps for `fault_pause`, as long as an item that failed
    keeps its place. With `claims_again`, an item that is done may let others be claimed.
    """

    width: int = 1
    longest: float = LONGEST_SLEEP.total_seconds()
    rest: float = 0
    fault_pause: float = 2
    claims_again: bool = False


T = TypeVar("T")
# After a claim, a loop rests this many times as long as the claim took: milliseconds, unless the machine is
# busy.
_REST = 3


@dataclass(frozen=True, slots=True)
class Later:
    """Says that nothing can be claimed for so many seconds, unless a wake-up announces something."""

    seconds: float

    @classmethod
    def at(cls, due_at: datetime | None, now: datetime) -> Later | None:
        """Return how long to wait for an item that is due at this time, or None if there is none."""
        return cls((due_at - now).total_seconds()) if due_at is not None else None


# What is due can't be claimed, because another process is claiming it. It may die before it has.
TAKEN = Later(1.0)


class Worker(Generic[T]):
    """A loop that claims items and handles several of them concurrently, as its schedule says.

    `claim` gets the number of items that there is room for, and returns at most as many. If there are none,
    it returns when it expects one, or None if only a wake-up can announce one. After each claim the loop
    rests, so under load one claim finds what many wake-ups announce. `close` is called at the end.

    `handle` should store its failures. If it raises an exception, the exception is logged, and the item can
    be claimed again when its claim expires. Its place stays taken for the schedule's `fault_pause`.
    """

    def __init__(
        self,
        name: str,
        claim: Callable[[int], Awaitable[Sequence[T] | Later | None]],
        handle: Callable[[T], Awaitable[None]],
        schedule: Schedule,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._claim = claim
        self._handle = handle
        self._schedule = schedule
        self._close = close
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._handling: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.Task[Any] | None = None

    def wake(self) -> None:
        """End the current sleep."""
        self._wake.set()

    async def run(self) -> None:
        """Run until `stop` is called, and leave the current items running for `finish`."""
        self._loop = asyncio.current_task()
        while not self._stopping.is_set():
            room = self._schedule.width - len(self._handling)
            self._wake.clear()
            if not room:
                await self._wake.wait()
                continue
            began = asyncio.get_running_loop().time()
            found: Sequence[T] | Later | None = Later(self._schedule.fault_pause)
            try:
                found = await self._claim(room)
            except StoreUnavailable as error:
                log.warning("%s waits for the database: %s", self.name, error)
            except Exception:
                log.exception("%s failed to look for work", self.name)
            items = _items(found)
            for item in items:
                task = asyncio.create_task(self._one(item), name=self.name)
                self._handling.add(task)
                task.add_done_callback(self._done)
            took = asyncio.get_running_loop().time() - began
            await _wait(self._stopping, max(took * _REST, self._schedule.rest))
            if not items:
                seconds = found.seconds if isinstance(found, Later) else self._schedule.longest
                await _wait(self._wake, min(seconds, self._schedule.longest))

    async def drain(self) -> int:
        """Handle all items that can be claimed now, and return their number. Only tests use this."""
        count = 0
        while items := _items(await self._claim(1)):
            for item in items:
                await self._handle(item)
                count += 1
        return count

    def stop(self) -> None:
        """Stop claiming items."""
        self._stopping.set()
        self._wake.set()

    async def finish(self, seconds: float) -> None:
        """Wait up to `seconds` for the current items, then cancel those that are still being handled.

        A claim in progress is waited for, too, so that it isn't lost.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while running := [each for each in (self._loop, *self._handling) if each and not each.done()]:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                break
            await asyncio.wait(running, timeout=left)
        if self._close is not None:
            await self._close()

    async def _one(self, item: T) -> None:
        key = getattr(item, "key", None)
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
        was_full = len(self._handling) >= self._schedule.width
        self._handling.discard(task)
        if was_full or self._schedule.claims_again:
            self.wake()


def _items(found: Sequence[T] | Later | None) -> Sequence[T]:
    return () if found is None or isinstance(found, Later) else found


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
