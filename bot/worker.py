"""The loop in which a worker claims and handles items, and sleeps until the next one is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from bot.config.logs import run_context
from bot.context import LONGEST_SLEEP
from bot.domain.errors import StoreUnavailable

log = logging.getLogger(__name__)


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


@dataclass(eq=False)
class Worker(Generic[T]):
    """A loop that claims items and handles up to `width` of them concurrently.

    `claim` gets the number of items that there is room for, and returns at most as many. If there are none,
    it returns when it expects one, or None if only a wake-up can announce one. The loop sleeps until then, at
    most `longest` seconds; a wake-up ends that, but not the `rest` after each claim. So under load one claim
    finds what many wake-ups announce. With `claims_again`, an item that is done may let others be claimed.

    `handle` should store its failures. If it raises an exception, the exception is logged, and the item can
    be claimed again when its lease expires. Its place stays taken for `fault_pause` seconds, as long as the
    loop sleeps after a failed claim. `close` is called at the end.
    """

    name: str
    claim: Callable[[int], Awaitable[Sequence[T] | Later | None]]
    handle: Callable[[T], Awaitable[None]]
    _: KW_ONLY
    width: int = 1
    longest: float = LONGEST_SLEEP.total_seconds()
    rest: float = 0
    fault_pause: float = 2
    claims_again: bool = False
    close: Callable[[], Awaitable[None]] | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _handling: set[asyncio.Task[Any]] = field(default_factory=set, init=False)
    _loop: asyncio.Task[Any] | None = field(default=None, init=False)

    def wake(self) -> None:
        """End the current sleep."""
        self._wake.set()

    async def run(self) -> None:
        """Run until `stop` is called, which waits for the current items."""
        self._loop = asyncio.current_task()
        while not self._stopping.is_set():
            room = self.width - len(self._handling)
            self._wake.clear()
            if not room:
                await self._wake.wait()
                continue
            began = asyncio.get_running_loop().time()
            found: Sequence[T] | Later | None = Later(self.fault_pause)
            try:
                found = await self.claim(room)
            except StoreUnavailable as error:
                log.warning("%s waits for the database: %s", self.name, error)
            except Exception:
                log.exception("%s failed to look for work", self.name)
            items = found if isinstance(found, Sequence) else ()
            for item in items:
                task = asyncio.create_task(self._one(item), name=self.name)
                self._handling.add(task)
                task.add_done_callback(self._done)
            took = asyncio.get_running_loop().time() - began
            await _wait(self._stopping, max(took * _REST, self.rest))
            if not items:
                seconds = found.seconds if isinstance(found, Later) else self.longest
                await _wait(self._wake, min(seconds, self.longest))

    async def stop(self, seconds: float) -> None:
        """Stop claiming, wait up to `seconds` for the current items, and cancel those that take longer.

        A claim in progress is waited for, too, so that it isn't lost.
        """
        self._stopping.set()
        self._wake.set()
        deadline = asyncio.get_running_loop().time() + seconds
        while running := [each for each in (self._loop, *self._handling) if each and not each.done()]:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                break
            await asyncio.wait(running, timeout=left)
        if self.close is not None:
            await self.close()

    async def _one(self, item: T) -> None:
        key = getattr(item, "key", None)
        with run_context(key) if key else nullcontext():
            try:
                await self.handle(item)
            except StoreUnavailable as error:
                log.warning("%s left an item for later: the database is unavailable: %s", self.name, error)
            except Exception:
                log.exception("%s failed on an item", self.name)
            else:
                return
        # The item may be claimed again at once, as when reads succeed and writes fail.
        await _wait(self._stopping, self.fault_pause)

    def _done(self, task: asyncio.Task[None]) -> None:
        was_full = len(self._handling) >= self.width
        self._handling.discard(task)
        if was_full or self.claims_again:
            self.wake()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
