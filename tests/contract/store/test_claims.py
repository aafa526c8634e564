"""The bot's own queue: each run is claimed exactly once, within limits, and in fair order."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.errors import RefusedForNow
from bot.domain.runs import RunState
from bot.store import Store
from bot.store.postponed import hold_back
from tests.contract.conftest import Stores
from tests.contract.store.rows import stored_rules, stored_run
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
    request,
    started,
    state_of,
    submitted,
    take,
    take_all,
)

HOUR = 3600


async def test_concurrent_claims_get_each_run_once(store: Store, stores: Stores) -> None:
    keys = {(await accepted(store)).key for _ in range(15)}
    claimers = [store, *[await stores.open() for _ in range(3)]]
    taken = await asyncio.gather(*(take_all(each) for each in claimers * 3))
    assert sorted(run.key for found in taken for run in found) == sorted(keys)
    assert [(await fetch(store, key)).submissions for key in keys] == [1] * 15


async def test_concurrent_claims_never_exceed_a_deployments_limit(store: Store, other: Store) -> None:
    for number in range(12):
        await accepted(store, deployment=("flux", "wan")[number % 2])
    taken = await asyncio.gather(*(take_all(each, limit=2) for each in [store, other] * 4))
    assert sorted(run.deployment for found in taken for run in found) == ["flux", "flux", "wan", "wan"]


async def test_a_claim_stores_the_time_of_the_call_and_of_the_next_check(store: Store) -> None:
    waiting = await accepted(store)
    assert await store.claims.update_queue_positions(NOW) == 1
    run = await started(store)
    assert (run.key, run.state, run.submitted_at) == (waiting.key, RunState.SUBMITTING, NOW)
    assert (run.submissions, run.queue_position) == (1, None)
    assert (await columns(store, run.key))["due_at"] == NOW + GRACE


async def test_an_end_frees_a_place(store: Store) -> None:
    first, second = await accepted(store), await accepted(store, now=at(1))
    assert (await started(store, at(2), 1)).key == first.key
    assert await take(store, at(2), 1) is None
    await store.runs.record_report(first.key, report(RunState.FAILED), at(3), SOON, asked=True)
    assert (await started(store, at(3), 1)).key == second.key


async def test_one_request_does_not_wait_for_all_of_another_persons(store: Store) -> None:
    for number in range(5):
        await accepted(store, requester_id=1, now=at(number))
    await accepted(store, requester_id=2, now=at(30))
    assert [(await started(store, at(40))).requester_id for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("held", ["by nothing", "by a budget", "by the server's own limit"])
async def test_only_turns_of_the_last_hour_count_and_only_if_a_run_was_due(store: Store, held: str) -> None:
    """Otherwise one waiting run of a third member would move those who were served today to the end."""
    if held == "by a budget":
        third = await accepted(store, requester_id=3)
        await store.database.write(hold_back, third, RefusedForNow("budget_gpu"), at(2 * HOUR))
    elif held == "by the server's own limit":
        elsewhere = request().origin.model_copy(update={"guild_id": 5})
        await stored_rules(store, 5, {"budgets": {"server": {"at_once": 1}}})
        await stored_run(store, RunState.RUNNING, guild=5, server_limit=1)
        await accepted(store, requester_id=3, origin=elsewhere)
    for number in range(3):
        served = await accepted(store, requester_id=1, now=at(number))
        assert (await started(store, at(number))).key == served.key
        await store.runs.record_report(served.key, report(RunState.FAILED), at(number), SOON, asked=True)
    await accepted(store, requester_id=1, now=at(2 * HOUR))
    for _ in range(2):
        await accepted(store, requester_id=2, now=at(2 * HOUR + 1))
    assert [(await started(store, at(2 * HOUR + 2))).requester_id for _ in range(2)] == [1, 2]


async def test_a_requeued_run_is_claimed_again_after_its_pause(store: Store) -> None:
    run = await submitted(store)
    shown = (await columns(store, run.key))["rev"]
    await store.claims.requeue(run, at(10), NOW)
    back = await columns(store, run.key)
    assert (back["state"], back["submitted_at"], back["submissions"]) == (RunState.WAITING, None, 1)
    assert back["rev"] > shown
    assert await take(store, at(9)) is None
    assert (await started(store, at(10))).submissions == 2


async def test_a_run_that_a_webhook_has_adopted_is_not_put_back(store: Store) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, report(None), NOW, SOON)
    await store.claims.requeue(run, at(10), NOW)
    assert (await fetch(store, run.key)).state is RunState.SUBMITTING


async def test_a_requeue_that_is_repeated_after_a_later_claim_changes_nothing(store: Store) -> None:
    first = await submitted(store)
    await store.claims.requeue(first, at(10), NOW)
    second = await started(store, at(10))
    await store.claims.requeue(first, at(20), at(11))
    assert (await fetch(store, first.key)).claim_id == second.claim_id
    assert await take(store, at(30)) is None


async def test_requeuing_a_cancelled_run_ends_it(store: Store) -> None:
    run = await submitted(store)
    await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
    await store.claims.requeue(run, at(10), at(2))
    assert await state_of(store, run) == (RunState.CANCELLED, "cancelled_by_requester")
    assert len(await owed(store, run.key)) == 1
    assert await take(store, at(20)) is None


async def test_renumbering_returns_how_many_places_changed(store: Store) -> None:
    runs = [await accepted(store, now=at(number)) for number in range(3)]
    assert await store.claims.update_queue_positions(at(5)) == 3
    assert await store.claims.update_queue_positions(at(5)) == 0
    assert [(await fetch(store, run.key)).queue_position for run in runs] == [1, 2, 3]
    await take(store, at(5))
    assert await store.claims.update_queue_positions(at(5)) == 2
    assert [(await fetch(store, run.key)).queue_position for run in runs] == [None, 1, 2]


async def test_a_run_that_is_adopted_during_renumbering_has_no_place(store: Store, other: Store) -> None:
    for number in range(10):
        run = await accepted(store, now=at(number))
        await asyncio.gather(
            other.runs.record_report(run.key, report(RunState.RUNNING), at(20), at(60)),
            store.claims.update_queue_positions(at(20)),
        )
        assert (await fetch(store, run.key)).queue_position is None
