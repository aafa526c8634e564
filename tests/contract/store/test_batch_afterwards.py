"""Ended batches are listed, redelivered, erased and removed as a whole."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.pages import RunFilter
from bot.store import Store
from bot.store.erasure import ExpiredRows
from tests.contract.store.batches import ended, running
from tests.contract.store.rows import run_keys
from tests.contract.store.runs import (
    NOW,
    PERSON,
    claimed,
    place,
    posted,
    release,
    request,
)


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
