"""Estimates are cached: medians for five minutes, too few successes for seconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from bot.delivery.status import MEDIANS_AGE, Estimator
from bot.domain.fair_queue import NEEDED
from bot.domain.runs import Run, RunState
from bot.outside import Outside
from bot.store import Store
from tests.contract.store.rows import selects, stored_run
from tests.contract.store.runs import at, fetch
from tests.harness import Clock
from tests.unit.factories import app_with


def estimator(store: Store, slots: int | None = 1) -> tuple[Estimator, Clock]:
    clock = Clock()
    clock.now = at(0)
    catalogue = SimpleNamespace(get=lambda _: SimpleNamespace(concurrency_limit=slots))
    return Estimator(app_with(store=store, catalogue=catalogue, outside=Outside(now=clock))), clock


async def minutes_long(store: Store, number: int, *, minutes: float = 1, **more: Any) -> None:
    """Store successes that each took `minutes` minutes, half of them waiting for the start."""
    seconds = minutes * 60
    times = {"submitted_at": at(-seconds), "started_at": at(-seconds / 2), "ended_at": at(0)}
    for _ in range(number):
        await stored_run(store, **{"delivery": None, "expected_gpu": "L4", **times, **more})


async def active(store: Store, state: RunState = RunState.QUEUED, **more: Any) -> Run:
    return await fetch(store, await stored_run(store, state, outcome=None, expected_gpu="L4", **more))


async def end_of(estimates: Estimator, batch: Sequence[Run]) -> datetime | None:
    return (await estimates.expected_ends([batch])).get(batch[0].request_key)


def left(end: datetime | None, clock: Clock) -> float | None:
    return None if end is None else (end - clock.now).total_seconds()


async def test_medians_are_read_every_five_minutes(store: Store) -> None:
    await minutes_long(store, NEEDED)
    run = await active(store)
    estimates, clock = estimator(store)
    with selects(store) as seen:
        assert left(await end_of(estimates, [run]), clock) == 60
        clock.move(seconds=MEDIANS_AGE.total_seconds() - 1)
        await end_of(estimates, [run] * 3)
        assert len(seen) == 1
        clock.move(seconds=1)
        await end_of(estimates, [run] * 3)
        assert len(seen) == 2


async def test_a_waiting_run_starts_after_what_is_in_flight_and_ahead(store: Store) -> None:
    await minutes_long(store, NEEDED)
    await active(store, RunState.RUNNING, started_at=at(-10))
    first, second = [await active(store, RunState.WAITING, queue_position=n, queue_tag=n) for n in (1, 2)]
    estimates, clock = estimator(store)
    with selects(store) as seen:
        assert left(await end_of(estimates, [first]), clock) == 20 + 60
        assert left(await end_of(estimates, [second]), clock) == 20 + 60 + 60
        assert len(seen) == 3  # the medians, and twice what is in flight
    twice, _ = estimator(store, slots=2)
    assert await end_of(twice, [second]) is None
    unlimited, _ = estimator(store, slots=None)
    assert await end_of(unlimited, [first]) is None


async def test_a_batch_is_estimated_by_its_unfinished_runs(store: Store) -> None:
    await minutes_long(store, NEEDED)
    ended = await active(store, RunState.FAILED)
    run = await active(store)
    later = await active(store, submitted_at=at(10))
    held = await active(store, RunState.WAITING, waiting_code="paused")
    nowhere = await active(store, RunState.WAITING)
    estimates, clock = estimator(store)
    assert left(await end_of(estimates, [ended, run, later]), clock) == 70
    assert await end_of(estimates, [run, held]) is None
    assert await end_of(estimates, [run, nowhere]) is None
