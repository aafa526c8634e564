"""A block ends the user's waiting runs in its own transaction, against any concurrent change."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from bot.database.rows import nothing_pending
from bot.database.tables import requests
from bot.domain.errors import RefusedError
from bot.domain.runs import IN_FLIGHT, Run, RunState
from bot.store import Store
from tests.contract.store import batches
from tests.contract.store.rows import GUILD, MOD, audit_log, block, stored_rules, stored_run, unblock
from tests.contract.store.runs import (
    NOW,
    PERSON,
    SOON,
    accept,
    accept_for_review,
    accepted,
    at,
    at_once,
    awaiting_approval,
    brought_to,
    fetch,
    kinds,
    owed,
    posted,
    report,
    request,
    started,
    state_of,
    submitted,
    take,
)


async def block_now(store: Store, *, reason: str | None = "spam", guild: int = GUILD) -> int:
    return await block(store, PERSON.id, at=at(60), guild_id=guild, reason=reason)


async def test_a_block_ends_waiting_and_unapproved_runs(store: Store) -> None:
    queued = await accepted(store)
    unread = await awaiting_approval(store)
    assert await block_now(store) == 2
    assert await state_of(store, queued) == (RunState.REFUSED, "requester_blocked")
    assert await state_of(store, unread) == (RunState.REJECTED, "requester_blocked")
    ended = await fetch(store, unread.key)
    assert (ended.decided_by, ended.decided_at, ended.failure_params["reason"]) == (MOD, at(60), "spam")
    assert ended.hidden_from_channel
    shown = [await kinds(store, run.key) for run in (queued, unread)]
    assert [sorted(found) for found in shown] == [["outcome"], ["outcome", "review"]]
    told = [(await fetch(store, run.key)).failure_params for run in (queued, unread)]
    assert sorted(("others" in each, "quiet" in each) for each in told) == [(False, True), (True, False)]
    assert await take(store, at(3600)) is None
    (line,) = [line for line in await audit_log(store) if line.action == "block"]
    assert line.details == {"reason": "spam", "until": "a moderator lifts it", "ended requests": 2}
    ends = [line.outcome for line in await audit_log(store) if line.action == "outcome"]
    assert ends == ["requester_blocked"] * 2


async def test_started_runs_continue(store: Store) -> None:
    runs = [await brought_to(store, state) for state in (*IN_FLIGHT, RunState.SUCCEEDED)]
    assert await block_now(store) == 0
    assert [await fetch(store, run.key) for run in runs] == runs


async def test_other_users_and_servers_are_unaffected(store: Store) -> None:
    mine = await accepted(store)
    theirs = await stored_run(store, RunState.WAITING, person=PERSON.id - 1, outcome=None)
    private = await stored_run(store, RunState.WAITING, person=PERSON.id, guild=None, outcome=None)
    assert await block_now(store, guild=GUILD + 1) == 0
    assert await block_now(store) == 1
    assert (await fetch(store, mine.key)).final
    for key in (theirs, private):
        assert (await fetch(store, key)).state is RunState.WAITING


async def test_a_second_block_ends_nothing_twice(store: Store) -> None:
    run = await accepted(store)
    assert [await block_now(store), await block_now(store, reason="worse")] == [1, 0]
    assert await kinds(store, run.key) == ["outcome"]


async def test_budgets_are_given_back(store: Store) -> None:
    for _ in range(2):
        await accepted(store)
    await awaiting_approval(store)
    before = await store.figures.today(GUILD, PERSON.id, at(61))
    assert (before.person.runs, before.person.waiting) == (2, 3)  # one isn't approved
    assert before.person.gpu_seconds > 0
    await block_now(store)
    after = await store.figures.today(GUILD, PERSON.id, at(61))
    for spent in (after.person, after.server):
        assert (spent.runs, spent.waiting, spent.gpu_seconds) == (0, 0, 0)


async def test_a_run_requeued_after_the_block_ends(store: Store) -> None:
    run = await submitted(store)
    await block_now(store)
    await store.claims.requeue(run, at(70), at(65))
    assert await state_of(store, run) == (RunState.REFUSED, "requester_blocked")
    assert [row["kind"] for row in await owed(store, run.key)] == ["outcome"]
    assert await take(store, at(3600)) is None


async def test_a_run_requeued_after_the_block_was_lifted_waits(store: Store) -> None:
    run = await submitted(store)
    await block_now(store)
    await unblock(store, PERSON.id, at=at(61))
    await store.claims.requeue(run, at(70), at(65))
    assert (await fetch(store, run.key)).state is RunState.WAITING


async def test_requests_during_a_block_are_ended_or_refused(store: Store, other: Store) -> None:
    async def ask() -> str:
        asked = request()
        try:
            await accept(other, asked)
        except RefusedError as error:
            return error.code
        return asked.key

    for _ in range(5):
        answers, _ended = await asyncio.gather(asyncio.gather(*(ask() for _ in range(6))), block_now(store))
        for answer in answers:
            assert answer == "blocked" or (await fetch(store, answer)).state is RunState.REFUSED
        await unblock(store, PERSON.id, at=at(61))


async def test_no_concurrent_change_leaves_a_blocked_users_run_waiting(store: Store, other: Store) -> None:
    for _ in range(5):
        unread, gone_out, queued = (
            await awaiting_approval(store),
            await submitted(store),
            await accepted(store),
        )
        await at_once(
            block_now(store),
            other.reviews.approve(unread.key, MOD, at(60)),
            other.claims.requeue(gone_out, at(61), at(60)),
            take(other, at(60)),
        )
        for run in (unread, gone_out, queued):
            found = await fetch(store, run.key)
            assert found.state not in (RunState.WAITING, RunState.AWAITING_APPROVAL)
            assert (await kinds(store, run.key)).count("outcome") == (found.state is not RunState.SUBMITTING)
            if not found.final:
                await store.runs.record_report(run.key, report(RunState.CANCELLED), at(62), SOON, asked=True)
        await unblock(store, PERSON.id, at=at(62))


async def test_an_ended_run_can_be_erased_after_its_messages(store: Store) -> None:
    run = await accepted(store)
    await block_now(store)

    async def erasable() -> list[str]:
        return await store.database.read(
            lambda connection: list(
                (connection.execute(select(requests.c.key).where(nothing_pending()))).scalars()
            )
        )

    assert await erasable() == []
    await posted(store, now=at(120))
    assert await erasable() == [run.key]


async def with_one_running(store: Store, count: int) -> list[Run]:
    """Return a batch whose first run is running; the others wait."""
    batch = await batches.accepted(store, count)
    await started(store)
    await store.runs.record_report(batch[0].key, batches.said(batch[0], RunState.RUNNING), NOW, SOON)
    return batch


async def test_the_last_run_of_a_partly_blocked_batch_creates_the_outcome(store: Store) -> None:
    batch = await with_one_running(store, 3)
    assert await block_now(store) == 1
    assert [await state_of(store, run) for run in batch[1:]] == [(RunState.REFUSED, "requester_blocked")] * 2
    assert [await kinds(store, run.key) for run in batch] == [[], [], []]
    await batches.ended(store, batch[0])
    assert await kinds(store, batch[0].key) == ["outcome"]


async def test_a_batch_that_ends_during_a_block_has_one_outcome(store: Store, other: Store) -> None:
    """The block locks the first run, too, although that one has started."""
    for _ in range(10):
        batch = await with_one_running(store, 2)
        await asyncio.gather(block_now(other), batches.ended(store, batch[0]))
        assert "outcome" in await kinds(store, batch[0].key)
        await unblock(store, PERSON.id, at=at(90))


async def test_a_block_rejects_an_unapproved_batch_with_one_card(store: Store) -> None:
    lead = await accept_for_review(store, *batches.asked(3))
    batch = await store.runs.batch(lead)
    assert await block_now(store) == 1
    assert {(await fetch(store, run.key)).state for run in batch} == {RunState.REJECTED}
    assert sorted(await kinds(store, batch[0].key)) == ["outcome", "review"]
    assert [await kinds(store, run.key) for run in batch[1:]] == [[], []]


async def how_told(store: Store, *runs: Run) -> list[object]:
    """Return for each run how many others its message reports, or "quiet" if another's message reports it."""
    params = [(await fetch(store, run.key)).failure_params for run in runs]
    return ["quiet" if each.get("quiet") else each.get("others") for each in params]


