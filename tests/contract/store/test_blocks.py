"""Blocks and the pause, with their entries in the audit log."""

from __future__ import annotations

from bot.domain.text import in_utc
from bot.store import Store
from bot.store.rules import PAUSE_KEY
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD, active_blocks, audit_log, block, unblock
from tests.contract.store.runs import NOW, at


async def test_a_second_block_replaces_the_first(store: Store) -> None:
    await block(store, ALICE, at=NOW, reason="spam", until=at(60))
    await block(store, ALICE, at=at(1), by=BOB, reason="worse")
    (one,) = await active_blocks(store, at(2))
    assert (one.reason, one.until, one.created_by) == ("worse", None, BOB)
    assert [(row.action, row.actor_id, row.subject_id, row.details) for row in await audit_log(store)] == [
        ("block", MOD, ALICE, {"reason": "spam", "until": in_utc(at(60))}),
        ("block", BOB, ALICE, {"reason": "worse", "until": "a moderator lifts it"}),
    ]


async def test_only_a_current_block_is_lifted(store: Store) -> None:
    await block(store, ALICE, at=NOW, until=at(1))
    for guild, user, now in ((GUILD, ALICE, at(2)), (GUILD, BOB, NOW), (GUILD + 1, ALICE, NOW)):
        assert not await unblock(store, user, at=now, guild_id=guild)
    assert [row.action for row in await audit_log(store)] == ["block"]


async def test_every_process_sees_the_pause_and_one_ends_it(store: Store, other: Store) -> None:
    await store.pause.pause("moving house", by=MOD, now=NOW)
    await other.pause.pause("still moving", by=MOD, now=at(3600))
    assert await store.key_values.get(PAUSE_KEY) == "still moving"
    assert await store.pause.resume(by=BOB, now=at(3601))
    assert not await other.pause.resume(by=BOB, now=at(3601))
    assert await other.key_values.get(PAUSE_KEY) is None
    assert [(row.guild_id, row.action, row.actor_id, row.details) for row in await audit_log(store)] == [
        (None, "pause", MOD, {"reason": "moving house"}),
        (None, "pause", MOD, {"reason": "still moving"}),
        (None, "resume", BOB, {"reason": "still moving"}),
    ]
