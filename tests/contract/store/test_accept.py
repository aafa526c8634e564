"""Accepting a request: the decision and the row are one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.budgets import EXPECTED_SECONDS
from bot.domain.errors import RefusedError
from bot.domain.policy import OperatorRules
from bot.domain.requests import Actor, ChannelState
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.conftest import Judged, Stores
from tests.contract.store.rows import run_keys
from tests.contract.store.runs import (
    COUNTED,
    NEWCOMER,
    NOW,
    OPEN_TO_ALL,
    PERSON,
    SOON,
    accept,
    at,
    at_once,
    brought_to,
    fetch,
    origin_of,
    refusals,
    report,
    request,
    started,
    submitted,
    take,
)


async def test_a_request_is_read_as_it_was_stored(store: Store) -> None:
    inputs = {"seed": 2**64 - 1, "cfg": 7.25, "tall": True, "images": ["a", "b"], "prompt": "ï 🙂 \u202e \\"}
    asked = request(inputs=inputs, seed=2**53 - 1, gpu="A100-80GB", parent_key="abc", deadline_seconds=90)
    run = await accept(store, asked)
    assert run == await fetch(store, asked.key)
    assert run.state is RunState.WAITING
    assert dict(run.inputs) == inputs
    assert (run.seed, run.gpu, run.parent_key) == (2**53 - 1, "A100-80GB", "abc")
    assert run.created_at == NOW
    assert run.interaction_expires_at == asked.interaction_expires_at
    assert run.requester_id == asked.requester_id
    for name in ("guild_id", "channel_id", "application_id"):
        assert getattr(run, name) == getattr(asked, name)
    assert (run.outputs, run.failure_params, run.hidden_from_channel) == ((), {}, False)


@pytest.mark.sqlite_only
async def test_a_refused_request_leaves_no_row(store: Store) -> None:
    await store.pause.pause("maintenance", by=1, now=NOW)
    asked = request()
    with pytest.raises(RefusedError) as caught:
        await accept(store, asked)
    assert caught.value.code == "paused"
    assert await store.runs.get(asked.key) is None


async def test_a_hundred_concurrent_requests_never_exceed_the_daily_limit(stores: Stores) -> None:
    operator = OperatorRules(daily_gpu_seconds=5 * EXPECTED_SECONDS)
    processes = [await stores.open(operator=operator) for _ in range(2)]
    results = await at_once(*(accept(each, request()) for each in processes * 50))
    assert [error.code for error in refusals(results)] == ["daily_limit"] * 95
    assert len(await run_keys(processes[0])) == 5


async def test_the_operator_caps_what_one_server_may_queue(stores: Stores) -> None:
    processes = [await stores.open(operator=replace(OPEN_TO_ALL, max_waiting_per_server=3)) for _ in range(2)]
    results = await at_once(*(accept(each, request()) for each in processes * 10))
    assert [error.code for error in refusals(results)] == ["server_budget_waiting"] * 17
    # Neither other servers nor people outside servers are affected.
    for guild in (5, None, None, None, None):
        await accept(processes[0], request(guild_id=guild))
    # A run that starts makes room, and is not refused because others wait.
    assert await take(processes[1], at(9)) is not None
    await accept(processes[0], request(), now=at(10))


async def test_the_billed_duration_replaces_the_reserve(stores: Stores, judged: Judged) -> None:
    store = await stores.open(operator=COUNTED)
    run = await submitted(store)
    await accept(store, request())
    await store.runs.record_report(run.key, report(RunState.FAILED, run_duration=7.5), NOW, SOON, asked=True)
    for now in (NOW, NOW + timedelta(days=1)):
        await accept(store, request(), now=now)
    seconds = [usage.gpu_seconds_today for _, usage in judged[1:]]
    # On the next day nothing has started yet, and two runs wait.
    assert seconds == [EXPECTED_SECONDS, EXPECTED_SECONDS + 7.5, 2 * EXPECTED_SECONDS]


async def test_a_run_past_its_deadline_counts_with_the_time_it_ran(stores: Stores, judged: Judged) -> None:
    store = await stores.open(operator=COUNTED)
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.finish(run.key, RunState.TIMED_OUT, at(90), code="deadline")
    await accept(store, request(), now=at(91))
    assert judged[-1][1].gpu_seconds_today == 90


async def test_a_run_may_start_once_its_request_is_accepted(store: Store) -> None:
    run = await accept(store, request())
    claimed = await started(store)
    assert (claimed.key, claimed.status_message_id) == (run.key, None)
    await store.messages.answered(run.key, 77, NOW)
    assert (await fetch(store, run.key)).status_message_id == 77
    await store.messages.answered(run.key, 78, NOW)
    assert (await fetch(store, run.key)).status_message_id == 77


async def test_reading_what_decides_about_a_request_stores_nothing(store: Store) -> None:
    asked, nobody = request(), frozenset[int]()
    requester = Actor(PERSON, origin_of(asked), nobody, lambda _channel_id: ChannelState())
    assert (await store.requests.facts(requester, "flux", [None], NOW)).usage.paused is None
    await store.pause.pause("maintenance", by=1, now=NOW)
    assert (await store.requests.facts(requester, "flux", [None], NOW)).usage.paused == "maintenance"
    assert await run_keys(store) == set()


async def test_an_answer_that_everybody_sees_is_not_for_a_request_that_needs_approval(store: Store) -> None:
    with pytest.raises(RefusedError, match="rules_changed"):
        await accept(store, request(), person=NEWCOMER, public=True)
    assert await run_keys(store) == set()
    await accept(store, request(), person=NEWCOMER)
