"""A change that is repeated after a lost reply undoes nothing that others have changed in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from bot.database.tables import metadata
from bot.domain.runs import RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import Store
from tests.commits.proxy import PostgresProxy
from tests.commits.test_repeated_changes import (
    PRESET,
    Change,
    pause,
    remove_preset,
    resume,
    set_default,
    unblock,
)
from tests.contract.conftest import Stores
from tests.contract.store import batches
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD
from tests.contract.store.runs import NOW, SOON, at, brought_to, fetch, submitted, take

# A change, and a later one that another process makes while the first waits for its reply.
Overtaken = tuple[Change, Callable[[Store], Awaitable[Any]]]


async def requeued(store: Store) -> Overtaken:
    """Requeue a run, which is claimed again meanwhile. Its second claim makes a queue call."""
    run = await submitted(store)
    return lambda: store.claims.requeue(run, NOW, NOW), lambda other: take(other, at(1))


async def stopped_checks(store: Store) -> Overtaken:
    """Stop polling a run; a report that comes meanwhile makes it due again."""
    run = await brought_to(store, RunState.UNCONFIRMED)
    await store.runs.record_report(run.key, batches.said(run, RunState.RUNNING), NOW, NOW)
    (due,) = await store.claims.claim_checks(at(1), at(2) - NOW, 1)
    return (
        lambda: store.runs.stop_checking(due),
        lambda other: other.runs.record_report(run.key, batches.said(run, RunState.FAILED), at(2), SOON),
    )


async def refused_cancel(store: Store) -> Overtaken:
    """Refuse a cancellation; meanwhile the user cancels again."""
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.request_cancel(run.key, NOW, by=run.requester_id)
    cancelled = await fetch(store, run.key)
    return (
        lambda: store.runs.refuse_cancel(cancelled),
        lambda other: other.runs.request_cancel(run.key, at(1), by=run.requester_id),
    )


async def dismissed(store: Store) -> Overtaken:
    """Dismiss a report; meanwhile another user reports the result."""
    run = await brought_to(store, RunState.SUCCEEDED)
    await store.reviews.report(run.key, ALICE, 9, NOW)
    return (
        lambda: store.reviews.dismiss(run.key, MOD, at(1)),
        lambda other: other.reviews.report(run.key, BOB, 9, at(2)),
    )


async def all_deleted(store: Store) -> Overtaken:
    """Delete a batch's results; meanwhile its other run succeeds."""
    first, second = await batches.running(store, 2)
    await store.runs.record_report(first.key, batches.success(first), NOW, SOON)
    return (
        lambda: store.reviews.delete_all(first.key, MOD, at(1)),
        lambda other: other.runs.record_report(second.key, batches.success(second), at(2), SOON),
    )


async def blocked(store: Store) -> Overtaken:
    """Block a user; meanwhile another moderator lifts the block."""
    return (
        lambda: store.blocks.block(GUILD, ALICE, by=MOD, reason=None, until=None, now=NOW),
        lambda other: other.blocks.unblock(GUILD, ALICE, by=BOB, now=at(1)),
    )


async def unblocked(store: Store) -> Overtaken:
    """Lift a block; meanwhile another moderator blocks the user again."""
    return (
        await unblock(store),
        lambda other: other.blocks.block(GUILD, ALICE, by=BOB, reason=None, until=None, now=at(1)),
    )


async def paused(store: Store) -> Overtaken:
    """Pause the bot; meanwhile another admin resumes it."""
    return await pause(store), lambda other: other.pause.resume(by=2, now=at(1))


async def resumed(store: Store) -> Overtaken:
    """Resume the bot; meanwhile another admin pauses it."""
    return await resume(store), lambda other: other.pause.pause("y", by=2, now=at(1))


async def changed_rules(store: Store) -> Overtaken:
    """Change a rule; meanwhile another admin changes it back."""

    def days(number: int) -> Callable[[ServerRules], ServerRules]:
        return lambda rules: rules.model_copy(update={"retention_days": number})

    return (
        lambda: store.rules.change(GUILD, ALICE, days(10), NOW, "days"),
        lambda other: other.rules.change(GUILD, BOB, days(20), at(1), "days"),
    )


async def removed_preset(store: Store) -> Overtaken:
    """Delete a preset; meanwhile another one gets its name."""
    return await remove_preset(store), lambda other: other.presets.put(
        replace(PRESET, created_at=at(1), created_by=BOB), at(1)
    )


async def default_set(store: Store) -> Overtaken:
    """Set a channel's default; meanwhile a moderator clears it."""
    return (
        await set_default(store),
        lambda other: other.presets.clear_default(GUILD, 5, by=BOB, now=at(2)),
    )


async def default_cleared(store: Store) -> Overtaken:
    """Clear a channel's default; meanwhile a moderator sets it again."""
    await store.presets.put(PRESET, NOW)
    await store.presets.set_default(GUILD, 5, "noir", by=ALICE, now=NOW)
    return (
        lambda: store.presets.clear_default(GUILD, 5, by=ALICE, now=at(1)),
        lambda other: other.presets.set_default(GUILD, 5, "noir", by=BOB, now=at(2)),
    )


OVERTAKEN: list[Callable[[Store], Awaitable[Overtaken]]] = [
    requeued,
    stopped_checks,
    refused_cancel,
    dismissed,
    all_deleted,
    blocked,
    unblocked,
    paused,
    resumed,
    changed_rules,
    removed_preset,
    default_set,
    default_cleared,
]


@pytest.mark.parametrize("prepare", OVERTAKEN, ids=lambda prepare: prepare.__name__)
async def test_a_repetition_undoes_no_later_change(
    behind_proxy: tuple[Store, PostgresProxy], prepare: Callable[[Store], Awaitable[Overtaken]]
) -> None:
    store, proxy = behind_proxy
    change, later = await prepare(store)
    async with AsyncExitStack() as stack:
        other = await Stores(proxy.url, stack).open()
        stored: list[object] = []

        async def overtake() -> None:
            await later(other)
            stored.append(await everything(other))

        proxy.while_lost = overtake
        proxy.lose(lambda step: step.sql == "COMMIT")
        await change()
        assert stored == [await everything(other)]


async def everything(store: Store) -> list[object]:
    async with store.database.read() as connection:
        return [(await connection.execute(select(table))).all() for table in metadata.sorted_tables]
