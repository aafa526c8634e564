"""Budgets hold under concurrent requests from several processes, and count the right runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.budgets import Spending, Usage
from bot.domain.errors import RefusedError
from bot.domain.policy import OperatorRules
from bot.domain.runs import IN_FLIGHT, RunState
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store import batches
from tests.contract.store.rows import ALICE, GUILD, stored_rules, stored_run
from tests.contract.store.runs import (
    NOW,
    PERSON,
    PICTURE,
    SOON,
    accept,
    accepted,
    at,
    columns,
    report,
    request,
    submitted,
    take,
)

# The interaction of `request` can be used for so long; its card waits for the answer until then.
TOKEN = timedelta(minutes=15)


def rules_with(**budgets: Any) -> dict[str, Any]:
    """Return rules with these budgets for each person, and no limit on concurrent and waiting runs."""
    unlimited = {"at_once": None, "waiting": None}
    return {"budgets": {"person": unlimited | budgets, "server": unlimited}}


async def tried(store: Store, **changes: Any) -> str | None:
    """Return the code of the refusal, or None if the request was accepted."""
    try:
        await accept(store, request(**changes))
    except RefusedError as error:
        return error.code
    return None


async def usage(store: Store) -> Usage:
    return await store.figures.today(GUILD, PERSON.id, NOW)


async def test_users_servers_and_days_have_separate_budgets(store: Store) -> None:
    await stored_rules(store, GUILD, rules_with())
    for guild in (GUILD, 5, None):
        await accepted(store, guild_id=guild)
    await accepted(store, requester_id=7)
    await accepted(store, now=NOW - timedelta(days=1))
    found = await usage(store)
    assert (found.person.runs, found.server.runs) == (1, 2)
    direct = await store.figures.today(None, PERSON.id, NOW)
    assert direct.person.runs == 1


async def test_budgets_are_renewed_at_midnight_in_utc(store: Store) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    await accepted(store, now=midnight)
    await accepted(store, now=midnight - timedelta(microseconds=1))
    found = await usage(store)
    assert found.person.runs == 1
    assert found.day_end == midnight + timedelta(days=1)


async def test_what_waits_for_approval_is_counted_from_then_on(store: Store) -> None:
    await stored_rules(store, GUILD, {"approval": {"mode": "everybody", "review_channel_id": 9}})
    run = await accept(store, request())
    found = await usage(store)
    assert found.person == Spending(waiting=1)
    assert await store.reviews.approve(run.key, 5, NOW + timedelta(days=1)) is None
    assert (await usage(store)).person.runs == 0
    tomorrow = await store.figures.today(GUILD, PERSON.id, NOW + timedelta(days=1))
    assert tomorrow.person == Spending(runs=1, gpu_seconds=60, waiting=1)


async def test_an_approval_is_judged_with_what_is_used_by_then(store: Store) -> None:
    approval = {"mode": "everybody", "review_channel_id": 9}
    budgets = {"person": {"runs_a_day": 2}, "gpu_weights": {"H100": 2}}
    await stored_rules(store, GUILD, {"approval": approval, "budgets": budgets})
    pair = await accept(store, *batches.asked(2, gpu="H100"))
    others = [await accept(store, request()) for _ in range(2)]
    assert await store.reviews.approve(others[0].key, 5, NOW) is None
    refused = await store.reviews.approve(pair.key, 5, NOW)
    assert refused is not None
    assert refused.code == "budget_runs"
    assert await store.reviews.approve(others[1].key, 5, NOW) is None
    budgets["gpu_weights"] = {"H100": 3}
    await stored_rules(store, GUILD, {"approval": approval, "budgets": budgets})
    tomorrow = NOW + timedelta(hours=20)
    assert await store.reviews.approve(pair.key, 5, tomorrow) is None
    spent = (await store.figures.today(GUILD, PERSON.id, tomorrow)).person
    assert (spent.runs, spent.gpu_seconds) == (2, 2 * 3 * 60)


async def test_requests_that_wait_on_one_server_use_up_no_other_servers_seconds(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    # They don't start, because they are due later.
    for _ in range(2):
        await accept(store, request(), now=at(20))
    assert await tried(store) == "daily_limit"
    for now in (at(10), at(11)):
        await accepted(store, guild_id=5, now=now)
        assert await take(store, now) is not None
    # What has started counts on every server.
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request(guild_id=5), now=at(12))


async def test_a_run_that_started_while_the_clock_was_ahead_counts_on_one_day(store: Store) -> None:
    ahead = NOW + timedelta(days=30)
    run = await accepted(store, now=ahead)
    await take(store, ahead)
    await store.runs.record_report(
        run.key, report(RunState.FAILED, run_duration=60.0), ahead, ahead, asked=True
    )
    counted = [
        (await store.figures.today(GUILD, PERSON.id, NOW + timedelta(days=day))).person.gpu_seconds
        for day in range(32)
    ]
    assert [day for day, seconds in enumerate(counted) if seconds] == [30]


async def test_the_weighted_reserve_is_replaced_by_the_billed_gpu_and_duration(store: Store) -> None:
    await stored_rules(store, GUILD, {"budgets": {"gpu_weights": {"H100": 4, "A10G": 2}}})
    run = await submitted(store, gpu="H100")
    await store.runs.record_report(run.key, report(RunState.FAILED), at(10), SOON, asked=True)
    # A webhook has neither; GET /run names the GPU that the deployment pins, and the billed duration.
    reserved = await usage(store)
    assert (reserved.person.gpu_seconds, reserved.gpu_seconds_today) == (240, 60)
    settled = report(RunState.FAILED, run_duration=30.0, gpu="A10G")
    await store.runs.record_report(run.key, settled, at(20), SOON, asked=True)
    row = await columns(store, run.key)
    assert (row["gpu_used"], row["run_duration"], row["charged_seconds"]) == ("A10G", 30.0, 60.0)
    found = await usage(store)
    assert (found.person.gpu_seconds, found.server.gpu_seconds, found.gpu_seconds_today) == (60, 60, 30)
    assert found.person.runs == 0


@pytest.mark.parametrize("told", [True, False], ids=["polled", "no more polls"])
async def test_a_run_without_a_billed_duration_costs_what_it_reserved(store: Store, told: bool) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, report(RunState.CANCELLED), at(10), SOON, asked=True)
    assert (await usage(store)).person.gpu_seconds == 60
    if told:
        await store.runs.record_report(run.key, report(RunState.CANCELLED), at(20), SOON, asked=True)
    else:
        (due,) = await store.claims.claim_checks(at(20), at(30) - at(20), 1)
        await store.runs.stop_checking(due)
    found = await usage(store)
    assert (found.person.gpu_seconds, found.gpu_seconds_today) == (60, 60)


@pytest.mark.parametrize("reported", [True, False], ids=["by ComfyDeploy", "at the deadline"])
async def test_a_clock_that_is_set_back_while_a_run_executes_gives_no_budget(
    store: Store, reported: bool
) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, report(RunState.RUNNING), at(1), SOON)
    if reported:
        await store.runs.record_report(run.key, report(RunState.FAILED), at(-3600), SOON, asked=True)
    else:
        await store.runs.finish(run.key, RunState.TIMED_OUT, at(-3600), code="deadline")
    found = await usage(store)
    assert (found.person.gpu_seconds, found.gpu_seconds_today) == (60, 60)


async def test_a_wrong_duration_uses_up_nobodys_budget(store: Store) -> None:
    run = await submitted(store)
    done = report(RunState.SUCCEEDED, outputs=(PICTURE,), run_duration=45_000_000.0)
    await store.runs.record_report(run.key, done, at(46), SOON)
    assert (await usage(store)).gpu_seconds_today == 106
    await store.runs.record_report(run.key, done, at(56), SOON, asked=True)
    assert (await usage(store)).gpu_seconds_today == 116


async def test_only_runs_in_flight_count_as_running(store: Store) -> None:
    for person, state in enumerate(RunState):
        await stored_run(store, state, person=person)
    assert {
        state for person, state in enumerate(RunState) if (await store.figures.running(GUILD, person))[0]
    } == IN_FLIGHT
    assert (await store.figures.running(GUILD, ALICE))[1] == len(IN_FLIGHT)
