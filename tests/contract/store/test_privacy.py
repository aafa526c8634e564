"""Export and erasure of a user's data, and removal by a server's retention."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.runs import FINAL, RunState
from bot.store import Store
from bot.store.audit import add_entries
from tests.contract.conftest import Stores
from tests.contract.store.rows import (
    ALICE,
    GUILD,
    audit_log,
    run_keys,
    stored_rules,
    stored_run,
)
from tests.contract.store.runs import (
    NOW,
    at,
    columns,
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


async def aged_runs(store: Store, *days: float) -> list[str]:
    """Store runs of a server that keeps them for 30 days. Return their keys, the oldest last."""
    await stored_rules(store, GUILD, {"retention_days": 30})
    return [await stored_run(store, at=NOW - timedelta(days=age)) for age in days]


async def test_a_clock_that_jumps_years_ahead_expires_one_day_at_once(stores: Stores) -> None:
    store = await stores.open()
    new, month, _ = await aged_runs(store, 0, 28.5, 29.5)
    assert await prune(store) == 0
    ahead = NOW + timedelta(days=3650)
    for _ in range(3):
        # The bot is restarted again and again.
        restarted = await stores.open()
        await prune(restarted, ahead)
        assert await run_keys(store) == {new, month}
    await prune(store, ahead + timedelta(hours=12))
    assert await run_keys(store) == {new}
    for day in range(1, 8):
        await prune(store, ahead + timedelta(days=day))
    assert await run_keys(store) == {new}


async def test_retention_goes_by_the_clock_again_once_that_is_right(store: Store) -> None:
    day_left, _ = await aged_runs(store, 28.9, 29.6)
    await prune(store)
    await prune(store, NOW + timedelta(days=3650))
    assert await run_keys(store) == {day_left}
    await prune(store, NOW + timedelta(hours=1))
    late = await stored_run(store, at=NOW - timedelta(days=29, hours=12))
    await prune(store, NOW + timedelta(hours=2))
    assert late in await run_keys(store)
