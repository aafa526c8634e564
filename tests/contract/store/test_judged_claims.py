"""A claim judges its run by the current rules: the run starts, waits longer, or ends."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.util import await_only

from bot.database.tables import blocks
from bot.domain.budgets import day_end
from bot.domain.errors import RefusedError
from bot.domain.messages.records import Kind
from bot.domain.policy import OperatorRules
from bot.domain.runs import REQUESTER_BLOCKED, Run, RunState
from bot.domain.settings.kinds import SettingsContext
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store import batches
from tests.contract.store.rows import GUILD, MOD, selects, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    accept,
    accepted,
    answer_of,
    at,
    columns,
    fetch,
    kinds,
    report,
    request,
    started,
    state_of,
    submitted,
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


async def test_the_daily_limit_counts_runs_on_the_day_they_start(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    waiting = [await accepted(store, now=YESTERDAY) for _ in range(2)]
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request())  # both reserve their share of today
    assert sorted(await taken(store)) == sorted(run.key for run in waiting)
    assert (await store.figures.today(GUILD, PERSON.id, NOW)).gpu_seconds_today == 120
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request())


async def test_a_run_waits_until_midnight_if_others_used_more_than_they_reserved(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    first, second = await accepted(store), await accepted(store, now=at(1))
    assert (await take(store)) is not None
    ended = report(RunState.SUCCEEDED, run_duration=300.0)
    await store.runs.record_report(first.key, ended, at(300), SOON, asked=True)
    shown = (await answer_of(store, second.key))["wanted_rev"]
    assert await take(store, at(301)) is None
    until = {"until": int(MIDNIGHT.timestamp())}
    assert await waits_for(store, second) == ("daily_limit", until, at(301) + HOUR)
    assert (await answer_of(store, second.key))["wanted_rev"] > shown
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


async def test_each_run_of_a_batch_moves_to_another_day_by_itself(store: Store) -> None:
    runs = await batches.accepted(store, 4, now=YESTERDAY)
    await limited(store, gpu_seconds_a_day=130)
    assert await taken(store) == [run.key for run in runs[:2]]
    codes = [(await fetch(store, run.key)).waiting_code for run in runs]
    assert codes == [None, None, "budget_gpu", "budget_gpu"]


async def test_what_was_accepted_starts_whatever_the_others_used(store: Store) -> None:
    await limited(store, gpu_seconds_a_day=180)
    runs = [await accepted(store, now=at(number)) for number in range(3)]
    assert await take(store) is not None
    used = report(RunState.SUCCEEDED, run_duration=300.0)
    await store.runs.record_report(runs[0].key, used, at(300), SOON, asked=True)
    assert await taken(store, at(301)) == [runs[1].key, runs[2].key]


async def shown(store: Store, run: Run) -> tuple[str | None, object, int]:
    """Return what the messages say that a run waits for, and their revision."""
    found, messages = await fetch(store, run.key), await store.messages.of_request(run.request_key)
    return found.waiting_code, found.waiting_params, messages[Kind.ANSWER, 0].wanted_rev


async def test_a_pause_changes_messages_but_no_runs(store: Store) -> None:
    runs = [await accepted(store, now=at(number), requester_id=number) for number in range(3)]
    revs = [(await shown(store, run))[2] for run in runs]
    await store.pause.pause("moving", by=1, now=at(5))
    assert [await shown(store, run) for run in runs] == [
        ("paused", {"reason": "moving"}, rev + 1) for rev in revs
    ]
    assert await taken(store, at(6)) == await taken(store, at(7200)) == []
    assert {(await columns(store, run.key))["waiting_code"] for run in runs} == {None}
    assert not await store.claims.hold_queues("waits_for_backend")
    await store.pause.pause("moving on", by=1, now=at(7300))
    assert (await shown(store, runs[0]))[1] == {"reason": "moving on"}
    assert await store.pause.resume(by=1, now=at(7400))
    assert (await shown(store, runs[0]))[:2] == (None, None)
    assert sorted(await taken(store, at(7400))) == sorted(run.key for run in runs)


async def test_an_outage_is_shown_until_the_queue_is_ready_again(store: Store) -> None:
    flux, wan = await accepted(store), await accepted(store, deployment="wan")
    assert await store.claims.hold_queues("waits_for_backend", deployment="flux")
    assert not await store.claims.hold_queues("waits_for_backend", deployment="flux")
    assert [(await shown(store, run))[0] for run in (flux, wan)] == ["waits_for_backend", None]
    assert await store.claims.update_queue_positions(NOW, broken={"flux"}) == 2
    held = await fetch(store, flux.key)
    assert (held.waiting_code, held.queue_position) == ("waits_for_backend", None)
    assert await store.claims.update_queue_positions(NOW) == 1
    ready = await fetch(store, flux.key)
    assert (ready.waiting_code, ready.queue_position) == (None, 1)


async def test_a_higher_budget_lets_runs_start_at_once(store: Store) -> None:
    spent, run = [await accepted(store, now=YESTERDAY + timedelta(seconds=number)) for number in range(2)]
    await limited(store, gpu_seconds_a_day=70)
    assert await taken(store) == [spent.key]
    assert (await fetch(store, run.key)).waiting_code == "budget_gpu"
    await store.rules.change(GUILD, MOD, lambda _: ServerRules(), at(1), SettingsContext())
    assert await taken(store, at(1)) == [run.key]


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


async def test_a_blocked_users_run_ends_at_its_claim(store: Store) -> None:
    run = await accepted(store)
    block = {"guild_id": GUILD, "user_id": PERSON.id, "reason": "spam", "created_at": NOW}
    stored = insert(blocks).values(**block, created_by=MOD)
    await store.database.write(lambda connection: connection.execute(stored))
    assert await take(store) is None
    assert await state_of(store, run) == (RunState.REFUSED, REQUESTER_BLOCKED)


async def test_unreadable_rules_delay_only_their_own_server(store: Store) -> None:
    run = await accepted(store)
    other = await accepted(store, guild_id=5, now=at(1))
    await stored_rules(store, GUILD, {"budgets": "not budgets"})
    assert await taken(store, at(2)) == [other.key]
    assert await waits_for(store, run) == ("rules_unreadable", {}, at(2) + HOUR)


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


async def test_a_run_requeued_before_its_call_keeps_the_reason(store: Store) -> None:
    run = await submitted(store)
    await store.claims.requeue(run, at(60), at(1), waits_for="waits_for_discord")
    until = {"until": int(at(60).timestamp())}
    assert await waits_for(store, run) == ("waits_for_discord", until, at(60))
    assert (await fetch(store, run.key)).submissions == 0
    again = await started(store, at(60))
    assert (again.submissions, again.waiting_code) == (1, None)
