"""Durations of recent runs and a deployment's queue, from which estimates are made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.database.rows import insert_rows
from bot.domain.budgets import EXPECTED_SECONDS
from bot.domain.fair_queue import PLACES, SAMPLE, WINDOW, Success
from bot.domain.runs import IN_FLIGHT, RunState
from bot.store import Store
from bot.store.reading.figures import expected_seconds, successes
from tests.contract.store.rows import ALICE, GUILD, stored_run
from tests.contract.store.runs import NOW, at, columns


async def ended(store: Store, seconds: float = 0, **more: Any) -> str:
    """Insert a run that took a minute and ended `seconds` before now."""
    times = {"submitted_at": at(-seconds - 60), "started_at": at(-seconds - 40), "ended_at": at(-seconds)}
    return await stored_run(store, **{"delivery": None, "expected_gpu": "L4", **times, **more})


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
    assert await store.database.read(successes, "flux", "T4", NOW) == []


async def test_a_reservation_is_the_median_of_what_was_billed(store: Store) -> None:
    for seconds in range(1, 6):
        assert await store.database.read(expected_seconds, "flux", "L4", NOW) == EXPECTED_SECONDS
        await ended(store, run_duration=10.0 * seconds)
        await ended(store, run_duration=900.0, duration_in_doubt=True)
    assert await store.database.read(expected_seconds, "flux", "L4", NOW) == 30
    usual = await store.figures.usual("flux", "L4", NOW)
    assert usual is not None
    assert (usual.total.total_seconds(), usual.execute.total_seconds(), usual.billed) == (60, 40, 30)


async def test_only_the_newest_are_read(store: Store) -> None:
    row = await columns(store, await ended(store))
    keys = [dict.fromkeys(("key", "request_key"), f"k{n}") for n in range(SAMPLE)]
    others = [row | key | {"ended_at": NOW - timedelta(minutes=n)} for n, key in enumerate(keys)]
    await store.database.write(insert_rows, others)
    found = await store.database.read(successes, "flux", "L4", NOW)
    assert len(found) == SAMPLE
    assert found[-1].ended_at == NOW - timedelta(minutes=SAMPLE - 2)


async def test_the_queue_has_the_first_waiting_runs_in_order_and_all_in_flight(store: Store) -> None:
    waiting = {
        number: await stored_run(
            store, RunState.WAITING, queue_position=number, queue_tag=number, user_limit=3
        )
        for number in (2, PLACES, 1, PLACES + 1)
    }
    await stored_run(store, RunState.WAITING)
    await stored_run(store, RunState.WAITING, queue_position=1, deployment="sdxl")
    for state in RunState:
        if state is not RunState.WAITING:
            await stored_run(store, state, deployment="sdxl", started_at=NOW, progress=0.5, expected_gpu="L4")
    first, in_flight = await store.figures.queue("flux")
    assert [run.key for run in first] == [waiting[1], waiting[2], waiting[PLACES]]
    assert (first[0].requester_id, first[0].guild_id, first[0].user_limit) == (ALICE, GUILD, 3)
    assert (first[0].queue_position, first[0].submitted_at, first[0].expected_gpu) == (1, None, None)
    assert len(in_flight) == len(IN_FLIGHT)
    run = in_flight[0]
    assert (run.deployment, run.expected_gpu, run.progress) == ("sdxl", "L4", 0.5)
    assert (run.submitted_at, run.started_at) == (NOW, NOW)
