"""A block ends the user's waiting runs in its own transaction, against any concurrent change."""

from __future__ import annotations

from bot.domain.runs import Run, RunState
from bot.store import Store
from tests.contract.store import batches
from tests.contract.store.rows import GUILD, block, stored_rules, stored_run
from tests.contract.store.runs import (
    NOW,
    PERSON,
    SOON,
    accepted,
    at,
    fetch,
    owed,
    request,
    started,
    state_of,
    submitted,
    take,
)


async def block_now(store: Store, *, reason: str | None = "spam", guild: int = GUILD) -> int:
    return await block(store, PERSON.id, at=at(60), guild_id=guild, reason=reason)


async def test_other_users_and_servers_are_unaffected(store: Store) -> None:
    mine = await accepted(store)
    theirs = await stored_run(store, RunState.WAITING, person=PERSON.id - 1, outcome=None)
    private = await stored_run(store, RunState.WAITING, person=PERSON.id, guild=None, outcome=None)
    assert await block_now(store, guild=GUILD + 1) == 0
    assert await block_now(store) == 1
    assert (await fetch(store, mine.key)).final
    for key in (theirs, private):
        assert (await fetch(store, key)).state is RunState.WAITING


async def test_a_run_requeued_after_the_block_ends(store: Store) -> None:
    run = await submitted(store)
    await block_now(store)
    await store.claims.requeue(run, at(70), at(65))
    assert await state_of(store, run) == (RunState.REFUSED, "requester_blocked")
    assert [row["kind"] for row in await owed(store, run.key)] == ["outcome"]
    assert await take(store, at(3600)) is None


async def with_one_running(store: Store, count: int) -> list[Run]:
    """Return a batch whose first run is running; the others wait."""
    batch = await batches.accepted(store, count)
    await started(store)
    await store.runs.record_report(batch[0].key, batches.said(batch[0], RunState.RUNNING), NOW, SOON)
    return batch


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
