"""The bot's own queue: runs are claimed within limits, in fair order and by the current rules, and polled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.util import await_only

from bot.database.rows import insert_rows
from bot.database.tables import runs
from bot.domain.errors import RefusedForNow
from bot.domain.messages import Purpose
from bot.domain.policy import OperatorRules, day_end
from bot.domain.run_timing import PLACES
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.store.claims import hold
from tests.contract.conftest import Stores
from tests.contract.store.rows import GUILD, selects, stored_rules, stored_run
from tests.contract.store.runs import (
    NEWCOMER,
    NOW,
    PERSON,
    RULES,
    SOON,
    accept,
    accepted,
    answers_due,
    at,
    columns,
    fetch,
    request,
    run_update,
    started,
    submitted,
    take,
    take_all,
)

MIDNIGHT = day_end(NOW)
HOUR = timedelta(hours=1)
GAP = timedelta(seconds=10)


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


LATELY = "1 start fails 1 start fails 1 start fails 1 2 2 2 start start start start"
TURNS = {
    "no turns for the time away": (
        "1 1 1 1 1 1 start start start 2 2 2 start start start start start start",
        [1, 1, 1, 2, 1, 2, 1, 2, 1],
    ),
    "a cancelled request costs none": ("1 cancels 1 2 start start", [1, 2]),
    "a requeued run keeps its place": ("1 start 2 2 1 again start start start start", [1, 1, 2, 2, 1]),
    "a run in review takes its turn at the approval": (
        f"review 1 1 start approval {PERSON.id} start start",
        [1, PERSON.id, 1],
    ),
    "one turn after those served lately": (LATELY, [1, 1, 1, 2, 1, 2, 2]),
    # Otherwise a third member's run would move those who were served today to the end.
    "whatever else waits": (f"3 held {LATELY}", [1, 1, 1, 2, 1, 2, 2]),
    "each deployment has its own": ("2@wan 1 1 1@wan 2@wan start start start start start", [2, 1, 1, 1, 2]),
}


@pytest.mark.parametrize(("script", "order"), TURNS.values(), ids=TURNS)
async def test_users_take_turns(store: Store, script: str, order: list[int]) -> None:
    """The script has the users who ask, in order, and what happens in between."""
    asked, served = list[Run](), list[Run]()
    for second, step in enumerate(script.split()):
        now = at(second)
        match step:
            case "start":
                served.append(await started(store, now))
            case "fails":
                failed = run_update(RunState.FAILED)
                await store.runs.record_update(served[-1].key, failed, now, SOON, asked=True)
            case "again":
                await store.claims.requeue(served[-1], now, now)
            case "cancels":
                await store.runs.request_cancel(asked[-1].key, now, by=1)
            case "held":
                await store.database.write(hold, asked[-1], RefusedForNow("budget_gpu"), at(HOUR.seconds))
            case "review":
                asked.append(await accept(store, request(), person=NEWCOMER))
            case "approval":
                assert await store.reviews.approve(asked[0].key, 5, now) is None
            case user:
                person, _, name = user.partition("@")
                own = {"requester_id": int(person), "deployment": name or "flux"}
                asked.append(await accepted(store, now=now, **own))
    assert [run.requester_id for run in served] == order


async def copies(store: Store, row: Mapping[str, Any], number: int, first_tag: float) -> None:
    keys = [dict.fromkeys(("key", "request_key"), f"k{each:03}") for each in range(number)]
    rows = [{**row, **key, "queue_tag": first_tag + each / 1000} for each, key in enumerate(keys)]
    await store.database.write(insert_rows, rows)


async def test_runs_far_behind_share_a_place_that_is_written_once(store: Store) -> None:
    await copies(store, await columns(store, (await accepted(store)).key), PLACES + 20, 2)
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


@pytest.mark.sqlite_only
@pytest.mark.parametrize("why", ["a limit", "server_budget_gpu", "rules_unreadable", "deployment_role_none"])
async def test_many_runs_that_may_not_start_cost_another_servers_claim_few_statements(
    store: Store, why: str
) -> None:
    """10,000 waiting runs of one server once stopped the bot for a third of a second at each claim."""
    await stored_rules(store, GUILD, {"budgets": {"server": {"at_once": 1 if why == "a limit" else 9}}})
    await submitted(store)
    mine = await columns(store, (await accepted(store, now=NOW - timedelta(days=1))).key)
    await copies(store, mine, 100, 2)
    other = await accepted(store, guild_id=5, now=at(1))
    spent = {"at_once": None, "waiting": None, "gpu_seconds_a_day": 60}
    rules: dict[str, Any] = {
        "server_budget_gpu": {"budgets": {"server": spent}},
        "rules_unreadable": {"budgets": "not budgets"},
        "deployment_role_none": {"deployment_roles": {"flux": [5]}},
    }
    await stored_rules(store, GUILD, rules.get(why, RULES))
    with selects(store) as seen:
        assert (await started(store, at(2))).key == other.key
        await store.claims.update_queue_positions(at(3))
    assert sum("runs AS queued" in statement for statement in seen) < 10
    assert why == "a limit" or await take(store, at(4)) is None
    run = await fetch(store, "k099")
    assert why in ("a limit", run.waiting_code, run.failure_code)


async def test_a_run_waits_until_midnight_if_others_used_more_than_they_reserved(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    first, second = await accepted(store), await accepted(store, now=at(1))
    assert (await take(store)) is not None
    ended = run_update(RunState.SUCCEEDED, run_duration=300.0)
    await store.runs.record_update(first.key, ended, at(300), SOON, asked=True)
    shown = (await store.messages.of_request(second.key))[Purpose.STATUS, 0].wanted_rev
    late = MIDNIGHT - timedelta(minutes=5)
    for now, due_at in ((at(301), at(301) + HOUR), (late, MIDNIGHT)):
        assert await take(store, now) is None
        row = await columns(store, second.key)
        assert (row["state"], row["waiting_code"], row["due_at"]) == ("waiting", "daily_limit", due_at)
        assert row["waiting_params"] == {"until": int(MIDNIGHT.timestamp())}
    run = await started(store, MIDNIGHT)
    # The message says twice why it waits, and then that it doesn't any more.
    assert (await store.messages.of_request(second.key))[Purpose.STATUS, 0].wanted_rev == shown + 3
    assert (run.key, run.waiting_code, run.waiting_params) == (second.key, None, None)
    assert (await store.figures.today(GUILD, PERSON.id, MIDNIGHT)).gpu_seconds_today == 60


async def test_one_persons_budget_delays_nobody_else(store: Store) -> None:
    yesterday = NOW - timedelta(days=1)
    mine = [await accepted(store, now=yesterday + timedelta(seconds=number)) for number in range(3)]
    other = await accepted(store, requester_id=7, now=yesterday)
    today = await accepted(store, now=NOW)
    person = {"at_once": None, "waiting": None, "runs_a_day": 2}
    await stored_rules(store, GUILD, {"budgets": {"person": person}})
    # What was accepted today is charged already.
    taken = {run.key for run in await take_all(store, at(9))}
    assert taken == {mine[0].key, other.key, today.key}
    assert [run.key for run in await take_all(store, MIDNIGHT)] == [run.key for run in mine[1:]]


async def test_a_claim_counts_runs_that_another_process_starts_meanwhile(store: Store, other: Store) -> None:
    """The other process claims between two candidates of a claim, while the claim holds no lock."""
    turned_away = await accepted(store)
    wan = [await accepted(store, deployment="wan", now=at(number)) for number in (1, 2)]
    await stored_rules(store, GUILD, RULES | {"deployment_roles": {turned_away.deployment: [5]}})
    elsewhere: list[Run | None] = []
    begun: list[object] = []
    loop = asyncio.get_running_loop()

    def note(connection: object, *_: object) -> None:
        begun.append(connection)
        if len(begun) == 2:
            taken = take(other, at(9), limit=1)
            # On SQLite this is the writer's thread.
            in_thread = store.database.is_sqlite
            elsewhere.append(
                asyncio.run_coroutine_threadsafe(taken, loop).result() if in_thread else await_only(taken)
            )

    engine = store.database.engine
    event.listen(engine, "checkout", note)
    try:
        assert await take(store, at(9), limit=1) is None
    finally:
        event.remove(engine, "checkout", note)
    assert [run.key for run in elsewhere if run is not None] == [wan[0].key]
    assert (await fetch(store, wan[1].key)).state is RunState.WAITING


@pytest.mark.sqlite_only
async def test_silent_runs_are_polled_after_growing_pauses_and_at_their_deadline(store: Store) -> None:
    run, due_at, waited = await submitted(store, run_timeout=40), SOON, list[float]()
    await store.runs.record_update(run.key, run_update(RunState.RUNNING), NOW, SOON)
    while due_at < at(160):
        assert await store.claims.claim_checks(due_at, GAP, 8)
        waited.append((due_at - NOW).total_seconds())
        due_at = (await columns(store, run.key))["due_at"]
    assert (waited, due_at) == ([30, 40, 60, 100], at(160))
    await store.runs.record_update(run.key, run_update(progress=0.5), at(150), at(180))
    assert (await columns(store, run.key))["checks"] == 0


@pytest.mark.sqlite_only
async def test_the_longest_silent_runs_are_polled_first(store: Store) -> None:
    keys = []
    for number in range(5):
        run = await submitted(store)
        await store.runs.record_update(run.key, run_update(), NOW, at(50 - number))
        keys.append(run.key)
    polled = [await store.claims.claim_checks(at(60), GAP, 3) for _ in range(3)]
    assert [[run.key for run in each] for each in polled] == [keys[:1:-1], keys[1::-1], []]


@pytest.mark.sqlite_only
async def test_an_answer_is_due_once_nobody_is_showing_it(store: Store) -> None:
    dead, failed = await accept(store, request()), await accept(store, request())
    await store.messages.answered(failed.key, None, at(1))
    due: list[tuple[datetime, list[str]]] = [(at(1), [failed.key]), (at(59), []), (at(61), [dead.key])]
    assert [(now, await answers_due(store, now)) for now, _ in due] == due


async def test_many_requests_end_in_portions_between_which_others_write(store: Store) -> None:
    row = await columns(store, (await accepted(store)).key)
    pairs = [
        {"key": f"k{each}", "request_key": f"k{each - each % 2}", "index": each % 2} for each in range(500)
    ]
    await store.database.write(insert_rows, [{**row, **pair, "count": 2} for pair in pairs])
    query = select(runs.c.request_key).where(runs.c.state == RunState.WAITING, runs.c.key.startswith("k"))
    ends, seen = asyncio.create_task(store.claims.expire_waiting(at(7 * 86400))), list[Counter[str]]()
    while not ends.done():
        seen.append(Counter(await store.database.write(lambda each: each.execute(query).scalars().all())))
    assert await ends
    assert any(0 < len(waiting) < 250 for waiting in seen)
    assert {number for waiting in seen for number in waiting.values()} == {2}, "half a batch has ended"
    assert not await store.claims.expire_waiting(at(7 * 86400))


@pytest.mark.sqlite_only
async def test_the_requests_of_user_installs_end_with_their_tokens(store: Store) -> None:
    """The token of `request` ends after 900 seconds."""
    run = await accept(store, request(user_install=True))
    await store.messages.answered(run.key, 77, NOW)
    await started(store)
    await store.runs.record_update(run.key, run_update(), at(1), at(30))
    due = [(at(3), [run.key]), (at(1000), [])]
    assert [(now, await answers_due(store, now)) for now, _ in due] == due
    # Only one that waits becomes too late to start.
    waiting = await accept(store, request(user_install=True))
    await accept(store, request())
    assert not await store.claims.refuse_too_late(at(899), NOW)
    assert await store.claims.refuse_too_late(at(900), NOW)
    assert (await fetch(store, waiting.key)).failure_code == "answer_too_late"
    assert (await store.claims.waiting(at(901), at(901))).next_end is None
