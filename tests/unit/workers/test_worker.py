"""Workers: claimed items are handled when they are due, and faults lose nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from bot.context import Wakeups
from bot.domain.errors import StoreUnavailable
from bot.workers.worker import Later, Schedule, Worker

FOREVER = 3600.0
NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)


class Bench:
    """Work for a worker: items to claim, gates that hold claims and items, and what has been done."""

    def __init__(self) -> None:
        self.items: deque[int] = deque()
        self.faults: deque[Exception] = deque()
        self.later: Later | None = None
        self.claims = 0
        self.begun: list[int] = []
        self.done: list[int] = []
        self.claiming, self.gate = asyncio.Event(), asyncio.Event()
        self.claiming.set()
        self.gate.set()
        self.changed = asyncio.Condition()

    async def claim(self, room: int) -> Sequence[int] | Later | None:
        self.claims += 1
        found = [self.items.popleft() for _ in range(min(room, len(self.items)))]
        await self._tell()
        await self.claiming.wait()
        if self.faults:
            raise self.faults.popleft()
        return found or self.later

    async def handle(self, item: int) -> None:
        self.begun.append(item)
        await self._tell()
        await self.gate.wait()
        if item < 0:
            raise StoreUnavailable("away") if item == -1 else ValueError(item)
        self.done.append(item)
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(condition)

    async def turns(self) -> None:
        """Give the worker time for everything that it could do at once."""
        for _ in range(50):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def running(
        self,
        *,
        longest: float = FOREVER,
        width: int = 1,
        rest: float = 0,
        fault_pause: float = FOREVER,
        claims_again: bool = False,
    ) -> AsyncIterator[tuple[Worker[int], asyncio.Task[None]]]:
        schedule = Schedule(width, longest, rest, fault_pause, claims_again)
        worker = Worker("bench", self.claim, self.handle, schedule)
        task = asyncio.create_task(worker.run())
        try:
            yield worker, task
        finally:
            worker.stop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await worker.finish(5)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_all_items_are_handled_before_it_sleeps(bench: Bench) -> None:
    bench.items.extend([1, 2, 3])
    async with bench.running():
        await bench.until(lambda: bench.claims == 4)
        assert bench.done == [1, 2, 3]


@pytest.mark.parametrize("later", [None, Later(FOREVER)])
async def test_a_wake_up_or_a_stop_ends_the_sleep(bench: Bench, later: Later | None) -> None:
    bench.later = later
    async with bench.running() as (worker, task):
        await bench.until(lambda: bench.claims == 1)
        bench.items.append(1)
        worker.wake()
        await bench.until(lambda: bench.done == [1] and bench.claims == 3)
        worker.stop()
        async with asyncio.timeout(60):
            await task
            await worker.finish(FOREVER)


async def test_a_wake_up_during_a_claim_is_not_lost(bench: Bench) -> None:
    bench.claiming.clear()
    async with bench.running() as (worker, _):
        await bench.until(lambda: bench.claims == 1)
        worker.wake()
        bench.items.append(1)
        bench.claiming.set()
        await bench.until(lambda: bench.done == [1])


@pytest.mark.parametrize(("later", "longest"), [(None, 0), (Later(FOREVER), 0), (Later(0), FOREVER)])
async def test_it_sleeps_until_an_item_is_due_but_no_longer_than_its_schedule_allows(
    bench: Bench, later: Later | None, longest: float
) -> None:
    bench.later = later
    async with bench.running(longest=longest):
        await bench.until(lambda: bench.claims > 2)
        bench.items.append(1)
        await bench.until(lambda: bench.done == [1])


async def test_a_wake_up_during_the_rest_waits_for_its_end(bench: Bench) -> None:
    async with bench.running(rest=FOREVER) as (worker, _):
        await bench.until(lambda: bench.claims == 1)
        worker.wake()
        await bench.turns()
        assert bench.claims == 1


async def test_it_rests_after_a_claim_that_took_long(bench: Bench) -> None:
    bench.claiming.clear()
    async with bench.running() as (worker, _):
        await bench.until(lambda: bench.claims == 1)
        bench.items.append(1)
        worker.wake()
        await asyncio.sleep(0.05)
        bench.claiming.set()
        await bench.turns()
        assert bench.claims == 1
        await bench.until(lambda: bench.done == [1])


@pytest.mark.parametrize(
    ("due_in", "seconds"), [(None, None), (timedelta(0), 0), (timedelta(hours=1), FOREVER)]
)
def test_a_claim_tells_how_long_to_sleep(due_in: timedelta | None, seconds: float | None) -> None:
    due_at = NOW + due_in if due_in is not None else None
    assert Later.at(due_at, NOW) == (Later(seconds) if seconds is not None else None)


@pytest.mark.parametrize(("within", "told"), [(0, True), (29, True), (30, False), (3600, False)])
def test_a_check_that_no_sleep_can_miss_wakes_nobody(within: int, told: bool) -> None:
    notified: list[str] = []
    woken: list[str] = []
    wakeups = Wakeups(notified.append)
    wakeups.on("check", lambda: woken.append("check"))
    wakeups.check_within(timedelta(seconds=within))
    assert notified == woken == (["check"] if told else [])


async def test_no_more_than_its_width_at_once(bench: Bench) -> None:
    bench.items.extend(range(7))
    bench.gate.clear()
    async with bench.running(width=3):
        await bench.until(lambda: len(bench.begun) == 3)
        assert len(bench.items) == 4
        bench.gate.set()
        await bench.until(lambda: len(bench.done) == 7)


async def test_a_fault_in_one_item_does_not_stop_the_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.items.extend([-1, -2, 3])
    with caplog.at_level(logging.WARNING):
        async with bench.running(fault_pause=0):
            await bench.until(lambda: bench.done == [3])
    assert "the database is unavailable" in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("fault", [StoreUnavailable("away"), RuntimeError("a bug")])
@pytest.mark.parametrize("pause", [0, FOREVER])
async def test_a_claim_that_fails_is_repeated_after_the_pause_for_faults(
    bench: Bench, fault: Exception, pause: float
) -> None:
    bench.faults.append(fault)
    async with bench.running(fault_pause=pause):
        await bench.until(lambda: bench.claims == (1 if pause else 2))
        await bench.turns()
        assert bench.claims == (1 if pause else 2)


@pytest.mark.parametrize("item", [-1, -2], ids=["the database is away", "a bug"])
async def test_an_item_that_fails_keeps_its_place_for_the_pause_for_faults(bench: Bench, item: int) -> None:
    bench.items.extend([item, 2])
    async with bench.running() as (worker, _):
        await bench.until(lambda: bench.begun == [item])
        worker.wake()
        await bench.turns()
        assert bench.claims == 1
        worker.stop()
        async with asyncio.timeout(60):
            await worker.finish(FOREVER)


async def test_draining_handles_all_items_and_counts_them(bench: Bench) -> None:
    bench.items.extend([1, 2])
    worker = Worker("bench", bench.claim, bench.handle, Schedule())
    assert [await worker.drain() for _ in range(2)] == [2, 0]
    assert bench.done == [1, 2]


async def test_it_is_closed_after_its_last_item(bench: Bench) -> None:
    closed: list[list[int]] = []

    async def close() -> None:
        closed.append(list(bench.done))

    bench.items.append(1)
    worker = Worker("bench", bench.claim, bench.handle, Schedule(longest=FOREVER), close)
    task = asyncio.create_task(worker.run())
    await bench.until(lambda: bench.done == [1])
    worker.stop()
    await worker.finish(FOREVER)
    await task
    assert closed == [[1]]


@pytest.mark.parametrize("held", ["claim", "item"])
async def test_stopping_takes_nothing_new_and_finishes_what_is_under_way(bench: Bench, held: str) -> None:
    bench.items.extend([1, 2])
    gate = bench.claiming if held == "claim" else bench.gate
    gate.clear()
    async with bench.running() as (worker, task):
        await bench.until(lambda: bench.claims == 1 and (held == "claim" or bench.begun == [1]))
        worker.stop()
        finishing = asyncio.create_task(worker.finish(FOREVER))
        await asyncio.sleep(0)
        gate.set()
        async with asyncio.timeout(60):
            await finishing
        assert task.done()
    assert bench.done == [1]
    assert list(bench.items) == [2]


async def test_an_item_that_does_not_finish_in_time_is_cancelled(bench: Bench) -> None:
    bench.items.append(1)
    bench.gate.clear()
    async with bench.running() as (worker, task):
        await bench.until(lambda: bench.begun == [1])
        worker.stop()
        async with asyncio.timeout(60):
            await worker.finish(0)
        assert task.done()
    assert bench.done == []


async def test_a_finished_item_makes_it_look_for_those_that_were_held_back(bench: Bench) -> None:
    bench.items.append(1)
    bench.gate.clear()
    async with bench.running(width=2, claims_again=True):
        await bench.until(lambda: bench.claims == 2)
        bench.items.append(2)
        bench.gate.set()
        await bench.until(lambda: bench.done == [1, 2])
