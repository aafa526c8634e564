"""Durations of recent runs and a deployment's queue, from which estimates are made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.database.rows import insert_rows
from bot.domain.budgets import EXPECTED_SECONDS
from bot.domain.fair_queue import SAMPLE, WINDOW, StartedRun, Success
from bot.domain.runs import IN_FLIGHT, RunState
from bot.store import Store
from bot.store.reading.figures import expected_seconds, successes
from tests.contract.store.rows import ALICE, GUILD, stored_run
from tests.contract.store.runs import NOW, at, columns


async def ended(store: Store, seconds: float = 0, **more: Any) -> str:
    """Insert a run that took a minute and ended `seconds` before now."""
    times = {"submitted_at": at(-seconds - 60), "started_at": at(-seconds - 40), "ended_at": at(-seconds)}
    return await stored_run(store, **{"expected_gpu": "L4", **times, **more})


async def test_recent_successes_of_the_deployment_and_the_gpu_are_read_newest_first(store: Store) -> None:
    month = WINDOW.total_seconds()
    for seconds in (month + 1, 10, month, 5):
        await ended(store, seconds)
    for state in set(RunState) - {RunState.SUCCEEDED}:
        await ended(store, state=state)
    await ended(store, state=RunState.FAILED, partial=True)
    await ended(store, deployment="sdxl")
    await ended(store, expected_gpu="H100")
    await ended(store, 7, expected_gpu=None, started_at=None)
    found = await store.database.read(successes, "flux", "L4", NOW)
    assert [(each.ended_at - NOW).total_seconds() for each in found] == [-5, -10, -month]
    assert found[0] == Success(at(-65), at(-45), at(-5))
    (unknown,) = await store.database.read(successes, "flux", None, NOW)
    assert unknown == Success(at(-67), None, at(-7))


async def test_a_reservation_is_the_median_of_what_was_billed(store: Store) -> None:
    for seconds in range(1, 6):
        assert await store.database.read(expected_seconds, "flux", "L4", NOW) == EXPECTED_SECONDS
        await ended(store, run_duration=10.0 * seconds)
        await ended(store, run_duration=900.0, duration_in_doubt=True)
    assert await store.database.read(expected_seconds, "flux", "L4", NOW) == 30
    usual = await store.figures.usual("flux", "L4", NOW)
    assert usual is not None
    assert (usual.total.total_seconds(), usual.execute.total_seconds()) == (60, 40)


async def test_only_the_newest_are_read(store: Store) -> None:
    row = await columns(store, await ended(store))
    keys = [dict.fromkeys(("key", "request_key"), f"k{n}") for n in range(SAMPLE)]
    others = [row | key | {"ended_at": NOW - timedelta(minutes=n)} for n, key in enumerate(keys)]
    await store.database.write(insert_rows, others)
    found = await store.database.read(successes, "flux", "L4", NOW)
    assert (len(found), found[-1].ended_at) == (SAMPLE, NOW - timedelta(minutes=SAMPLE - 2))


async def test_only_runs_in_flight_count_as_running(store: Store) -> None:
    for person, state in enumerate(RunState):
        await stored_run(store, state, person=person, started_at=NOW, progress=0.5, expected_gpu="L4")
    await stored_run(store, RunState.RUNNING, deployment="sdxl", guild=None)
    found = (await store.figures.in_flight())["flux"]
    assert found == [StartedRun("L4", None, NOW, NOW, 0.5)] * len(IN_FLIGHT)
    running = [await store.figures.running(GUILD, person) for person in range(len(RunState))]
    assert running == [(state in IN_FLIGHT, len(IN_FLIGHT)) for state in RunState]
    assert await store.figures.running(None, ALICE) == (1, 1)
