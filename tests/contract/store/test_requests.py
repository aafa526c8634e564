"""What is accepted is stored whole and counted once, and what is erased or expired goes.

`test_operations.py` shows what each operation adds to the ledger.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from bot.domain.errors import RefusedError
from bot.domain.moderation import AuditAction
from bot.domain.policy import GIVEN_BACK_A_DAY, OperatorRules, Spending, day_end
from bot.domain.requests import Actor, ChannelState, Press, press_id
from bot.domain.runs import FINAL, Run, RunState
from bot.store import Store
from bot.store.requests import DOUBLE_PRESS
from tests.contract.conftest import Stores
from tests.contract.store.rows import (
    ALICE,
    GUILD,
    active_blocks,
    audit_log,
    block,
    run_keys,
    stored_rules,
    stored_run,
    unblock,
)
from tests.contract.store.runs import (
    NOW,
    PERSON,
    SOON,
    SUCCESS,
    accept,
    accepted,
    asked,
    at,
    at_once,
    columns,
    fetch,
    origin_of,
    request,
    run_update,
    started,
    submitted,
    take,
)

DAY = timedelta(days=1)
MIDNIGHT = day_end(NOW)
FREE = Spending()
INTERACTIONS = count(1)
UNENDED = set(RunState) - FINAL


async def test_a_request_is_read_as_it_was_stored(store: Store) -> None:
    inputs = {"seed": 2**64 - 1, "cfg": 7.25, "tall": True, "images": ["a", "b"], "prompt": "ï 🙂 \u202e \\"}
    asked = request(inputs=inputs, seed=2**53 - 1, gpu="A100-80GB", parent_key="abc", deadline_seconds=90)
    run = await accept(store, asked)
    assert run == await fetch(store, asked.key)
    # Columns that the decision and the ledger add.
    terms = ("requester_roles", "reserved_seconds", "charged_on")
    assert run == replace(asked, **{name: getattr(run, name) for name in terms})


async def test_a_request_that_cannot_be_stored_fails_alone(store: Store) -> None:
    first = request(interaction_id=1 << 60)
    again = [request(interaction_id=1 << 60), replace(first, interaction_id=1), request()]
    results = [(await at_once(accept(store, each)))[0] for each in (first, *again)]
    assert [type(result).__name__ for result in results] == ["Run", "AlreadyTaken", "IntegrityError", "Run"]
    assert isinstance(results[2], IntegrityError)
    assert "an-interaction-token" not in str(results[2])
    usage = await store.figures.today(GUILD, PERSON.id, NOW)
    assert (usage.person.runs, usage.server.waiting) == (2, 2)


async def test_only_the_same_persons_same_button_within_seconds_is_a_double_press(
    store: Store, other: Store
) -> None:
    again, just = press_id("again", "abc"), timedelta(microseconds=1)

    async def press(store: Store, what: Press | None, person: int = PERSON.id, number: int = 0) -> str:
        asked = request(requester_id=person, interaction_id=number or next(INTERACTIONS))
        member, state = replace(PERSON, id=person), ChannelState()
        actor = Actor(member, origin_of(asked), frozenset(), lambda _channel_id: state, press=what)
        made = store.requests.accept([asked], actor, what.at if what else NOW, public=True)
        return type((await at_once(made))[0]).__name__

    assert await press(store, Press(again, NOW)) == "Run"
    others = (Press(press_id("vary", "abc"), NOW), PERSON.id), (Press(again, NOW), 7), (None, PERSON.id)
    assert [await press(store, *each) for each in others] == ["Run"] * 3
    # The clocks of two processes may differ by seconds, and one that was set back doesn't count.
    for seconds in (DOUBLE_PRESS - just, -timedelta(seconds=3)):
        assert await press(other, Press(again, NOW + seconds)) == "PressedTwice"
    for far in (DOUBLE_PRESS, -timedelta(minutes=30)):
        assert await press(other, Press(again, NOW + far)) == "Run"
    # The process that is late with the same interaction must not answer, because the other one does.
    vary = Press(press_id("vary", "xyz"), NOW)
    assert [await press(each, vary, number=1 << 60) for each in (store, other)] == ["Run", "AlreadyTaken"]


async def spent(store: Store, now: Any = NOW) -> tuple[Spending, float]:
    """Return what the person has spent, and the seconds of the whole bot."""
    found = await store.figures.today(GUILD, PERSON.id, now)
    assert found.server == found.person
    return found.person, found.gpu_seconds_today


async def test_three_failures_a_day_are_no_runs_but_all_cost_seconds(store: Store) -> None:
    async def fail(run: Run, **more: Any) -> None:
        failed = run_update(RunState.FAILED, **more)
        await store.runs.record_update(run.key, failed, at(10), SOON, asked=True)

    counted = []
    for _ in range(GIVEN_BACK_A_DAY + 2):
        await fail(await submitted(store), run_duration=5.0)
        counted.append((await spent(store))[0].runs)
    assert counted == [0, 0, 0, 1, 2]
    assert await spent(store) == (Spending(runs=2, gpu_seconds=25), 25)
    await fail(await submitted(store, requester_id=7))
    assert (await store.figures.today(GUILD, 7, NOW)).person == Spending(gpu_seconds=60)
    await accepted(store, now=NOW + DAY)
    await fail(await started(store, NOW + DAY))
    assert (await spent(store, NOW + DAY))[0].runs == 0


async def test_runs_in_flight_count_the_time_that_they_have_used(stores: Stores) -> None:
    """Two runs of half an hour are no two minutes, while they go on."""
    store = await stores.open(operator=OperatorRules(daily_gpu_seconds=3600))
    await stored_rules(store, GUILD, {"budgets": {"gpu_weights": {"H100": 2}}})
    runs = [await submitted(store, gpu="H100") for _ in range(2)]
    for run in runs:
        await store.runs.record_update(run.key, run_update(), NOW, SOON)
    assert await spent(store, at(60)) == (Spending(runs=2, gpu_seconds=240), 120)
    assert await spent(store, at(1800)) == (Spending(runs=2, gpu_seconds=7200), 3600)
    assert (await store.figures.gauges(at(1800))).gpu_seconds_today == 3600
    with pytest.raises(RefusedError, match="daily_limit"):
        await accept(store, request(), now=at(1800))
    for run in runs:
        done = SUCCESS._replace(run_duration=1800.0)
        await store.runs.record_update(run.key, done, at(1800), SOON)
    assert (await spent(store, at(9000)))[1] == 3600


async def test_a_run_that_goes_on_over_midnight_counts_on_the_day_of_its_claim(store: Store) -> None:
    late = MIDNIGHT - timedelta(minutes=10)
    await accepted(store, now=late)
    run = await started(store, late)
    await store.runs.record_update(run.key, run_update(), late, SOON)
    assert await spent(store, MIDNIGHT + timedelta(minutes=30)) == (FREE, 0)
    done = SUCCESS._replace(run_duration=2400.0)
    await store.runs.record_update(run.key, done, late + timedelta(minutes=40), SOON)
    assert await spent(store, late) == (Spending(runs=1, gpu_seconds=2400), 2400)
    assert await spent(store, MIDNIGHT) == (FREE, 0)


async def test_users_servers_and_days_have_separate_budgets(store: Store) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    for guild in (GUILD, 5, None):
        await accepted(store, guild_id=guild)
    await accepted(store, requester_id=7, now=midnight)
    await accepted(store, now=midnight - timedelta(microseconds=1))
    found = await store.figures.today(GUILD, PERSON.id, NOW)
    assert (found.person.runs, found.server.runs, day_end(found.now)) == (1, 2, midnight + DAY)
    assert (found.person.waiting, found.server.waiting, found.gpu_seconds_today) == (2, 3, 180)
    assert (await store.figures.today(None, PERSON.id, NOW)).person.runs == 1


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


async def test_an_approval_is_judged_with_todays_budgets_weights_and_roles(store: Store) -> None:
    review = {"approval": {"mode": "everybody", "review_channel_id": 9}}
    budgets = {"person": {"runs_a_day": 2}, "role_at_once": {"5": 4}, "gpu_weights": {"H100": 2}}
    await stored_rules(store, GUILD, review | {"budgets": budgets})
    pair = await accept(store, *asked(2, gpu="H100"))
    single = await accept(store, request())
    assert await spent(store) == (Spending(waiting=3), 0)
    assert (
        await store.reviews.approve(single.key, 5, NOW, person=replace(PERSON, role_ids=frozenset({5})))
        is None
    )
    run = await columns(store, single.key)
    assert (run["requester_roles"], run["user_limit"]) == ([5], 4)
    refused = await store.reviews.approve(pair.key, 5, NOW)
    assert refused is not None
    assert refused.code == "budget_runs"
    weights = budgets | {"gpu_weights": {"H100": 3}}
    await stored_rules(store, GUILD, review | {"budgets": weights})
    tomorrow = NOW + timedelta(hours=20)
    assert await store.reviews.approve(pair.key, 5, tomorrow) is None
    then = (await spent(store, tomorrow))[0]
    assert (then.runs, then.gpu_seconds) == (2, 2 * 3 * 60)


async def test_an_erasure_empties_ended_requests_and_leaves_the_others(store: Store) -> None:
    empty = {"inputs": {}, "prompt": None, "seed": None, "outputs": [], "failure_log": "no memory"}
    about = {"requester_roles": [5], "requester_joined_at": NOW, "press": "a button", "live_status": "Load"}
    about["verdicts"] = {"0": ["held", "nudity"]}
    key = await stored_run(store, RunState.FAILED, **empty, **about)
    left = {await stored_run(store, state, outcome=None) for state in UNENDED}
    left.add(await stored_run(store, outcome="pending"))
    before = [await columns(store, key) for key in left]
    erased = await store.privacy.erase(ALICE, NOW)
    assert (erased.emptied, {run.key for run in erased.left}) == (1, left)
    row = await columns(store, key)
    assert [row[name] for name in ("failure_log", *about)] == [None] * 6
    assert (await store.privacy.erase(ALICE, at(1))).emptied == 0
    assert [entry.action for entry in await audit_log(store)].count(AuditAction.PRIVACY) == 1
    assert [await columns(store, key) for key in left] == before


async def prune(store: Store, now: Any = NOW) -> set[str]:
    """Remove expired rows as the worker does, and return the keys of the runs that are left."""
    for _ in range(9):
        expired = await store.retention.claim(now)
        if expired is None:
            return await run_keys(store)
        await store.retention.handle(expired)
    raise AssertionError("retention finds the same rows again and again")


async def test_retention_follows_each_servers_own_days_and_keeps_what_is_not_shown(store: Store) -> None:
    short, long, old = GUILD + 1, GUILD + 2, NOW - timedelta(days=800)
    await stored_rules(store, short, {"retention_days": 7})
    await stored_rules(store, long, {"retention_days": 3650})
    kept = {await stored_run(store, state, at=old, outcome=None) for state in UNENDED}
    kept.add(await stored_run(store, at=old, outcome="pending"))
    await stored_run(store, at=old, outcome="offered")
    for guild, days in ((short, 8), (short, 6), (long, 400), (GUILD, 366), (GUILD, 364), (None, 366)):
        key = await stored_run(store, at=NOW - timedelta(days=days), guild=guild)
        kept |= {key} if (guild, days) in {(short, 6), (long, 400), (GUILD, 364)} else set()
    assert await prune(store) == kept


async def test_a_clock_that_jumps_years_ahead_expires_one_day_at_once(stores: Stores) -> None:
    store = await stores.open()
    await stored_rules(store, GUILD, {"retention_days": 30})
    new, month, _ = [await stored_run(store, at=NOW - timedelta(days=age)) for age in (0, 28.5, 29.5)]
    assert len(await prune(store)) == 3
    ahead = NOW + timedelta(days=3650)
    for _ in range(3):
        # The bot is restarted again and again.
        assert await prune(await stores.open(), ahead) == {new, month}
    for hours in (12, 24, 48, 96):
        assert await prune(store, ahead + timedelta(hours=hours)) == {new}
    # Once the clock is right again, retention uses it.
    await prune(store, NOW + timedelta(hours=1))
    late = await stored_run(store, at=NOW - timedelta(days=29, hours=12))
    assert late in await prune(store, NOW + timedelta(hours=2))


async def test_a_block_ends_one_persons_requests_on_its_server_and_is_told_once(store: Store) -> None:
    await stored_rules(store, GUILD, {"private_results": True})
    batch = asked(2)
    await accept(store, *batch)
    assert (await started(store)).key == batch[0].key
    runs = [batch[1], *[await accepted(store, now=at(number)) for number in range(2)]]
    runs.append(await accepted(store, private=True, now=at(9)))
    others = [await accepted(store, **other) for other in ({"requester_id": 7}, {"guild_id": 5})]
    await store.runs.record_update(batch[0].key, run_update(), NOW, SOON)
    assert await block(store, PERSON.id, at=at(60), until=at(90)) == 4
    # A batch that continues and a private request are told by their own outcomes.
    until = {"until": int(at(90).timestamp())}
    told = [(await fetch(store, run.key)).failure_params for run in runs]
    assert told == [until, until | {"quiet": True}, until | {"others": 1}, until]
    assert [(await fetch(store, run.key)).state for run in others] == [RunState.WAITING] * 2
    # Only a block that hasn't ended is lifted.
    assert [len(await active_blocks(store, at(second))) for second in (89, 91)] == [1, 0]
    assert not await unblock(store, PERSON.id, at=at(91))
    assert await unblock(store, PERSON.id, at=at(89))
