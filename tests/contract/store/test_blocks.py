"""Blocks and the pause, each with its line in the audit log."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.database.key_values import KeyValueStore
from bot.store import Store
from bot.store.blocks import BlockStore
from bot.store.rules import PAUSE_KEY, PauseStore
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD, audit_log
from tests.contract.store.runs import NOW, at


@pytest.fixture
def blocks(store: Store) -> BlockStore:
    return BlockStore(store.database)


async def test_a_block_is_listed_until_it_runs_out(blocks: BlockStore) -> None:
    await blocks.block(GUILD, ALICE, by=MOD, reason="spam", until=at(60), now=NOW)
    await blocks.block(GUILD, BOB, by=MOD, reason=None, until=None, now=at(1))
    listed = await blocks.list(GUILD, at(59), limit=10)
    assert [(one.user_id, one.reason, one.until, one.created_by) for one in listed] == [
        (BOB, None, None, MOD),
        (ALICE, "spam", at(60), MOD),
    ]
    assert [one.user_id for one in await blocks.list(GUILD, at(60), limit=10)] == [BOB]
    assert await blocks.list(GUILD + 1, NOW, limit=10) == []


async def test_lists_go_on_where_they_ended(blocks: BlockStore) -> None:
    for number in range(5):
        await blocks.block(GUILD, number, by=MOD, reason=None, until=None, now=at(number))
    pages = [await blocks.list(GUILD, NOW, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [[one.user_id for one in page] for page in pages] == [[4, 3], [2, 1], [0]]


async def test_a_second_block_replaces_the_first(blocks: BlockStore, store: Store) -> None:
    await blocks.block(GUILD, ALICE, by=MOD, reason="spam", until=at(60), now=NOW)
    await blocks.block(GUILD, ALICE, by=BOB, reason="worse", until=None, now=at(1))
    (one,) = await blocks.list(GUILD, at(2), limit=10)
    assert (one.reason, one.until, one.created_by) == ("worse", None, BOB)
    assert [(row.action, row.actor_id, row.subject_id, row.details) for row in await audit_log(store)] == [
        ("block", MOD, ALICE, {"reason": "spam", "until": at(60).isoformat()}),
        ("block", BOB, ALICE, {"reason": "worse"}),
    ]


async def test_a_block_is_lifted_once(blocks: BlockStore, store: Store) -> None:
    await blocks.block(GUILD, ALICE, by=MOD, reason=None, until=None, now=NOW)
    tries = await asyncio.gather(*(blocks.unblock(GUILD, ALICE, by=MOD, now=at(1)) for _ in range(4)))
    assert sorted(tries) == [False, False, False, True]
    assert await blocks.list(GUILD, at(1), limit=10) == []
    assert [row.action for row in await audit_log(store)] == ["block", "unblock"]


async def test_what_has_run_out_or_never_was_is_not_lifted(blocks: BlockStore, store: Store) -> None:
    await blocks.block(GUILD, ALICE, by=MOD, reason=None, until=at(1), now=NOW)
    assert not await blocks.unblock(GUILD, ALICE, by=MOD, now=at(2))
    assert not await blocks.unblock(GUILD, BOB, by=MOD, now=at(2))
    assert not await blocks.unblock(GUILD + 1, ALICE, by=MOD, now=NOW)
    assert [row.action for row in await audit_log(store)] == ["block"]


async def test_two_processes_that_block_at_once_leave_one_block(store: Store, other: Store) -> None:
    both = [BlockStore(store.database), BlockStore(other.database)]
    await asyncio.gather(
        *(
            both[number % 2].block(GUILD, ALICE, by=number, reason=None, until=None, now=NOW)
            for number in range(8)
        )
    )
    assert len(await both[0].list(GUILD, NOW, limit=10)) == 1
    assert len(await audit_log(store)) == 8


async def test_a_pause_is_seen_by_every_process_and_lifted_once(store: Store, other: Store) -> None:
    here, there = PauseStore(store.database), PauseStore(other.database)
    await here.pause("moving house", by=MOD, now=NOW)
    await there.pause("still moving", by=MOD, now=NOW + timedelta(hours=1))
    assert await KeyValueStore(store.database).get(PAUSE_KEY) == "still moving"
    assert await here.resume(by=BOB, now=at(9))
    assert not await there.resume(by=BOB, now=at(9))
    assert await KeyValueStore(other.database).get(PAUSE_KEY) is None
    assert [(row.guild_id, row.action, row.actor_id, row.details) for row in await audit_log(store)] == [
        (None, "pause", MOD, {"reason": "moving house"}),
        (None, "pause", MOD, {"reason": "still moving"}),
        (None, "resume", BOB, {"reason": "still moving"}),
    ]
