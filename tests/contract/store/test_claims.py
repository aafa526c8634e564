"""The bot's own queue: each run is claimed exactly once, within limits, and in fair order."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

import pytest

from bot.database.rows import insert_rows
from bot.domain.errors import RefusedForNow
from bot.domain.fair_queue import NO_TURN, PLACES
from bot.domain.runs import RunState
from bot.store import Store
from bot.store.claims import hold
from tests.contract.conftest import Stores
from tests.contract.store.rows import selects, stored_rules, stored_run
from tests.contract.store.runs import (
    GRACE,
    NOW,
    SOON,
    accepted,
    answer_of,
    at,
    awaiting_approval,
    columns,
    fetch,
    owed,
    report,
    started,
    state_of,
    submitted,
    take,
    take_all,
)

HOUR = 3600


@pytest.mark.parametrize("processes", [1, 4])
async def test_users_and_servers_at_their_limit_are_skipped(
    store: Store, stores: Stores, processes: int
) -> None:
    """The limits hold for each user of each server, however many processes claim."""
    mine = {"user_limit": 2, "server_limit": 3, "due_at": NOW}
    for guild in (5, 6, None):
        for person in (1, 2):
            for _ in range(3):
                await stored_run(store, RunState.WAITING, guild=guild, person=person, **mine)
    # Only these create the deployment's queue.
    free = [(await accepted(store, requester_id=9)).key for _ in range(2)]
    claimers = [store, *[await stores.open() for _ in range(processes - 1)]]
    taken = [run for found in await asyncio.gather(*map(take_all, claimers)) for run in found]
    counts = Counter((run.guild_id, run.requester_id) for run in taken if run.key not in free)
    assert {run.key for run in taken} >= set(free)
    assert max(counts.values()) == 2
    assert [sum(counts[guild, person] for person in (1, 2)) for guild in (5, 6, None)] == [3, 3, 3]


async def test_a_claim_stores_the_time_of_the_call_and_of_the_next_check(store: Store) -> None:
    waiting = await accepted(store)
    assert await store.claims.update_queue_positions(NOW) == 1
    run = await started(store)
    assert (run.key, run.state, run.submitted_at) == (waiting.key, RunState.SUBMITTING, NOW)
    assert (run.submissions, run.queue_position) == (1, None)
    assert (await columns(store, run.key))["due_at"] == NOW + GRACE


async def persons(store: Store, now: datetime, number: int) -> list[int]:
    """Claim so many runs and return their requesters."""
    return [(await started(store, now)).requester_id for _ in range(number)]


@pytest.mark.parametrize("held", ["by nothing", "by a rule", "by the server's own limit"])
async def test_whoever_was_served_lately_is_one_turn_behind_whatever_else_waits(
    store: Store, held: str
) -> None:
    """Otherwise one waiting run of a third member would move those who were served today to the end."""
    if held == "by a rule":
        third = await accepted(store, requester_id=3)
        await store.database.write(hold, third, RefusedForNow("budget_gpu"), at(2 * HOUR))
    elif held == "by the server's own limit":
        await stored_rules(store, 5, {"budgets": {"server": {"at_once": 1}}})
        await stored_run(store, RunState.RUNNING, guild=5, server_limit=1)
        await accepted(store, requester_id=3, guild_id=5)
    for number in range(3):
        served = await accepted(store, requester_id=1, now=at(number))
        assert (await started(store, at(number))).key == served.key
        await store.runs.record_report(served.key, report(RunState.FAILED), at(number), SOON, asked=True)
    await accepted(store, requester_id=1, now=at(HOUR))
    for _ in range(3):
        await accepted(store, requester_id=2, now=at(HOUR + 1))
    assert await persons(store, at(HOUR + 2), 4) == [2, 1, 2, 2]


async def test_whoever_comes_back_gets_no_turns_for_the_time_away(store: Store) -> None:
    for number in range(6):
        await accepted(store, requester_id=1, now=at(number))
    assert await persons(store, at(10), 3) == [1, 1, 1]
    for number in range(3):
        await accepted(store, requester_id=2, now=at(20 + number))
    assert await persons(store, at(30), 6) == [2, 1, 2, 1, 2, 1]


async def test_a_cancelled_request_costs_the_next_one_no_turn(store: Store) -> None:
    only = await accepted(store, requester_id=1, now=at(40))
    await store.runs.request_cancel(only.key, at(40), by=1)
    await accepted(store, requester_id=1, now=at(41))
    await accepted(store, requester_id=2, now=at(42))
    assert await persons(store, at(50), 2) == [1, 2]


async def test_a_requeued_run_keeps_its_place(store: Store) -> None:
    first = await submitted(store, requester_id=1)
    for number in range(2):
        await accepted(store, requester_id=2, now=at(1 + number))
    await accepted(store, requester_id=1, now=at(5))
    await store.claims.requeue(first, at(9), at(8))
    again = await started(store, at(10))
    assert again.key == first.key
    assert await persons(store, at(10), 3) == [2, 2, 1]


async def test_a_run_in_review_takes_its_turn_when_it_is_approved(store: Store) -> None:
    reviewed = await awaiting_approval(store)
    assert (await columns(store, reviewed.key))["queue_tag"] == NO_TURN
    for number in range(2):
        await accepted(store, requester_id=1, now=at(number))
    assert await persons(store, at(5), 1) == [1]
    await store.reviews.approve(reviewed.key, 5, at(6))
    await accepted(store, requester_id=reviewed.requester_id, now=at(7))
    assert await persons(store, at(8), 3) == [reviewed.requester_id, 1, reviewed.requester_id]


async def test_many_runs_of_a_server_at_its_limit_cost_a_claim_no_statements(store: Store) -> None:
    """10,000 waiting runs of one server once stopped the bot for a third of a second at each claim."""
    await stored_run(store, RunState.RUNNING, guild=5, server_limit=1)
    row = await columns(store, await stored_run(store, RunState.WAITING, guild=5, server_limit=1, due_at=NOW))
    keys = [dict.fromkeys(("key", "request_key"), f"k{number}") for number in range(500)]
    others = [row | key | {"requester_id": number} for number, key in enumerate(keys)]
    await store.database.write(insert_rows, others)
    run = await accepted(store, requester_id=7, now=at(1))
    with selects(store) as seen:
        assert (await started(store, at(2))).key == run.key
        await store.claims.update_queue_positions(at(3))
    assert len(seen) < 18


async def test_a_requeued_run_is_claimed_again_after_its_pause(store: Store) -> None:
    run = await submitted(store)
    shown = (await answer_of(store, run.key))["wanted_rev"]
    await store.claims.requeue(run, at(10), NOW)
    back = await columns(store, run.key)
    assert (back["state"], back["submitted_at"], back["submissions"]) == (RunState.WAITING, None, 1)
    assert (await answer_of(store, run.key))["wanted_rev"] > shown
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
    waiting = [await accepted(store, now=at(number)) for number in range(3)]
    assert await store.claims.update_queue_positions(at(5)) == 3
    assert await store.claims.update_queue_positions(at(5)) == 0
    assert [(await fetch(store, run.key)).queue_position for run in waiting] == [1, 2, 3]
    await take(store, at(5))
    assert await store.claims.update_queue_positions(at(5)) == 2
    assert [(await fetch(store, run.key)).queue_position for run in waiting] == [None, 1, 2]


async def test_runs_far_behind_share_a_place_that_is_written_once(store: Store) -> None:
    row = await columns(store, (await accepted(store)).key)
    keys = [dict.fromkeys(("key", "request_key"), f"k{number:03}") for number in range(PLACES + 20)]
    later = [row | key | {"queue_tag": number + 2} for number, key in enumerate(keys)]
    await store.database.write(insert_rows, later)
    assert await store.claims.update_queue_positions(at(1)) == PLACES + 21
    assert (await fetch(store, "k048")).queue_position == PLACES
    assert (await fetch(store, "k049")).queue_position == (await fetch(store, "k069")).queue_position
    assert (await fetch(store, "k069")).queue_position == PLACES + 1
    assert await store.claims.update_queue_positions(at(2)) == 0
    await take(store, at(3))
    assert await store.claims.update_queue_positions(at(3)) == PLACES
    # A run that another overtakes loses its place.
    first = await accepted(store, requester_id=1, now=at(4))
    assert await store.claims.update_queue_positions(at(5)) > 0
    assert (await fetch(store, first.key)).queue_position == 1
    assert (await fetch(store, "k049")).queue_position == PLACES + 1
