"""A claim judges its run by the rules of that moment: it starts, waits longer, or ends."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from bot.database.tables import blocks
from bot.domain.budgets import budget_day
from bot.domain.errors import RefusedError, StoreUnavailable
from bot.domain.policy import OperatorRules
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store import batches
from tests.contract.store.rows import GUILD, MOD, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    accept,
    accepted,
    at,
    columns,
    fetch,
    purposes,
    report,
    request,
    take,
)

MIDNIGHT = budget_day(NOW) + timedelta(days=1)
HOUR = timedelta(hours=1)


async def limited(store: Store, guild: int = GUILD, **budgets: Any) -> None:
    """Limit a server's members, without a limit for runs at once and waiting."""
    person = {"at_once": None, "waiting": None, **budgets}
    await stored_rules(store, guild, {"budgets": {"person": person}})


async def waits_for(store: Store, run: Run) -> tuple[str | None, dict[str, Any] | None, datetime]:
    row = await columns(store, run.key)
    assert (row["state"], row["queue_position"]) == (RunState.WAITING, None)
    return row["waiting_code"], row["waiting_params"], row["due_at"]


async def taken(store: Store, now: datetime = NOW) -> list[str]:
    """Claim until nothing is left and return the keys."""
    found: list[str] = []
    while True:
        try:
            run = await take(store, now)
        except StoreUnavailable:
            continue
        if run is None:
            return found
        found.append(run.key)


async def test_a_ceiling_holds_on_the_day_that_runs_are_started(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    yesterday = NOW - timedelta(days=1)
    waiting = [await accepted(store, now=yesterday) for _ in range(2)]
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request())  # both reserve their share of today
    assert sorted(await taken(store)) == sorted(run.key for run in waiting)
    assert (await store.usage.today(GUILD, PERSON.id, NOW)).gpu_seconds_today == 120
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request())


