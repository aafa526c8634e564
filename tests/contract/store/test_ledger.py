"""The ledger counts every run of a day once, whatever happens to its request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.database.tables import usage
from bot.domain.budgets import GIVEN_BACK_A_DAY, Spending, Usage, day_end
from bot.domain.errors import RefusedError
from bot.domain.policy import OperatorRules
from bot.domain.runs import Run, RunState
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store import batches
from tests.contract.store.rows import GUILD, block, run_keys, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    PICTURE,
    SOON,
    SUCCESS,
    accept,
    accepted,
    at,
    fetch,
    posted,
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


async def today(store: Store, now: Any = NOW, person: int = PERSON.id) -> Usage:
    return await store.figures.today(GUILD, person, now)


async def spent(store: Store, now: Any = NOW) -> tuple[Spending, float]:
    """Return what the person has spent, and the seconds of the whole bot."""
    found = await today(store, now)
    assert found.server == found.person
    return found.person, found.gpu_seconds_today


async def rows(store: Store) -> list[tuple[Any, ...]]:
    """Return the ledger's rows as (days from NOW, server, person, runs, seconds, given back)."""
    columns = (usage.c.day, usage.c.guild_id, usage.c.person_id, usage.c.runs, usage.c.seconds)
    query = select(*columns, usage.c.given_back).order_by(usage.c.day, usage.c.guild_id, usage.c.person_id)
    found = await store.database.read(lambda connection: connection.execute(query).all())
    return [((row.day - NOW.date()).days, *row[1:]) for row in found]


async def fail(store: Store, run: Run, **more: Any) -> None:
    await store.runs.record_report(run.key, report(S.FAILED, **more), at(10), SOON, asked=True)


async def test_a_run_is_charged_to_its_person_when_accepted_and_to_the_bot_when_claimed(store: Store) -> None:
    run = await accepted(store)
    assert await rows(store) == [(0, GUILD, PERSON.id, 1, 60, 0)]
    await started(store)
    assert await rows(store) == [(0, 0, 0, 0, 60, 0), (0, GUILD, PERSON.id, 1, 60, 0)]
    done = report(S.SUCCEEDED, outputs=(PICTURE,), run_duration=12.5)
    for now in (20, 30):
        await store.runs.record_report(run.key, done, at(now), SOON, asked=True)
        assert await rows(store) == [(0, 0, 0, 0, 12.5, 0), (0, GUILD, PERSON.id, 1, 12.5, 0)]


@pytest.mark.parametrize("state", [S.UNCONFIRMED, S.TIMED_OUT, S.CANCELLED])
async def test_what_may_have_been_executed_gives_nothing_back(store: Store, state: RunState) -> None:
    run = await submitted(store)
    if state is S.CANCELLED:
        await store.runs.record_report(run.key, report(S.CANCELLED), at(1), SOON, asked=True)
    else:
        await store.runs.finish(run.key, state, at(1), code="x")
    assert await spent(store) == (RESERVED, 60)


async def test_a_late_success_is_charged_once(store: Store) -> None:
    for end in (S.UNCONFIRMED, S.REFUSED):
        run = await submitted(store)
        await store.runs.finish(run.key, end, at(1), code="x")
        await store.runs.record_report(run.key, SUCCESS, at(5), SOON)
        later = SUCCESS._replace(run_duration=20.0)
        await store.runs.record_report(run.key, later, at(30), SOON, asked=True)
    assert await spent(store) == (Spending(runs=2, gpu_seconds=40), 40)


@pytest.mark.parametrize("how", ["cancelled", "blocked", "refused", "cancelled after a claim"])
async def test_what_never_started_gives_everything_back(store: Store, how: str) -> None:
    batch = await batches.accepted(store, 2)
    key = batch[0].key
    assert (await today(store)).person == Spending(runs=2, gpu_seconds=120, waiting=2)
    if how == "cancelled":
        await store.runs.request_cancel(key, NOW, by=PERSON.id)
    elif how == "blocked":
        await block(store, PERSON.id, at=NOW, by=5)
    elif how == "refused":
        for run in batch:
            await store.runs.finish(run.key, S.REFUSED, NOW, code="x")
    else:
        run = await started(store)
        await store.runs.request_cancel(key, NOW, by=PERSON.id)
        await store.claims.requeue(run, at(5), at(1))
    assert await spent(store) == (FREE, 0)


async def test_a_run_that_is_requeued_and_claimed_again_counts_once(store: Store) -> None:
    run = await submitted(store)
    await store.claims.requeue(run, at(5), at(1))
    assert (await rows(store))[0] == (0, 0, 0, 0, 0, 0)
    await started(store, at(6))
    assert await spent(store) == (RESERVED, 60)


async def test_a_requeued_run_that_was_started_after_all_counts_once(store: Store) -> None:
    run = await submitted(store)
    await store.claims.requeue(run, at(5), at(1))
    await store.runs.record_report(run.key, report(), at(2), SOON)
    assert await spent(store) == (RESERVED, 60)
    await store.runs.record_report(run.key, SUCCESS._replace(run_duration=4.0), at(6), SOON)
    assert await spent(store) == (Spending(runs=1, gpu_seconds=4), 4)


