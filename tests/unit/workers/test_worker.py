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
    """Work for a worker: items to claim, a gate to hold them at, and what has been done."""

    def __init__(self) -> None:
        self.items: deque[int] = deque()
        self.faults: deque[Exception] = deque()
        self.later: Later | None = None
        self.claims = 0
        self.already_sent: list[int] = []
        self.done: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Condition()

    async def claim(self, room: int) -> Sequence[int] | Later | None:
        self.claims += 1
        await self._tell()
        if self.faults:
            raise self.faults.popleft()
        return [self.items.popleft() for _ in range(min(room, len(self.items)))] or self.later

    async def handle(self, item: int) -> None:
        self.already_sent.append(item)
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

    def worker(
        self,
        *,
        longest: float = FOREVER,
        width: int = 1,
        rest: float = 0,
        fault_pause: float = FOREVER,
        claims_again: bool = False,
    ) -> Worker[int]:
        schedule = Schedule(width, longest, rest, fault_pause, claims_again)
        return Worker("bench", self.claim, self.handle, schedule)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@asynccontextmanager
async def running(worker: Worker[int]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        worker.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await worker.finish(5)


@pytest.mark.parametrize("later", [None, Later(FOREVER)])
async def test_a_wake_up_or_a_stop_ends_the_sleep(bench: Bench, later: Later | None) -> None:
    worker, bench.later = bench.worker(), later
    async with running(worker) as task:
        await bench.until(lambda: bench.claims == 1)
        bench.items.append(1)
        worker.wake()
        await bench.until(lambda: bench.done == [1] and bench.claims == 3)
        worker.stop()
        async with asyncio.timeout(60):
            await task
            await worker.finish(FOREVER)


class SlowClaim:
    """A claim that waits until the test answers it."""

    def __init__(self, bench: Bench) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.items = bench.items
        self.worker: Worker[int] = Worker("slow", self.claim, bench.handle, Schedule(longest=FOREVER))

    async def claim(self, _room: int) -> Sequence[int]:
        found = [self.items.popleft()] if self.items else []
        self.asked.set()
        await self.answer.wait()
        return found


async def test_a_wake_up_during_a_claim_is_not_lost(bench: Bench) -> None:
    slow = SlowClaim(bench)
    async with running(slow.worker):
        await slow.asked.wait()
        slow.worker.wake()
        bench.items.append(1)
        slow.answer.set()
        await bench.until(lambda: bench.done == [1])


@pytest.mark.parametrize(("later", "longest"), [(None, 0), (Later(FOREVER), 0), (Later(0), FOREVER)])
async def test_it_sleeps_until_an_item_is_due_but_no_longer_than_its_schedule_allows(
    bench: Bench, later: Later | None, longest: float
) -> None:
    bench.later = later
    async with running(bench.worker(longest=longest)):
        await bench.until(lambda: bench.claims > 2)
        bench.items.append(1)
        await bench.until(lambda: bench.done == [1])


async def test_a_wake_up_during_the_rest_waits_for_its_end(bench: Bench) -> None:
    worker = bench.worker(rest=FOREVER)
    async with running(worker):
        for _ in range(50):
            worker.wake()
            await asyncio.sleep(0)
        assert bench.claims == 1


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
    async with running(bench.worker(width=3)):
        await bench.until(lambda: len(bench.already_sent) == 3)
        assert len(bench.items) == 4
        bench.gate.set()
        await bench.until(lambda: len(bench.done) == 7)


async def test_a_fault_in_one_item_does_not_stop_the_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.items.extend([-1, -2, 3])
    with caplog.at_level(logging.WARNING):
        async with running(bench.worker(fault_pause=0)):
            await bench.until(lambda: bench.done == [3])
    assert "the database is unavailable" in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("fault", [StoreUnavailable("away"), RuntimeError("a bug")])
async def test_a_claim_that_fails_is_repeated_after_the_pause_for_faults(
    bench: Bench, fault: Exception
) -> None:
    bench.faults.append(fault)
    bench.items.append(1)
    async with running(bench.worker(fault_pause=0)):
        await bench.until(lambda: bench.done == [1])


async def test_a_claim_that_fails_is_not_repeated_at_once(bench: Bench) -> None:
    bench.faults.append(StoreUnavailable("away"))
    async with running(bench.worker()):
        await bench.until(lambda: bench.claims == 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.claims == 1


@pytest.mark.parametrize("item", [-1, -2], ids=["the database is away", "a bug"])
async def test_an_item_that_fails_keeps_its_place_for_the_pause_for_faults(bench: Bench, item: int) -> None:
    bench.items.extend([item, 2])
    worker = bench.worker()
    async with running(worker):
        await bench.until(lambda: bench.already_sent == [item])
        for _ in range(50):
            worker.wake()
            await asyncio.sleep(0)
        assert bench.claims == 1
        worker.stop()
        async with asyncio.timeout(60):
            await worker.finish(FOREVER)


async def test_stopping_takes_nothing_new_and_finishes_what_is_under_way(bench: Bench) -> None:
    bench.items.extend([1, 2])
    bench.gate.clear()
    worker = bench.worker()
    async with running(worker) as task:
        await bench.until(lambda: bench.already_sent == [1])
        worker.stop()
        finishing = asyncio.create_task(worker.finish(FOREVER))
        bench.gate.set()
        await finishing
        async with asyncio.timeout(60):
            await task
    assert bench.done == [1]
    assert list(bench.items) == [2]


async def test_a_claim_under_way_at_the_stop_is_still_handled(bench: Bench) -> None:
    bench.items.append(1)
    slow = SlowClaim(bench)
    async with running(slow.worker) as task:
        await slow.asked.wait()
        slow.worker.stop()
        finishing = asyncio.create_task(slow.worker.finish(FOREVER))
        await asyncio.sleep(0)
        slow.answer.set()
        async with asyncio.timeout(60):
            await finishing
        assert task.done()
    assert bench.done == [1]


async def test_an_item_that_does_not_finish_in_time_is_cancelled(bench: Bench) -> None:
    bench.items.append(1)
    bench.gate.clear()
    worker = bench.worker()
    async with running(worker) as task:
        await bench.until(lambda: bench.already_sent == [1])
        worker.stop()
        async with asyncio.timeout(60):
            await worker.finish(0)
        assert task.done()
    assert bench.done == []


async def test_a_finished_item_makes_it_look_for_those_that_were_held_back(bench: Bench) -> None:
    bench.items.append(1)
    bench.gate.clear()
    async with running(bench.worker(width=2, claims_again=True)):
        await bench.until(lambda: bench.claims == 2)
        bench.items.append(2)
        bench.gate.set()
        await bench.until(lambda: bench.done == [1, 2])


async def test_it_rests_after_a_claim_that_took_long(bench: Bench) -> None:
    slow = SlowClaim(bench)
    async with running(slow.worker):
        await slow.asked.wait()
        bench.items.append(1)
        slow.worker.wake()
        await asyncio.sleep(0.05)
        slow.answer.set()
        slow.asked.clear()
        for _ in range(50):
            await asyncio.sleep(0)
        assert not slow.asked.is_set()
        await bench.until(lambda: bench.done == [1])


async def test_it_is_closed_after_its_last_item(bench: Bench) -> None:
    bench.items.append(1)
    closed: list[list[int]] = []

    async def close() -> None:
        closed.append(list(bench.done))

    worker = Worker("bench", bench.claim, bench.handle, Schedule(longest=FOREVER), close)
    async with running(worker):
        await bench.until(lambda: bench.done == [1])
    assert closed == [[1]]
