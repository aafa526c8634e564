"""Export and erasure of a user's data, and removal by a server's retention."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.runs import FINAL, RunState
from bot.store import Store
from bot.store.audit import add_entries
from tests.contract.store.rows import (
    ALICE,
    BOB,
    GUILD,
    audit_log,
    run_keys,
    stored_rules,
    stored_run,
)
from tests.contract.store.runs import (
    NOW,
    SUCCESS,
    at,
    brought_to,
    columns,
    kinds,
    place,
    posted,
)

UNENDED = set(RunState) - FINAL


def line(subject: int, days_ago: float = 0, guild: int | None = GUILD, **more: object) -> AuditEntry:
    return AuditEntry(
        at=NOW - timedelta(days=days_ago),
        guild_id=guild,
        action=AuditAction.REFUSAL,
        actor_id=subject,
        subject_id=subject,
        details=more,
    )


async def prune(store: Store, now: datetime = NOW) -> int:
    """Remove expired rows as the worker does; return in how many steps."""
    steps = 0
    while (expired := await store.retention.claim(now)) is not None:
        await store.retention.handle(expired)
        steps += 1
    return steps


async def test_erasure_empties_the_rows_of_ended_requests(store: Store) -> None:
    keys = [await stored_run(store, state) for state in (RunState.SUCCEEDED, RunState.FAILED)]
    theirs = await stored_run(store, person=BOB)
    before = await columns(store, theirs)
    erased = await store.privacy.erase(ALICE, NOW, chunk_size=1)
    assert (erased.emptied, list(erased.left)) == (2, [])
    assert (await store.privacy.erase(ALICE, NOW)).emptied == 0
    for key in keys:
        row = await columns(store, key)
        wiped = [row[name] for name in ("inputs", "prompt", "seed", "outputs", "interaction_token")]
        assert wiped == [{}, None, None, [], None]
        assert row["erased_at"] == NOW
        assert (row["requester_id"], row["guild_id"], row["deployment"]) == (ALICE, GUILD, "flux")
    assert await columns(store, theirs) == before
    (entry,) = await audit_log(store)
    assert (entry.action, entry.subject_id, entry.details) == ("privacy", ALICE, {"requests": 2})


async def test_a_request_without_inputs_and_outputs_is_erased_too(store: Store) -> None:
    empty = {"inputs": {}, "prompt": None, "seed": None, "outputs": []}
    about = {"requester_roles": [5], "requester_joined_at": NOW, "press": "a button"}
    key = await stored_run(store, RunState.FAILED, **empty, **about, failure_log="no memory")
    assert (await store.privacy.erase(ALICE, NOW)).emptied == 1
    row = await columns(store, key)
    assert [row[name] for name in ("failure_log", *about)] == [None] * 4
    assert row["erased_at"] == NOW
    assert (await store.privacy.erase(ALICE, at(1))).emptied == 0
    assert await columns(store, key) == row


@pytest.mark.parametrize("state", [RunState.UNCONFIRMED, RunState.TIMED_OUT, RunState.FAILED])
@pytest.mark.parametrize("asked", [True, False])
async def test_a_report_after_the_erasure_only_adds_its_cost(
    store: Store, state: RunState, asked: bool
) -> None:
    run = await brought_to(store, state)
    await posted(store, now=at(10))
    await store.privacy.erase(run.requester_id, NOW)
    late = SUCCESS._replace(log="a prompt", live_status="a node", run_duration=7.5)
    for each in (late, late._replace(state=RunState.FAILED)):
        await store.runs.record_report(run.key, each, at(11), at(60), asked=asked)
    row = await columns(store, run.key)
    assert (row["state"], row["outputs"], row["partial"]) == (state, [], False)
    assert (row["failure_log"], row["live_status"]) == (None, None)
    assert row["run_duration"] == (7.5 if asked else None)
    assert await kinds(store, run.key) == ["outcome"]


async def test_erasure_leaves_and_returns_unfinished_and_undelivered_runs(store: Store) -> None:
    left = {await stored_run(store, state, outcome=None) for state in UNENDED}
    left.add(await stored_run(store, outcome="pending"))
    before = [await columns(store, key) for key in left]
    erased = await store.privacy.erase(ALICE, NOW)
    assert (erased.emptied, {run.key for run in erased.left}) == (0, left)
    assert [await columns(store, key) for key in left] == before


async def test_retention_follows_each_servers_own_days(store: Store) -> None:
    short, long = GUILD + 1, GUILD + 2
    await stored_rules(store, short, {"retention_days": 7})
    await stored_rules(store, long, {"retention_days": 3650})
    expected = set()
    for guild, days in ((short, 8), (short, 6), (long, 400), (GUILD, 366), (GUILD, 364), (None, 366)):
        key = await stored_run(store, at=NOW - timedelta(days=days), guild=guild)
        await store.database.write(add_entries, line(ALICE, days, guild, of=key))
        if (guild, days) in {(short, 6), (long, 400), (GUILD, 364)}:
            expected.add(key)
    assert await prune(store) == 1
    assert await run_keys(store) == expected
    assert {row.details["of"] for row in await audit_log(store)} == expected
    assert await prune(store) == 0


async def test_retention_keeps_unfinished_runs_and_pending_results(store: Store) -> None:
    old = NOW - timedelta(days=800)
    runs = {await stored_run(store, state, at=old, outcome=None) for state in UNENDED}
    owed = await stored_run(store, at=old, outcome="pending")
    await stored_run(store, at=old, outcome="offered")
    assert await prune(store) == 1
    assert await run_keys(store) == {*runs, owed}


async def test_many_expired_entries_are_removed_in_small_steps(store: Store) -> None:
    await store.database.write(add_entries, *(line(number, days_ago=400) for number in range(450)))
    assert await prune(store) == 3
    assert await audit_log(store) == []


async def test_a_result_that_is_redelivered_meanwhile_is_not_removed(store: Store) -> None:
    key = await stored_run(store, at=NOW - timedelta(days=800), outcome="offered")
    found = await store.retention.claim(NOW)
    assert found is not None
    assert await store.copies.redeliver(key, place(), NOW)
    await store.retention.handle(found)
    assert await run_keys(store) == {key}


async def test_an_erased_undelivered_result_is_not_offered_any_more(store: Store) -> None:
    await stored_run(store, outcome="offered")
    await store.privacy.erase(ALICE, NOW)
    (entry,) = await store.history.page(ALICE, limit=5)
    assert not entry.undelivered
