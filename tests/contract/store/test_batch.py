"""Batches are accepted, end and are removed as a whole."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.messages.records import Kind
from bot.domain.results import RunFilter
from bot.domain.runs import RunState
from bot.store import Store
from bot.store.erasure import ExpiredRows
from tests.contract.store.batches import asked, ended, kinds_of_each, running, said
from tests.contract.store.rows import audit_log, run_keys
from tests.contract.store.runs import (
    LEASE,
    NOW,
    PERSON,
    SOON,
    accept,
    accept_for_review,
    at,
    begin,
    claim_if_any,
    claimed,
    place,
    posted,
    release,
    request,
)


async def test_a_batch_is_stored_with_its_first_run_as_lead(store: Store) -> None:
    requests = asked(3)
    lead = await accept(store, *requests)
    runs = await store.runs.batch(lead)
    assert [run.key for run in runs] == [each.key for each in requests]
    for index, run in enumerate(runs):
        assert (run.request_key, run.index, run.count, run.seed) == (lead.key, index, 3, index)
    # The interaction is answered once.
    assert [run.interaction_token for run in runs] == ["an-interaction-token", None, None]
    assert [line.action for line in await audit_log(store)] == ["request"]


async def test_an_unapproved_batch_ends_with_one_outcome(store: Store) -> None:
    for how in ("rejected", "expired", "cancelled", "refused"):
        lead = await accept_for_review(store, *asked(3))
        if how == "rejected":
            await store.reviews.reject(lead.key, 5, "no", NOW)
        elif how == "cancelled":
            await store.runs.request_cancel(lead.key, NOW, by=PERSON.id)
        else:
            assert await store.runs.finish(lead.key, RunState(how), NOW, code=how)
        runs = list(await store.runs.batch(lead))
        assert {(run.state, run.hidden_from_channel) for run in runs} == {(RunState(how), True)}
        first, *others = await kinds_of_each(store, runs)
        assert sorted(first) == ["outcome", "review"]
        assert others == [[], []]


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


async def test_redelivering_a_batch_moves_it_to_the_new_channel(store: Store) -> None:
    runs = await running(store)
    await ended(store, *runs)
    await release(store, (await claimed(store)).changed(offered=True), NOW, shown=True)
    (entry,) = await store.history.page(PERSON.id, RunFilter.UNDELIVERED, limit=5)
    assert entry.undelivered
    there = place(channel_id=4, guild_id=None)
    assert await store.copies.redeliver(runs[0].key, there, NOW)
    # The server's budget has paid for the runs, so they stay with it.
    server = request().guild_id
    assert {(run.channel_id, run.guild_id) for run in await store.runs.batch(runs[0])} == {(4, server)}
    assert (await claimed(store)).key == runs[0].key


async def expired(store: Store) -> ExpiredRows:
    """Claim what expires in many years, which always includes audit entries."""
    rows = await store.retention.claim(NOW + timedelta(days=4000), 10)
    assert rows is not None
    return rows


async def test_retention_removes_a_batch_as_a_whole(store: Store) -> None:
    runs = await running(store)
    await ended(store, *runs[:2])
    assert not (await expired(store)).request_keys
    await ended(store, runs[2])
    assert not (await expired(store)).request_keys  # its outcome is pending
    await posted(store)
    old = await expired(store)
    assert list(old.request_keys) == [runs[0].key]
    await store.retention.handle(old)
    assert await run_keys(store) == set()


async def test_erasure_leaves_a_batch_until_its_last_run_has_ended(store: Store) -> None:
    runs = await running(store)
    await ended(store, *runs[:2])
    erased = await store.privacy.erase(PERSON.id, NOW)
    assert (erased.emptied, len(erased.left)) == (0, 1)
    await ended(store, runs[2])
    await posted(store)
    assert (await store.privacy.erase(PERSON.id, NOW)).emptied == 1
    assert {run.prompt for run in await store.runs.batch(runs[0])} == {None}
