"""The last run of a batch that ends creates the batch's one outcome, on its lead."""

from __future__ import annotations

import asyncio

from bot.domain.messages.records import Kind
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.batches import accepted, ended, kinds_of_each, running, said, success
from tests.contract.store.runs import (
    LEASE,
    NOW,
    PERSON,
    SOON,
    answers_due,
    at,
    begin,
    claim_if_any,
    claimed,
    release,
    take,
    take_message,
)


async def test_the_last_end_creates_the_outcome_on_the_lead(store: Store) -> None:
    runs = await running(store)
    await ended(store, runs[0], runs[2])
    assert await kinds_of_each(store, runs) == [[], [], []]
    assert await claim_if_any(store) is None
    failed = said(runs[1], RunState.FAILED)
    await store.runs.record_report(runs[1].key, failed, at(5), SOON)
    # The failed run may have made something, so GET /run is asked first.
    assert await kinds_of_each(store, runs) == [[], [], []]
    await store.runs.record_report(runs[1].key, failed, at(6), SOON, asked=True)
    assert await kinds_of_each(store, runs) == [["outcome"], [], []]
    claim = await claimed(store, now=at(6))
    assert claim.key == runs[0].key
    assert [run.state for run in claim.runs] == ["succeeded", "failed", "succeeded"]


async def test_concurrent_ends_create_one_outcome(store: Store, other: Store) -> None:
    runs = await running(store, 4)
    reports = [(process, run) for run in runs for process in (store, other)]
    await asyncio.gather(
        *(process.runs.record_report(run.key, success(run), NOW, SOON) for process, run in reports)
    )
    assert await kinds_of_each(store, runs) == [["outcome"], [], [], []]


async def test_ends_cancellations_and_progress_leave_one_outcome(store: Store, other: Store) -> None:
    """Every change that locks several rows runs against the others, without a deadlock."""
    for _ in range(5):
        runs = await running(store, 6)
        news = {run.key: said(run, RunState.RUNNING, progress=0.5) for run in runs}
        await asyncio.gather(
            *(other.runs.record_report(run.key, success(run), NOW, SOON) for run in reversed(runs[:4])),
            store.runs.save_progress(news, NOW, SOON),
            store.runs.request_cancel(runs[0].key, NOW, by=PERSON.id),
            *(store.runs.finish(run.key, RunState.CANCELLED, NOW, code="x") for run in runs[3:]),
            take_message(other, NOW, "other", SOON),
        )
        assert await kinds_of_each(store, runs) == [["outcome"], *[[]] * 5]


async def test_a_cancellation_ends_waiting_runs_and_marks_running_ones(store: Store) -> None:
    runs = await accepted(store)
    assert await take(store) is not None
    await store.runs.record_report(runs[0].key, said(runs[0], RunState.RUNNING), NOW, SOON)
    assert await store.runs.request_cancel(runs[0].key, NOW, by=PERSON.id)
    after = await store.runs.batch(runs[0])
    assert [run.state for run in after] == ["running", "cancelled", "cancelled"]
    assert all(run.cancel_requested_at for run in after)
    assert await kinds_of_each(store, runs) == [[], [], []]
    await store.runs.finish(runs[0].key, RunState.CANCELLED, NOW, code="cancelled_by_requester")
    assert await kinds_of_each(store, runs) == [["outcome"], [], []]
    assert not await store.runs.request_cancel(runs[0].key, NOW, by=PERSON.id)


async def test_a_late_success_is_part_of_an_outcome_that_is_not_yet_posted(store: Store) -> None:
    runs = await running(store, 2)
    await store.runs.finish(runs[1].key, RunState.TIMED_OUT, NOW, code="deadline")
    await ended(store, runs[1])  # the other one still runs
    assert await kinds_of_each(store, runs) == [[], []]
    await ended(store, runs[0])
    assert await kinds_of_each(store, runs) == [["outcome"], []]
    claim = await claimed(store)
    assert [run.state for run in claim.runs] == ["succeeded", "succeeded"]
    assert claim.late == frozenset()


async def test_a_late_success_stops_the_post_of_a_claimed_outcome(store: Store) -> None:
    runs = await running(store, 2)
    await store.runs.finish(runs[1].key, RunState.TIMED_OUT, NOW, code="deadline")
    await ended(store, runs[0])
    claim = await claimed(store)
    await ended(store, runs[1])
    assert not await begin(store, claim)
    assert await kinds_of_each(store, runs) == [["outcome"], []]


async def test_a_late_success_joins_an_outcome_that_waits_for_a_moderator(store: Store) -> None:
    runs = await running(store, 2)
    await store.runs.finish(runs[1].key, RunState.TIMED_OUT, NOW, code="deadline")
    await ended(store, runs[0])
    await release(store, await claimed(store), NOW, shown=True)  # nothing was posted
    await ended(store, runs[1])
    assert await kinds_of_each(store, runs) == [["outcome"], []]
    assert (await claimed(store)).late == frozenset()


async def test_a_late_success_after_the_outcome_has_its_own_message(store: Store) -> None:
    runs = await running(store, 2)
    await store.runs.finish(runs[0].key, RunState.TIMED_OUT, NOW, code="deadline")
    await ended(store, runs[1])
    claim = await claimed(store)
    assert await begin(store, claim)
    await ended(store, runs[0], runs[0])
    assert await kinds_of_each(store, runs) == [["late", "outcome"], []]
    # The outcome is still pending, and doesn't show the late success.
    await release(store, claim, NOW - LEASE, shown=False)
    again = await claimed(store)
    assert (again.message.kind, again.late) == (Kind.OUTCOME, frozenset({runs[0].key}))
    await release(store, again, NOW, shown=True)
    own = await claimed(store)
    assert (own.message.kind, own.key, own.results) == (Kind.LATE, runs[0].key, [own.run])


async def test_the_status_message_is_edited_until_the_last_run_ends(store: Store) -> None:
    runs = await running(store)
    assert await answers_due(store, at(1)) == [runs[0].key]
    assert await answers_due(store, at(20)) == []
    progress = {runs[2].key: said(runs[2], RunState.RUNNING, progress=0.5)}
    await store.runs.save_progress(progress, at(20), at(50))
    assert await answers_due(store, at(20)) == [runs[0].key]
    await ended(store, runs[0], now=at(21))
    assert await answers_due(store, at(21)) == [runs[0].key]
    await ended(store, *runs[1:], now=at(25))
    assert (await claimed(store, now=at(25))).message.kind is Kind.OUTCOME
    assert await answers_due(store, at(60)) == []