async def test_three_failures_a_day_are_no_runs_but_all_cost_seconds(store: Store) -> None:
    counted = []
    for _ in range(GIVEN_BACK_A_DAY + 2):
        run = await submitted(store)
        for _ in range(2):
            await fail(store, run, run_duration=5.0)
        counted.append((await today(store)).person.runs)
    assert counted == [0, 0, 0, 1, 2]
    assert await spent(store) == (Spending(runs=2, gpu_seconds=25), 25)
    other = await submitted(store, requester_id=7)
    await fail(store, other)
    assert (await today(store, person=7)).person == Spending(gpu_seconds=60)
    tomorrow = await submitted_at(store, NOW + DAY)
    await fail(store, tomorrow)
    assert (await today(store, NOW + DAY)).person.runs == 0


async def submitted_at(store: Store, now: Any) -> Run:
    await accepted(store, now=now)
    return await started(store, now)


async def test_a_failure_whose_outputs_come_later_is_a_run_after_all(store: Store) -> None:
    run = await submitted(store)
    await fail(store, run)
    assert (await rows(store))[-1] == (0, GUILD, PERSON.id, 0, 60, 1)
    await fail(store, run, outputs=(PICTURE,))
    assert (await rows(store))[-1] == (0, GUILD, PERSON.id, 1, 60, 0)


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


async def test_a_reservation_moves_to_the_day_of_its_claim(store: Store) -> None:
    run = await accepted(store, now=LATE)
    claimed = await started(store, MIDNIGHT)
    assert (claimed.key, claimed.charged_on) == (run.key, MIDNIGHT.date())
    assert await rows(store) == [
        (0, GUILD, PERSON.id, 0, 0, 0),
        (1, 0, 0, 0, 60, 0),
        (1, GUILD, PERSON.id, 1, 60, 0),
    ]


async def test_a_run_that_goes_on_over_midnight_counts_on_the_day_of_its_claim(store: Store) -> None:
    await accepted(store, now=LATE)
    run = await started(store, LATE)
    await store.runs.record_report(run.key, report(), LATE, SOON)
    assert await spent(store, MIDNIGHT + timedelta(minutes=30)) == (FREE, 0)
    done = SUCCESS._replace(run_duration=2400.0)
    await store.runs.record_report(run.key, done, LATE + timedelta(minutes=40), SOON)
    assert await spent(store, LATE) == (Spending(runs=1, gpu_seconds=2400), 2400)
    assert await spent(store, MIDNIGHT) == (FREE, 0)


async def test_a_clock_that_is_set_back_moves_reservations_too(store: Store) -> None:
    await accepted(store, now=NOW + 30 * DAY)
    run = await accepted(store)
    for _ in range(2):
        assert await take(store, NOW + 31 * DAY) is not None
    await store.claims.requeue(await fetch(store, run.key), NOW, NOW)
    await started(store)
    assert await spent(store) == (RESERVED, 60)
    assert await spent(store, NOW + 31 * DAY) == (RESERVED, 60)


async def test_nothing_that_forgets_a_request_forgets_what_it_used(store: Store) -> None:
    await stored_rules(store, GUILD, {"retention_days": 1, "budgets": {"person": {"waiting": None}}})
    await accepted(store, now=NOW - DAY - timedelta(minutes=1))
    run = await started(store)
    await store.runs.record_report(run.key, SUCCESS._replace(run_duration=30.0), at(30), SOON)
    await posted(store, now=at(31))
    used = await spent(store)
    assert used == (Spending(runs=1, gpu_seconds=30), 30)
    assert (await store.privacy.erase(PERSON.id, at(40))).emptied == 1
    assert await spent(store) == used
    expired = await store.retention.claim(at(50))
    assert expired is not None
    await store.retention.handle(expired)
    assert await run_keys(store) == set()
    assert await spent(store) == used


async def test_an_erasure_removes_the_days_before_today(store: Store) -> None:
    for person in (PERSON.id, 7):
        for day in range(3):
            await accepted(store, now=NOW - day * DAY, requester_id=person)
    found = await store.privacy.rows_of(PERSON.id)
    assert [(each["day"], each["guild_id"], each["runs"]) for each in found] == [
        ((NOW - day * DAY).date(), GUILD, 1) for day in (2, 1, 0)
    ]
    await store.privacy.erase(PERSON.id, NOW)
    assert [each["day"] for each in await store.privacy.rows_of(PERSON.id)] == [NOW.date()]
    assert len(await store.privacy.rows_of(7)) == 3


async def test_days_are_removed_after_a_week(store: Store) -> None:
    for day in range(20):
        await accepted(store, now=NOW - day * DAY)
        await started(store, NOW - day * DAY)
    await store.retention.claim(NOW)
    assert {row[0] for row in await rows(store)} == set(range(-7, 1))
    # What is settled after that changes nothing.
    old = (await run_keys(store)).pop()
    await store.runs.finish(old, S.TIMED_OUT, at(1), code="x")
