"""The last run of a batch that ends creates the batch's one outcome, on its lead."""

from __future__ import annotations

from bot.domain.messages.records import Kind
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.batches import ended, kinds_of_each, running, said
from tests.contract.store.runs import (
    LEASE,
    NOW,
    SOON,
    at,
    begin,
    claim_if_any,
    claimed,
    release,
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
