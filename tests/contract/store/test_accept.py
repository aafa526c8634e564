"""Taking a request in: the decision and the row are one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.domain.budgets import EXPECTED_SECONDS
from bot.domain.errors import RefusedError
from bot.domain.policy import OperatorRules
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.conftest import Judged, Stores
from tests.contract.store.runs import (
    NOW,
    SOON,
    accept,
    accepted,
    at,
    brought_to,
    fetch,
    report,
    request,
    submitted,
    take,
)


async def test_a_request_comes_back_exactly_as_it_was_made(store: Store) -> None:
    inputs = {"seed": 2**64 - 1, "cfg": 7.25, "tall": True, "images": ["a", "b"], "prompt": "ï 🙂 \u202e \\"}
    asked = request(inputs=inputs, seed=2**53 - 1, gpu="A100-80GB", parent_key="abc", deadline_seconds=90)
    run = await accept(store, asked)
    assert run == await fetch(store, asked.key)
    assert run.state is RunState.WAITING
    assert dict(run.inputs) == inputs
    assert (run.seed, run.gpu, run.parent_key) == (2**53 - 1, "A100-80GB", "abc")
    assert run.created_at == NOW
    assert run.interaction_expires_at == asked.origin.interaction_expires_at
    assert (run.requester_id, run.guild_id, run.channel_id, run.application_id) == (
        asked.requester_id,
        asked.origin.guild_id,
        asked.origin.channel_id,
        asked.origin.application_id,
    )
    assert run.outputs == ()
    assert run.failure_params == {}


@pytest.mark.sqlite_only
async def test_a_refused_request_leaves_no_row(store: Store) -> None:
    await store.pause.pause("maintenance", by=1, now=NOW)
    asked = request()
    with pytest.raises(RefusedError) as caught:
        await accept(store, asked)
    assert caught.value.code == "paused"
    assert await store.runs.get(asked.key) is None


async def test_a_hundred_at_once_never_pass_the_daily_budget(stores: Stores) -> None:
    operator = OperatorRules(daily_gpu_seconds=5 * EXPECTED_SECONDS)
    processes = [await stores.open(operator=operator) for _ in range(2)]
    asked = [(process, request()) for _ in range(50) for process in processes]
    results = await asyncio.gather(*(accept(s, r) for s, r in asked), return_exceptions=True)
    refused = [r for r in results if isinstance(r, RefusedError)]
    stored = [r for s, r in asked if await s.runs.get(r.key) is not None]
    assert len(stored) == 5
    assert {r.code for r in refused} == {"daily_limit"}
    assert len(refused) == 95


async def test_what_runs_took_counts_instead_of_the_reserve(store: Store, judged: Judged) -> None:
    run = await submitted(store)
    await accept(store, request())
    await store.runs.record_report(run.key, report(RunState.FAILED, run_duration=7.5), NOW, SOON)
    for now in (NOW, NOW + timedelta(days=1)):
        await accept(store, request(), now=now)
    seconds = [usage.gpu_seconds_today for _, usage in judged[1:]]
    # On the next day nothing was started yet, and the two that wait reserve their share of it.
    assert seconds == [EXPECTED_SECONDS, EXPECTED_SECONDS + 7.5, 2 * EXPECTED_SECONDS]


async def test_a_run_that_we_end_ourselves_counts_with_the_time_it_ran(store: Store, judged: Judged) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.finish(run.key, RunState.TIMED_OUT, at(90), code="deadline")
    await accept(store, request(), now=at(91))
    assert judged[-1][1].gpu_seconds_today == 90


async def test_a_request_is_held_back_until_its_interaction_is_answered(store: Store) -> None:
    run = await accept(store, request())
    assert await take(store, at(4.9)) is None
    await store.runs.release(run.key, 77, NOW)
    claimed = await take(store)
    assert claimed is not None
    assert claimed.status_message_id == 77


async def test_withdrawing_removes_only_what_has_never_gone_out(store: Store) -> None:
    waiting = await accepted(store)
    assert await store.runs.withdraw(waiting.key)
    assert await store.runs.get(waiting.key) is None
    assert not await store.runs.withdraw(waiting.key)

    gone_out = await submitted(store)
    assert not await store.runs.withdraw(gone_out.key)
    await store.claims.requeue(gone_out.key, NOW, NOW)
    assert not await store.runs.withdraw(gone_out.key)
    assert (await fetch(store, gone_out.key)).state is RunState.WAITING


async def test_withdraw_and_claim_at_once_have_one_winner(store: Store, other: Store) -> None:
    for _ in range(20):
        run = await accepted(store)
        withdrawn, taken = await asyncio.gather(other.runs.withdraw(run.key), take(store))
        assert withdrawn is (taken is None)
        assert (await store.runs.get(run.key) is None) is withdrawn


async def test_an_interaction_that_two_processes_hear_of_is_taken_once(store: Store, other: Store) -> None:
    origin = request().origin.model_copy(update={"interaction_id": 1 << 60})
    asked = [(each, request(origin=origin)) for each in (store, other)]
    results = await asyncio.gather(*(accept(process, one) for process, one in asked), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AlreadyTaken", "Run"]
