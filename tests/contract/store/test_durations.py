"""What the estimates read: how long recent runs took, and a deployment's queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from bot.database.tables import runs
from bot.domain.queue.estimates import PLACES, SAMPLE, WINDOW, Success
from bot.domain.runs import IN_FLIGHT, RunState
from bot.store import Store
from bot.store.durations import QUEUE, SUCCESSES
from tests.contract.store.plans import plan_of
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
    found = await store.durations.successes("flux", "L4", NOW)
    assert [(each.ended_at - NOW).total_seconds() for each in found] == [-5, -10, -month]
    assert found[0] == Success(at(-65), at(-45), at(-5))
    assert await store.durations.successes("flux", None, NOW) == [Success(at(-67), None, at(-7))]
    assert await store.durations.successes("flux", "T4", NOW) == []


async def many(store: Store, number: int, **more: Any) -> None:
    """Insert `number` copies of a successful run, each a minute older than the one before."""
    row = await columns(store, await ended(store, **more))
    rows = [row | {"key": f"{row['key']}{n}", "ended_at": NOW - timedelta(minutes=n)} for n in range(number)]
    async with store.database.write() as connection:
        await connection.execute(insert(runs), rows)


async def test_only_the_newest_are_read(store: Store) -> None:
    await many(store, SAMPLE)
    found = await store.durations.successes("flux", "L4", NOW)
    assert len(found) == SAMPLE
    assert found[-1].ended_at == NOW - timedelta(minutes=SAMPLE - 2)


async def test_the_reads_use_their_indexes(store: Store) -> None:
    await many(store, 1500, expected_gpu=None)
    await many(store, 1500)
    recent = {"of_deployment": "flux", "since": NOW - WINDOW}
    assert "state = 'succeeded'" in str(SUCCESSES)  # with a parameter, the partial index wouldn't apply
    for gpu in ("L4", ""):
        plan = await plan_of(store, SUCCESSES.params(on_gpu=gpu, **recent))
        assert "runs_succeeded" in plan
        assert "sort" not in plan.lower()
        assert "temp b-tree" not in plan.lower()
    plan = await plan_of(store, QUEUE.params(of_deployment="flux"))
    assert "seq scan" not in plan.lower()
    assert "scan runs" not in plan.lower()


async def test_the_queue_has_the_first_waiting_runs_in_order_and_all_in_flight(store: Store) -> None:
    waiting = {
        number: await stored_run(store, RunState.WAITING, queue_position=number, user_limit=3)
        for number in (2, PLACES, 1, PLACES + 1)
    }
    await stored_run(store, RunState.WAITING)
    await stored_run(store, RunState.WAITING, queue_position=1, deployment="sdxl")
    for state in RunState:
        if state is not RunState.WAITING:
            await stored_run(store, state, deployment="sdxl", started_at=NOW, progress=0.5, expected_gpu="L4")
    first, in_flight = await store.durations.queue("flux")
    assert [run.entry.key for run in first] == [waiting[1], waiting[2], waiting[PLACES]]
    assert (first[0].entry.requester_id, first[0].entry.guild_id, first[0].entry.user_limit) == (
        ALICE,
        GUILD,
        3,
    )
    assert (first[0].queue_position, first[0].submitted_at, first[0].gpu) == (1, None, None)
    assert len(in_flight) == len(IN_FLIGHT)
    run = in_flight[0]
    assert (run.entry.deployment, run.gpu, run.progress) == ("sdxl", "L4", 0.5)
    assert (run.submitted_at, run.started_at) == (NOW, NOW)
