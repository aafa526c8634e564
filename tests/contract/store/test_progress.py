"""Progress is written for many runs at once, and never decreases."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.errors import StoreUnavailable
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.runs import NOW, RUN_ID, SOON, at, brought_to, fetch, report


async def test_progress_of_many_runs_is_written_together_and_never_decreases(store: Store) -> None:
    first, second = await brought_to(store, RunState.RUNNING), await brought_to(store, RunState.QUEUED)
    await store.runs.record_report(first.key, report(progress=0.5, live_status="half"), NOW, SOON)
    news = {first.key: report(progress=0.4, live_status="older"), second.key: report(progress=0.2)}
    await store.runs.save_progress(news, at(1))
    unchanged = await fetch(store, first.key)
    assert (unchanged.progress, unchanged.live_status) == (0.5, "half")
    assert (await fetch(store, second.key)).progress is None
    await store.runs.save_progress({first.key: report(progress=0.6)}, at(2))
    assert (await fetch(store, first.key)).progress == 0.6


@pytest.mark.sqlite_only
async def test_progress_of_another_run_is_ignored(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    foreign = report(progress=0.9, run_id=RUN_ID.replace("a", "b"))
    await store.runs.save_progress({run.key: foreign}, NOW)
    assert (await fetch(store, run.key)).progress is None


async def test_progress_from_two_processes_in_opposite_orders_does_not_deadlock(
    store: Store, other: Store
) -> None:
    keys = [(await brought_to(store, RunState.RUNNING)).key for _ in range(8)]
    for step in range(10):
        up = {key: report(progress=(2 * step + 1) / 100) for key in keys}
        down = {key: report(progress=(2 * step + 2) / 100) for key in reversed(keys)}
        results = await asyncio.gather(
            store.runs.save_progress(up, NOW), other.runs.save_progress(down, NOW), return_exceptions=True
        )
        assert [r for r in results if r is not None and not isinstance(r, StoreUnavailable)] == []
        assert [(await fetch(store, key)).progress for key in keys] == [(2 * step + 2) / 100] * 8