async def test_what_others_used_beyond_their_reserve_keeps_a_run_until_midnight(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    first, second = await accepted(store), await accepted(store, now=at(1))
    assert (await take(store)) is not None
    ended = report(RunState.SUCCEEDED, run_duration=300.0)
    await store.runs.record_report(first.key, ended, at(2), SOON, asked=True)
    shown = (await columns(store, second.key))["rev"]
    assert await take(store, at(3)) is None
    until = {"until": int(MIDNIGHT.timestamp())}
    assert await waits_for(store, second) == ("daily_limit", until, at(3) + HOUR)
    assert (await columns(store, second.key))["rev"] > shown
    late = MIDNIGHT - timedelta(minutes=5)
    assert await take(store, late) is None
    assert await waits_for(store, second) == ("daily_limit", until, MIDNIGHT)
    started = await take(store, MIDNIGHT)
    assert started is not None
    assert (started.key, started.waiting_code, started.waiting_params) == (second.key, None, None)
    assert (await store.usage.today(GUILD, PERSON.id, MIDNIGHT)).gpu_seconds_today == 60


async def test_one_persons_budget_keeps_no_one_else_waiting(store: Store) -> None:
    mine = [await accepted(store, now=at(number)) for number in range(3)]
    other = await accepted(store, requester_id=7, now=at(5))
    await limited(store, runs_a_day=1)
    assert await taken(store, at(9)) == [mine[0].key, other.key]
    until = {"limit": 1, "until": int(MIDNIGHT.timestamp())}
    for run in mine[1:]:
        assert await waits_for(store, run) == ("budget_runs", until, at(9) + HOUR)


async def test_each_run_of_a_batch_is_judged_by_itself(store: Store) -> None:
    runs = await batches.accepted(store, 4)
    await limited(store, gpu_seconds_a_day=130)
    assert await taken(store) == [run.key for run in runs[:2]]
    codes = [(await fetch(store, run.key)).waiting_code for run in runs]
    assert codes == [None, None, "budget_gpu", "budget_gpu"]


async def test_two_that_wait_do_not_keep_each_other_waiting(store: Store) -> None:
    await limited(store, gpu_seconds_a_day=400)
    runs = [await accepted(store, now=at(number)) for number in range(3)]
    assert await take(store) is not None
    used = report(RunState.SUCCEEDED, run_duration=300.0)
    await store.runs.record_report(runs[0].key, used, at(5), SOON, asked=True)
    # Together they reserve 120 of the 100 seconds that are left.
    assert await taken(store, at(6)) == [runs[1].key]


async def test_many_claimers_never_pass_a_budget(store: Store, other: Store) -> None:
    for number in range(12):
        await accepted(store, now=at(number))
    await limited(store, runs_a_day=3)
    found = await asyncio.gather(*(taken(s, at(20)) for s in (store, other) for _ in range(4)))
    assert sum(map(len, found)) == 3
    assert (await store.usage.today(GUILD, PERSON.id, at(20))).person.waiting == 9


async def test_nothing_starts_during_a_pause_and_everything_after_it(store: Store) -> None:
    runs = [await accepted(store, now=at(number), requester_id=number) for number in range(3)]
    await store.pause.pause("moving", by=1, now=at(5))
    assert await take(store, at(6)) is None
    for run in runs:
        assert await waits_for(store, run) == ("paused", {"reason": "moving"}, at(6) + HOUR)
    assert await taken(store, at(3605)) == []
    assert await taken(store, at(3606)) == []  # asked again, and still paused
    await store.pause.pause("moving on", by=1, now=at(3700))
    assert await taken(store, at(3700)) == []
    assert (await fetch(store, runs[0].key)).waiting_params == {"reason": "moving on"}
    assert await store.pause.resume(by=1, now=at(3800))
    assert (await fetch(store, runs[0].key)).waiting_code is None
    assert sorted(await taken(store, at(3800))) == sorted(run.key for run in runs)


async def test_a_claim_and_the_end_of_the_pause_at_once_leave_nothing_behind(
    store: Store, other: Store
) -> None:
    for number in range(8):
        run = await accepted(store)
        await store.pause.pause("moving", by=1, now=NOW)
        now = at(number)
        await asyncio.gather(other.pause.resume(by=1, now=now), taken(store, now))
        assert run.key in [*await taken(store, now), *([run.key] if await _started(store, run) else [])]


async def _started(store: Store, run: Run) -> bool:
    return (await fetch(store, run.key)).state is RunState.SUBMITTING


async def test_a_run_with_a_place_in_the_queue_waits_for_no_rule(store: Store) -> None:
    await accepted(store, deployment="wan")
    assert await take(store) is not None
    run = await accepted(store)
    await store.pause.pause("moving", by=1, now=NOW)
    assert await take(store) is None
    await store.pause.resume(by=1, now=at(1))
    assert await take(store, at(1), limit=0) is None
    assert await store.claims.update_queue_positions(at(1)) == 1
    found = await fetch(store, run.key)
    assert (found.queue_position, found.waiting_code) == (1, None)


async def test_settings_that_allow_more_are_noticed_at_once(store: Store) -> None:
    spent, run = await accepted(store, now=at(-1)), await accepted(store)
    await limited(store, gpu_seconds_a_day=70)
    assert await taken(store) == [spent.key]
    assert (await fetch(store, run.key)).waiting_code == "budget_gpu"
    await store.rules.change(
        GUILD, MOD, lambda rules: rules.model_copy(update={"budgets": type(rules)().budgets}), at(1), "x"
    )
    assert await taken(store, at(1)) == [run.key]


@pytest.mark.parametrize(
    ("rules", "changed", "code"),
    [
        ({"deployment_roles": {"flux": [5]}}, {}, "deployment_role_none"),
        ({"gpu_roles": {"H100": [5]}}, {"gpu": "H100"}, "gpu_role_none"),
        ({"gpu_roles": {"H100": [5]}}, {}, "gpu_role_unknown"),
        ({"budgets": {"person": {"gpu_seconds_a_day": 59}}}, {}, "budget_gpu"),
    ],
)
async def test_a_run_that_never_may_start_ends_with_the_rule(
    store: Store, rules: dict[str, Any], changed: dict[str, Any], code: str
) -> None:
    run = await accepted(store, **changed)
    next_one = await accepted(store, requester_id=7, deployment="wan", gpu="L4", now=at(1))
    await stored_rules(store, GUILD, RULES | rules)
    assert await taken(store, at(2)) == ([] if code == "budget_gpu" else [next_one.key])
    ended = await fetch(store, run.key)
    assert (ended.state, ended.failure_code) == (RunState.REFUSED, code)
    assert (ended.submitted_at, ended.submissions) == (None, 0)
    assert await purposes(store, run.key) == ["o"]
    assert (await store.usage.today(GUILD, PERSON.id, NOW)).person.runs == 0


async def test_a_server_that_is_no_longer_allowed_starts_nothing(store: Store, stores: Stores) -> None:
    run = await accepted(store)
    stricter = await stores.open(operator=OperatorRules(allowed_guild_ids=frozenset({5})))
    assert await take(stricter) is None
    ended = await fetch(store, run.key)
    assert (ended.state, ended.failure_code) == (RunState.REFUSED, "guild_not_allowed")


async def test_a_block_ends_a_run_without_telling_the_channel_why(store: Store) -> None:
    run = await accepted(store)
    async with store.database.write() as connection:
        block = {"guild_id": GUILD, "user_id": PERSON.id, "reason": "spam", "created_at": NOW}
        await connection.execute(insert(blocks).values(**block, created_by=MOD))
    assert await take(store) is None
    ended = await fetch(store, run.key)
    assert (ended.state, ended.failure_code) == (RunState.REFUSED, REQUESTER_BLOCKED)


async def test_rules_that_cannot_be_read_keep_only_their_own_server_waiting(store: Store) -> None:
    run = await accepted(store)
    elsewhere = request().origin.model_copy(update={"guild_id": 5})
    other = await accepted(store, origin=elsewhere, now=at(1))
    await stored_rules(store, GUILD, {"budgets": "not budgets"})
    assert await taken(store, at(2)) == [other.key]
    assert await waits_for(store, run) == ("rules_unreadable", {}, at(2) + HOUR)


async def test_a_run_put_back_before_its_call_was_made_says_what_it_waits_for(store: Store) -> None:
    run = await accepted(store)
    assert await take(store) is not None
    await store.claims.requeue(run.key, at(60), at(1), waits_for="waits_for_discord")
    until = {"until": int(at(60).timestamp())}
    assert await waits_for(store, run) == ("waits_for_discord", until, at(60))
    assert (await fetch(store, run.key)).submissions == 0
    again = await take(store, at(60))
    assert again is not None
    assert (again.submissions, again.waiting_code) == (1, None)
