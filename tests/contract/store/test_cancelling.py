"""Cancelling a run: at once, later, too late, or impossible."""

from __future__ import annotations

from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.runs import (
    SOON,
    answer_of,
    at,
    brought_to,
    columns,
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
