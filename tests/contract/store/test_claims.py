"""The bot's own queue: each run is claimed within limits, and in fair order."""

from __future__ import annotations

from collections import Counter

import pytest

from bot.database.rows import insert_rows
from bot.domain.errors import RefusedForNow
from bot.domain.fair_queue import NO_TURN, PLACES
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.store.claims import hold
from tests.contract.store.rows import selects, stored_rules, stored_run
from tests.contract.store.runs import (
    NOW,
    SOON,
    accepted,
    at,
    awaiting_approval,
    columns,
    fetch,
    report,
    started,
    take,
    take_all,
)

HOUR = 3600


async def test_users_and_servers_at_their_limit_are_skipped(store: Store) -> None:
    mine = {"user_limit": 2, "server_limit": 3, "due_at": NOW}
    for guild in (5, 6, None):
        for person in (1, 2):
            for _ in range(3):
                await stored_run(store, RunState.WAITING, at=at(person), guild=guild, person=person, **mine)
    # Only these create the deployment's queue.
    free = {(await accepted(store, requester_id=9)).key for _ in range(2)}
    taken = await take_all(store)
    counts = Counter((run.guild_id, run.requester_id) for run in taken if run.key not in free)
    assert {run.key for run in taken} >= free
    assert max(counts.values()) == 2
    assert [sum(counts[guild, person] for person in (1, 2)) for guild in (5, 6, None)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("script", "order"),
    [
        ("1 1 1 1 1 1 start3 2 2 2 start6", [1, 1, 1, 2, 1, 2, 1, 2, 1]),
        ("1 cancel 1 2 start2", [1, 2]),
        ("1 start1 2 2 1 requeue start4", [1, 1, 2, 2, 1]),
    ],
    ids=["no turns for the time away", "a cancelled request costs none", "a requeued run keeps its place"],
)
async def test_users_take_turns(store: Store, script: str, order: list[int]) -> None:
    """The script has the users who ask, in order, and what happens in between."""
    asked, served = list[Run](), list[Run]()
    for second, step in enumerate(script.split()):
        now = at(second)
        if step == "cancel":
            await store.runs.request_cancel(asked[-1].key, now, by=1)
        elif step == "requeue":
            await store.claims.requeue(served[-1], now, now)
        elif step.startswith("start"):
            served += [await started(store, now) for _ in range(int(step.removeprefix("start")))]
        else:
            asked.append(await accepted(store, requester_id=int(step), now=now))
    assert [run.requester_id for run in served] == order


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
    assert [(await started(store, at(HOUR + 2))).requester_id for _ in range(4)] == [2, 1, 2, 2]


async def test_a_run_in_review_takes_its_turn_when_it_is_approved(store: Store) -> None:
    reviewed = await awaiting_approval(store)
    assert (await columns(store, reviewed.key))["queue_tag"] == NO_TURN
    for number in range(2):
        await accepted(store, requester_id=1, now=at(number))
    assert (await started(store, at(5))).requester_id == 1
    await store.reviews.approve(reviewed.key, 5, at(6))
    await accepted(store, requester_id=reviewed.requester_id, now=at(7))
    assert [(await started(store, at(8))).requester_id for _ in range(2)] == [reviewed.requester_id, 1]


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


async def test_runs_far_behind_share_a_place_that_is_written_once(store: Store) -> None:
    row = await columns(store, (await accepted(store)).key)
    keys = [dict.fromkeys(("key", "request_key"), f"k{number:03}") for number in range(PLACES + 20)]
    later = [row | key | {"queue_tag": number + 2} for number, key in enumerate(keys)]
    await store.database.write(insert_rows, later)
    assert await store.claims.update_queue_positions(at(1)) == PLACES + 21
    assert (await fetch(store, "k048")).queue_position == PLACES
    assert (await fetch(store, "k069")).queue_position == PLACES + 1
    assert await store.claims.update_queue_positions(at(2)) == 0
    await take(store, at(3))
    assert await store.claims.update_queue_positions(at(3)) == PLACES
    # A run that another overtakes loses its place.
    first = await accepted(store, requester_id=1, now=at(4))
    assert await store.claims.update_queue_positions(at(5)) > 0
    assert (await fetch(store, first.key)).queue_position == 1
    assert (await fetch(store, "k049")).queue_position == PLACES + 1
