"""Estimates are cached: medians for five minutes, too few successes for seconds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bot.delivery.status import MEDIANS_AGE, Estimator
from bot.domain.fair_queue import NEEDED
from bot.domain.runs import Run, RunState
from bot.outside import Outside
from bot.store import Store
from tests.contract.store.rows import selects, stored_run
from tests.contract.store.runs import at, fetch
from tests.harness import Clock
from tests.unit.factories import app_with

pytestmark = pytest.mark.sqlite_only


class Estimates:
    """An estimator and its clock, in a database with successes that each took a minute."""

    def __init__(self, store: Store, slots: int | None = 1) -> None:
        self.clock = Clock()
        self.clock.now = at(0)
        found = SimpleNamespace(concurrency_limit=slots)
        catalogue = SimpleNamespace(get=lambda _: found)
        self._estimator = Estimator(
            app_with(store=store, catalogue=catalogue, outside=Outside(now=self.clock))
        )

    async def seconds_left(self, *batch: Run) -> float | None:
        ends = await self._estimator.expected_ends([batch])
        return (ends[batch[0].request_key] - self.clock.now).total_seconds() if ends else None


@pytest.fixture
async def estimates(store: Store) -> Estimates:
    times = {"submitted_at": at(-60), "started_at": at(-30), "ended_at": at(0)}
    for _ in range(NEEDED):
        await stored_run(store, expected_gpu="L4", **times)
    return Estimates(store)


async def active(store: Store, state: RunState = RunState.QUEUED, **more: Any) -> Run:
    return await fetch(store, await stored_run(store, state, outcome=None, expected_gpu="L4", **more))


async def test_medians_are_read_every_five_minutes(store: Store, estimates: Estimates) -> None:
    run = await active(store)
    with selects(store) as seen:
        assert await estimates.seconds_left(run) == 60
        estimates.clock.move(seconds=MEDIANS_AGE.total_seconds() - 1)
        await estimates.seconds_left(run, run, run)
        assert len(seen) == 1
        estimates.clock.move(seconds=1)
        await estimates.seconds_left(run, run, run)
        assert len(seen) == 2


async def test_a_waiting_run_starts_after_what_is_in_flight_and_ahead(
    store: Store, estimates: Estimates
) -> None:
    await active(store, RunState.RUNNING, started_at=at(-10))
    first, second = [await active(store, RunState.WAITING, queue_position=n, queue_tag=n) for n in (1, 2)]
    with selects(store) as seen:
        assert await estimates.seconds_left(first) == 20 + 60
        assert await estimates.seconds_left(second) == 20 + 60 + 60
        assert len(seen) == 3  # the medians, and twice what is in flight
    assert await Estimates(store, slots=2).seconds_left(second) is None
    assert await Estimates(store, slots=None).seconds_left(first) is None
