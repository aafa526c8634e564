"""The ledger counts every run of a day once, and budgets count what is used by then.

`test_operations.py` shows what each operation adds to it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.database.tables import usage
from bot.domain.budgets import GIVEN_BACK_A_DAY, Spending, day_end
from bot.domain.errors import RefusedError
from bot.domain.policy import OperatorRules
from bot.domain.runs import Run, RunState
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.rows import GUILD, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    SOON,
    SUCCESS,
    accept,
    accepted,
    asked,
    at,
    report,
    request,
    started,
    submitted,
    take,
)

S = RunState
DAY = timedelta(days=1)
MIDNIGHT = day_end(NOW)
LATE = MIDNIGHT - timedelta(minutes=10)
FREE = Spending()
RESERVED = Spending(runs=1, gpu_seconds=60)
REVIEWED = {"mode": "everybody", "review_channel_id": 9}


async def spent(store: Store, now: Any = NOW) -> tuple[Spending, float]:
    """Return what the person has spent, and the seconds of the whole bot."""
    found = await store.figures.today(GUILD, PERSON.id, now)
    assert found.server == found.person
    return found.person, found.gpu_seconds_today


async def fail(store: Store, run: Run, **more: Any) -> None:
    await store.runs.record_report(run.key, report(S.FAILED, **more), at(10), SOON, asked=True)


async def test_three_failures_a_day_are_no_runs_but_all_cost_seconds(store: Store) -> None:
    counted = []
    for _ in range(GIVEN_BACK_A_DAY + 2):
        await fail(store, await submitted(store), run_duration=5.0)
        counted.append((await spent(store))[0].runs)
    assert counted == [0, 0, 0, 1, 2]
    assert await spent(store) == (Spending(runs=2, gpu_seconds=25), 25)
    await fail(store, await submitted(store, requester_id=7))
    assert (await store.figures.today(GUILD, 7, NOW)).person == Spending(gpu_seconds=60)
    await accepted(store, now=NOW + DAY)
    await fail(store, await started(store, NOW + DAY))
    assert (await spent(store, NOW + DAY))[0].runs == 0


async def test_runs_in_flight_count_the_time_that_they_have_used(stores: Stores) -> None:
    """Two runs of half an hour are no two minutes, while they go on."""
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=3600))
    await stored_rules(store, GUILD, {"budgets": {"gpu_weights": {"H100": 2}}})
    runs = [await submitted(store, gpu="H100") for _ in range(2)]
    for run in runs:
        await store.runs.record_report(run.key, report(), NOW, SOON)
    assert await spent(store, at(60)) == (Spending(runs=2, gpu_seconds=240), 120)
    assert await spent(store, at(1800)) == (Spending(runs=2, gpu_seconds=7200), 3600)
    assert (await store.figures.gauges(at(1800))).gpu_seconds_today == 3600
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request(), now=at(1800))
    await stored_rules(store, GUILD, {"budgets": {"person": {"gpu_seconds_a_day": 3600}}})
    with pytest.raises(RefusedError, match="budget_gpu"):
        await accept(store, request(), now=at(1700))
    done = SUCCESS._replace(run_duration=1800.0)
    for run in runs:
        await store.runs.record_report(run.key, done, at(1800), SOON)
    assert (await spent(store, at(9000)))[1] == 3600


async def test_a_run_that_goes_on_over_midnight_counts_on_the_day_of_its_claim(store: Store) -> None:
    await accepted(store, now=LATE)
    run = await started(store, LATE)
    await store.runs.record_report(run.key, report(), LATE, SOON)
    assert await spent(store, MIDNIGHT + timedelta(minutes=30)) == (FREE, 0)
    done = SUCCESS._replace(run_duration=2400.0)
    await store.runs.record_report(run.key, done, LATE + timedelta(minutes=40), SOON)
    assert await spent(store, LATE) == (Spending(runs=1, gpu_seconds=2400), 2400)
    assert await spent(store, MIDNIGHT) == (FREE, 0)


async def test_days_are_removed_after_a_week(store: Store) -> None:
    for day in range(6, 10):
        await accepted(store, now=NOW - day * DAY)
    await store.retention.claim(NOW)
    days = await store.database.read(lambda connection: set(connection.scalars(select(usage.c.day))))
    assert days == {(NOW - day * DAY).date() for day in (6, 7)}


async def test_users_servers_and_days_have_separate_budgets(store: Store) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    for guild in (GUILD, 5, None):
        await accepted(store, guild_id=guild)
    await accepted(store, requester_id=7, now=midnight)
    await accepted(store, now=midnight - timedelta(microseconds=1))
    found = await store.figures.today(GUILD, PERSON.id, NOW)
    assert (found.person.runs, found.server.runs, found.day_end) == (1, 2, midnight + DAY)
    assert (await store.figures.today(None, PERSON.id, NOW)).person.runs == 1


async def test_an_approval_is_judged_with_what_is_used_by_then(store: Store) -> None:
    budgets = {"person": {"runs_a_day": 2}, "gpu_weights": {"H100": 2}}
    await stored_rules(store, GUILD, {"approval": REVIEWED, "budgets": budgets})
    pair = await accept(store, *asked(2, gpu="H100"))
    others = [await accept(store, request()) for _ in range(2)]
    assert (await spent(store))[0] == Spending(waiting=4)
    assert await store.reviews.approve(others[0].key, 5, NOW) is None
    refused = await store.reviews.approve(pair.key, 5, NOW)
    assert refused is not None
    assert refused.code == "budget_runs"
    assert await store.reviews.approve(others[1].key, 5, NOW) is None
    budgets["gpu_weights"] = {"H100": 3}
    await stored_rules(store, GUILD, {"approval": REVIEWED, "budgets": budgets})
    tomorrow = NOW + timedelta(hours=20)
    assert await store.reviews.approve(pair.key, 5, tomorrow) is None
    then = (await spent(store, tomorrow))[0]
    assert (then.runs, then.gpu_seconds) == (2, 2 * 3 * 60)


async def test_requests_that_wait_on_one_server_use_up_no_other_servers_seconds(stores: Stores) -> None:
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=120))
    # They don't start, because they are due later.
    for _ in range(2):
        await accept(store, request(), now=at(20))
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request())
    for now in (at(10), at(11)):
        await accepted(store, guild_id=5, now=now)
        assert await take(store, now) is not None
    # What has started counts on every server.
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request(guild_id=5), now=at(12))