async def test_one_outcome_reports_all_public_requests_that_a_block_ended(store: Store) -> None:
    here = [await accepted(store, now=at(n)) for n in range(2)]
    here.append((await batches.accepted(store, 2, now=at(2)))[0])
    there = await accepted(store, channel_id=request().channel_id + 1)
    assert await block_now(store) == 4
    batch = await store.runs.batch(here[2])
    assert await how_told(store, *here[:2], *batch, there) == ["quiet", "quiet", 3, 3, "quiet"]
    reasons = {(await fetch(store, run.key)).failure_params["reason"] for run in (*here, *batch, there)}
    assert reasons == {"spam"}


async def test_a_private_run_that_a_block_ended_is_reported_by_its_own_outcome(store: Store) -> None:
    await stored_rules(store, GUILD, {"private_results": True})
    public = [await accepted(store, now=at(n)) for n in range(2)]
    private = [await accepted(store, private=True, now=at(2 + n)) for n in range(2)]
    assert await block_now(store) == 4
    assert await how_told(store, *public, *private) == ["quiet", 1, None, None]


async def test_a_batch_that_continues_neither_reports_others_nor_stays_silent(store: Store) -> None:
    batch = await with_one_running(store, 2)
    single = await accepted(store, now=at(-5))
    assert await block_now(store) == 2
    assert await how_told(store, batch[1], single) == [None, None]
