"""The bot's own queue: claimed exactly once, within limits, fairly."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import insert

from bot.database.tables import runs
from bot.domain.errors import StoreUnavailable
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.store.claims import SERVED
from tests.contract.conftest import Stores
from tests.contract.store.plans import plan_of
from tests.contract.store.rows import stored_run
from tests.contract.store.runs import (
    GRACE,
    NOW,
    SOON,
    accepted,
    at,
    columns,
    fetch,
    owed,
    report,
    submitted,
    take,
)


async def _take_all(store: Store, limit: int | None) -> list[Run]:
    """Claim runs until none is left."""
    taken = []
    while True:
        try:
            run = await take(store, limit=limit)
        except StoreUnavailable:
            continue
        if run is None:
            return taken
        taken.append(run)


async def test_many_claimers_get_each_run_exactly_once(store: Store, stores: Stores) -> None:
    keys = {(await accepted(store)).key for _ in range(30)}
    claimers = [store, *[await stores.open() for _ in range(3)]]
    batches = await asyncio.gather(*(_take_all(c, None) for c in claimers for _ in range(3)))
    taken = [run.key for batch in batches for run in batch]
    assert sorted(taken) == sorted(keys)
    assert [(await fetch(store, key)).submissions for key in keys] == [1] * 30


async def test_many_claimers_never_pass_a_deployments_limit(store: Store, other: Store) -> None:
    for number in range(12):
        await accepted(store, deployment=("flux", "wan")[number % 2])
    batches = await asyncio.gather(*(_take_all(s, 2) for s in (store, other) for _ in range(4)))
    taken = [run.deployment for batch in batches for run in batch]
    assert sorted(taken) == ["flux", "flux", "wan", "wan"]


async def test_a_claim_says_when_its_call_went_out_and_when_to_look(store: Store) -> None:
    waiting = await accepted(store)
    assert await store.claims.update_queue_positions(NOW) == 1
    run = await take(store)
    assert run is not None
    assert (run.key, run.state, run.submitted_at) == (waiting.key, RunState.SUBMITTING, NOW)
    assert (run.submissions, run.queue_position) == (1, None)
    assert (await columns(store, run.key))["due_at"] == NOW + GRACE


async def test_an_end_makes_room(store: Store) -> None:
    first, second = await accepted(store), await accepted(store, now=at(1))
    assert (await take(store, at(2), 1)).key == first.key  # type: ignore[union-attr]  # fails if None
    assert await take(store, at(2), 1) is None
    await store.runs.record_report(first.key, report(RunState.FAILED), at(3), SOON)
    assert (await take(store, at(3), 1)).key == second.key  # type: ignore[union-attr]  # fails if None


async def test_the_person_with_one_request_is_not_behind_the_one_with_twenty(store: Store) -> None:
    for number in range(20):
        await accepted(store, requester_id=1, now=at(number))
    late = await accepted(store, requester_id=2, now=at(30))
    order = [await take(store, at(40)) for _ in range(2)]
    assert [run.requester_id for run in order if run] == [1, 2]
    assert (await fetch(store, late.key)).state is RunState.SUBMITTING


async def test_put_back_waits_its_pause_and_is_taken_again(store: Store) -> None:
    run = await submitted(store)
    shown = (await columns(store, run.key))["rev"]
    await store.claims.requeue(run.key, at(10), NOW)
    back = await columns(store, run.key)
    assert (back["state"], back["submitted_at"], back["submissions"]) == (RunState.WAITING, None, 1)
    assert back["rev"] > shown
    assert await take(store, at(9)) is None
    again = await take(store, at(10))
    assert again is not None
    assert again.submissions == 2


async def test_a_run_that_a_webhook_has_adopted_is_not_put_back(store: Store) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, report(None), NOW, SOON)
    await store.claims.requeue(run.key, at(10), NOW)
    assert (await fetch(store, run.key)).state is RunState.SUBMITTING


async def test_a_cancelled_run_is_not_put_back_but_ends(store: Store) -> None:
    run = await submitted(store)
    await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
    await store.claims.requeue(run.key, at(10), at(2))
    ended = await fetch(store, run.key)
    assert (ended.state, ended.failure_code) == (RunState.CANCELLED, "cancelled_by_requester")
    assert len(await owed(store, run.key)) == 1
    assert await take(store, at(20)) is None


async def test_renumbering_tells_how_many_places_changed(store: Store) -> None:
    runs = [await accepted(store, now=at(number)) for number in range(3)]
    assert await store.claims.update_queue_positions(at(5)) == 3
    assert await store.claims.update_queue_positions(at(5)) == 0
    assert [(await fetch(store, run.key)).queue_position for run in runs] == [1, 2, 3]
    await take(store, at(5))
    assert await store.claims.update_queue_positions(at(5)) == 2
    assert [(await fetch(store, run.key)).queue_position for run in runs] == [None, 1, 2]


async def test_renumbering_and_adopting_at_once_leaves_no_place_on_a_running_run(
    store: Store, other: Store
) -> None:
    for number in range(10):
        run = await accepted(store, now=at(number))
        await asyncio.gather(
            other.runs.record_report(run.key, report(RunState.RUNNING), at(20), at(60)),
            store.claims.update_queue_positions(at(20)),
        )
        assert (await fetch(store, run.key)).queue_position is None


async def test_who_has_had_a_turn_is_found_without_looking_through_all_that_ever_ran(store: Store) -> None:
    await accepted(store)
    ended = dict(await columns(store, await stored_run(store, delivery=None)))
    others = [{"key": f"k{n}", "ended_at": NOW - timedelta(hours=n)} for n in range(1, 5000)]
    async with store.database.write() as connection:
        await connection.execute(insert(runs), [ended | other for other in others])
    # The moment is known only when it runs: PostgreSQL would guess a third of all, and read the table.
    assert "runs_ended" in await plan_of(store, SERVED, scans=False)
    assert await take(store) is not None
