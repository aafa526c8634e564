"""Cancelling a run: at once, later, too late, or impossible."""

from __future__ import annotations

import pytest

from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.runs import (
    SOON,
    answer_of,
    at,
    brought_to,
    columns,
    fetch,
    is_pending,
    owed,
    report,
    submitted,
)


async def test_a_cancellation_before_the_id_is_known_is_due_once_it_is(store: Store) -> None:
    run = await submitted(store)
    await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
    assert (await columns(store, run.key))["due_at"] > at(1)
    await store.runs.record_report(run.key, report(RunState.QUEUED), at(2), SOON)
    assert (await columns(store, run.key))["due_at"] == at(2)


async def test_a_cancellation_of_a_known_run_is_due_at_once(store: Store) -> None:
    for state in (RunState.QUEUED, RunState.RUNNING, RunState.UPLOADING):
        run = await brought_to(store, state)
        await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
        await store.runs.request_cancel(run.key, at(3), by=run.requester_id)
        row = await columns(store, run.key)
        assert (row["state"], row["cancel_requested_at"], row["due_at"]) == (state, at(1), at(1))
        assert is_pending(await answer_of(store, run.key))
        assert await owed(store, run.key) == []


@pytest.mark.sqlite_only
async def test_cancelling_an_ended_run_changes_nothing(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    before = await columns(store, run.key)
    assert not await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
    assert await columns(store, run.key) == before


async def test_a_run_that_cannot_be_cancelled_says_so(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
    await store.runs.refuse_cancel(await fetch(store, run.key))
    after = await fetch(store, run.key)
    assert (after.cancel_requested_at, after.cancelled_by) == (None, None)
    assert after.status_note == "not_cancellable"

    ended = await brought_to(store, RunState.SUCCEEDED)
    await store.runs.refuse_cancel(ended)
    assert (await fetch(store, ended.key)).status_note is None
