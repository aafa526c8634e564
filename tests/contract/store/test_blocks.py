"""Blocks, and which outcomes report the runs that they end."""

from __future__ import annotations

import pytest

from bot.domain.runs import RunState
from bot.domain.text import in_utc
from bot.store import Store
from tests.contract.store.rows import (
    ALICE,
    BOB,
    GUILD,
    MOD,
    active_blocks,
    audit_log,
    block,
    stored_rules,
    unblock,
)
from tests.contract.store.runs import (
    NOW,
    PERSON,
    SOON,
    accept,
    accepted,
    asked,
    at,
    fetch,
    report,
    started,
)

pytestmark = pytest.mark.sqlite_only


async def test_a_second_block_replaces_the_first(store: Store) -> None:
    await block(store, ALICE, at=NOW, reason="spam", until=at(60))
    await block(store, ALICE, at=at(1), by=BOB, reason="worse")
    (one,) = await active_blocks(store, at(2))
    assert (one.reason, one.until, one.created_by) == ("worse", None, BOB)
    assert [(row.actor_id, row.details) for row in await audit_log(store)] == [
        (MOD, {"reason": "spam", "until": in_utc(at(60))}),
        (BOB, {"reason": "worse", "until": "a moderator lifts it"}),
    ]


async def test_only_a_current_block_is_lifted(store: Store) -> None:
    await block(store, ALICE, at=NOW, until=at(1))
    for guild, user, now in ((GUILD, ALICE, at(2)), (GUILD, BOB, NOW), (GUILD + 1, ALICE, NOW)):
        assert not await unblock(store, user, at=now, guild_id=guild)
    assert [row.action for row in await audit_log(store)] == ["block"]


async def test_other_users_and_servers_are_unaffected(store: Store) -> None:
    mine = await accepted(store)
    theirs = await accepted(store, requester_id=7)
    elsewhere = await accepted(store, guild_id=5)
    assert await block(store, PERSON.id, at=NOW) == 1
    states = [(await fetch(store, run.key)).state for run in (mine, theirs, elsewhere)]
    assert states == [RunState.REFUSED, RunState.WAITING, RunState.WAITING]


async def test_a_private_run_that_a_block_ended_is_reported_by_its_own_outcome(store: Store) -> None:
    await stored_rules(store, GUILD, {"private_results": True})
    public = [await accepted(store, now=at(n)) for n in range(2)]
    private = [await accepted(store, private=True, now=at(2 + n)) for n in range(2)]
    assert await block(store, PERSON.id, at=at(60)) == 4
    told = [(await fetch(store, run.key)).failure_params for run in (*public, *private)]
    assert told == [{"until": 0, "quiet": True}, {"until": 0, "others": 1}, {"until": 0}, {"until": 0}]


async def test_a_batch_that_continues_neither_reports_others_nor_stays_silent(store: Store) -> None:
    batch = asked(2)
    await accept(store, *batch)
    await started(store)
    await store.runs.record_report(batch[0].key, report(), NOW, SOON)
    single = await accepted(store, now=at(-5))
    assert await block(store, PERSON.id, at=at(60)) == 2
    assert [(await fetch(store, run.key)).failure_params for run in (batch[1], single)] == [{"until": 0}] * 2
