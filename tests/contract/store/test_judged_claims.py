"""A claim judges its run by the current rules: the run starts, waits longer, or ends."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.util import await_only

from bot.domain.budgets import day_end
from bot.domain.messages.records import Kind
from bot.domain.policy import OperatorRules
from bot.domain.runs import Run, RunState
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.rows import GUILD, selects, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    accepted,
    at,
    columns,
    fetch,
    kinds,
    report,
    started,
    take,
    take_all,
)

MIDNIGHT = day_end(NOW)
YESTERDAY = NOW - timedelta(days=1)
HOUR = timedelta(hours=1)


async def limited(store: Store, **budgets: Any) -> None:
    """Limit the members' budgets, without limits on concurrent and waiting runs."""
    person = {"at_once": None, "waiting": None, **budgets}
    await stored_rules(store, GUILD, {"budgets": {"person": person}})


async def waits_for(store: Store, run: Run) -> tuple[str | None, dict[str, Any] | None, datetime]:
    row = await columns(store, run.key)
    assert (row["state"], row["queue_position"]) == (RunState.WAITING, None)
    return row["waiting_code"], row["waiting_params"], row["due_at"]


async def taken(store: Store, now: datetime = NOW) -> list[str]:
    """Claim until nothing is left and return the keys."""
    return [run.key for run in await take_all(store, now)]


async def test_a_run_waits_until_midnight_if_others_used_more_than_they_reserved(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    first, second = await accepted(store), await accepted(store, now=at(1))
    assert (await take(store)) is not None
    ended = report(RunState.SUCCEEDED, run_duration=300.0)
    await store.runs.record_report(first.key, ended, at(300), SOON, asked=True)
    shown = (await store.messages.of_request(second.key))[Kind.ANSWER, 0].wanted_rev
    assert await take(store, at(301)) is None
    until = {"until": int(MIDNIGHT.timestamp())}
    assert await waits_for(store, second) == ("daily_limit", until, at(301) + HOUR)
    assert (await store.messages.of_request(second.key))[Kind.ANSWER, 0].wanted_rev > shown
    late = MIDNIGHT - timedelta(minutes=5)
    assert await take(store, late) is None
    assert await waits_for(store, second) == ("daily_limit", until, MIDNIGHT)
    run = await started(store, MIDNIGHT)
    assert (run.key, run.waiting_code, run.waiting_params) == (second.key, None, None)
    assert (await store.figures.today(GUILD, PERSON.id, MIDNIGHT)).gpu_seconds_today == 60


async def test_one_persons_budget_delays_nobody_else(store: Store) -> None:
    mine = [await accepted(store, now=YESTERDAY + timedelta(seconds=number)) for number in range(3)]
    other = await accepted(store, requester_id=7, now=YESTERDAY)
    today = await accepted(store, now=NOW)
    await limited(store, runs_a_day=2)
    # What was accepted today is charged already.
    assert sorted(await taken(store, at(9))) == sorted([mine[0].key, other.key, today.key])
    until = {"limit": 2, "until": int(MIDNIGHT.timestamp())}
    for run in mine[1:]:
        assert await waits_for(store, run) == ("budget_runs", until, at(9) + HOUR)
    assert await taken(store, MIDNIGHT) == [run.key for run in mine[1:]]


@pytest.mark.parametrize(
    ("rules", "changed", "code"),
    [
        ({"deployment_roles": {"flux": [5]}}, {}, "deployment_role_none"),
        ({"gpu_roles": {"H100": [5]}}, {"gpu": "H100"}, "gpu_role_none"),
        ({"gpu_roles": {"H100": [5]}}, {}, "gpu_role_all"),
        ({"budgets": {"person": {"gpu_seconds_a_day": 59}}}, {}, "budget_gpu"),
    ],
    ids=["deployment", "GPU", "unknown GPU", "less than one run a day"],
)
async def test_a_run_that_may_never_start_ends(
    store: Store, rules: dict[str, Any], changed: dict[str, Any], code: str
) -> None:
    run = await accepted(store, **changed, now=YESTERDAY)
    next_one = await accepted(store, requester_id=7, deployment="wan", gpu="L4", now=at(1))
    await stored_rules(store, GUILD, RULES | rules)
    assert await taken(store, at(2)) == [next_one.key]
    ended = await fetch(store, run.key)
    assert (ended.state, ended.failure_code) == (RunState.REFUSED, code)
    assert (ended.submitted_at, ended.submissions) == (None, 0)
    assert await kinds(store, run.key) == ["outcome"]
    for day in (YESTERDAY, NOW):
        assert (await store.figures.today(GUILD, PERSON.id, day)).person.runs == 0


@pytest.mark.parametrize(
    "code", ["server_budget_gpu", "budget_gpu", "rules_unreadable", "deployment_role_none"]
)
async def test_many_runs_that_may_not_start_delay_no_other_servers_run(store: Store, code: str) -> None:
    """A claim reads the queue again for each run that it turns away, so that a long queue takes minutes."""
    used = await accepted(store)
    assert await take(store) is not None
    mine = [await accepted(store, now=YESTERDAY + timedelta(seconds=number)) for number in range(20)]
    other = await accepted(store, guild_id=5, now=at(30))
    spent = {"at_once": None, "waiting": None, "gpu_seconds_a_day": 60}
    rules = {
        "server_budget_gpu": {"budgets": {"server": spent}},
        "budget_gpu": {"budgets": {"person": spent}},
        "rules_unreadable": {"budgets": "not budgets"},
        "deployment_role_none": {"deployment_roles": {used.deployment: [5]}},
    }
    await stored_rules(store, GUILD, rules[code])
    with selects(store) as seen:
        assert (await started(store, at(40))).key == other.key
    assert sum("runs AS queued" in statement for statement in seen) < 10
    assert await taken(store, at(41)) == []
    for run in mine:
        found = await fetch(store, run.key)
        assert code in (found.waiting_code, found.failure_code)


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
