"""Wake-ups and locks between processes that share a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from itertools import chain
from typing import Any

import pytest

from bot.database.coordination import Coordinator
from bot.database.postgres import CHANNEL, PostgresCoordinator
from bot.domain.errors import StoreUnavailable
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.database.proxy import PostgresProxy

# The topics of each call of a coordinator.
Heard = list[Collection[str]]


class Lines:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def open(self, store: Store) -> tuple[Coordinator, Heard]:
        line, heard = store.database.coordinator(), Heard()
        self._stack.push_async_callback(line.close)
        await line.open(heard.append)
        return line, heard


@pytest.fixture
async def lines() -> AsyncIterator[Lines]:
    async with AsyncExitStack() as stack:
        yield Lines(stack)


async def notified(line: Coordinator, topic: str, heard: Heard) -> None:
    """Notify until another process hears it."""
    async with asyncio.timeout(60):
        while not any(topic in topics for topics in heard):
            line.notify(topic)
            await asyncio.sleep(0.05)


async def test_a_lock_is_held_by_one_process_at_a_time(store: Store, other: Store, lines: Lines) -> None:
    mine, theirs = (await lines.open(store))[0], (await lines.open(other))[0]
    assert await mine.try_acquire("shard 0")
    assert await mine.try_acquire("shard 0")
    assert not await theirs.try_acquire("shard 0")
    assert await theirs.try_acquire("shard 1") is not store.database.is_sqlite
    assert not await theirs.acquire("shard 0", wait_seconds=0)
    mine.announce_end()
    waiting = asyncio.create_task(theirs.acquire("shard 0", wait_seconds=60))
    await asyncio.sleep(0)
    assert not waiting.done()
    await mine.close()
    assert await waiting


@pytest.mark.sqlite_only
async def test_a_running_process_lets_none_wait_for_its_file(
    store: Store, other: Store, lines: Lines
) -> None:
    """A start beside it waited ten seconds, or a minute while the file was locked by a writer."""
    mine, theirs = (await lines.open(store))[0], (await lines.open(other))[0]
    assert await mine.try_acquire("shard 0")
    mine.announce_end()
    await mine.close()
    assert await mine.try_acquire("shard 0")
    assert not await theirs.acquire("shard 0", wait_seconds=1e9)


async def test_a_notification_that_comes_while_the_connection_is_closed_is_ignored(
    behind_proxy: tuple[Store, PostgresProxy], lines: Lines
) -> None:
    """Asyncio logged an error about `get_server_pid` at a clean stop."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    mine, heard = await lines.open(behind_proxy[0])
    assert isinstance(mine, PostgresCoordinator)
    assert mine._connection is not None
    mine._connection._process_notification(1, CHANNEL, "show")  # as asyncpg does when it reads one
    mine._disconnect()
    await asyncio.sleep(0)
    assert (faults, heard) == ([], [])


async def test_many_wake_ups_share_one_notification(
    behind_proxy: tuple[Store, PostgresProxy], lines: Lines
) -> None:
    mine, own = await lines.open(behind_proxy[0])
    _, heard = await lines.open(behind_proxy[0])
    for _ in range(500):
        for topic in ("submit", "check", "show"):
            mine.notify(topic)
    await notified(mine, "last", heard)
    assert sorted(heard[0]) == ["check", "last", "show", "submit"]
    assert {*chain(*heard[1:])} <= {"last"}
    assert own == []


async def test_coordination_survives_a_broken_connection(
    behind_proxy: tuple[Store, PostgresProxy], lines: Lines
) -> None:
    store, proxy = behind_proxy
    mine, _ = await lines.open(store)
    theirs, heard = await lines.open(store)
    assert await mine.try_acquire("shard 0")
    waiting = [asyncio.create_task(mine.try_acquire(f"key {number}")) for number in range(50)]
    await asyncio.sleep(0)
    proxy.shut()
    async with asyncio.timeout(60):
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in found} <= {bool, StoreUnavailable}
    with pytest.raises(StoreUnavailable):
        await store.database.ping()
    mine.notify("lost")
    proxy.heal()
    await store.database.ping()
    await notified(mine, "again", heard)
    assert not await theirs.acquire("shard 0", wait_seconds=0)
    assert not mine.lost.done()


async def test_a_lock_that_another_process_took_meanwhile_is_reported_lost(
    behind_proxy: tuple[Store, PostgresProxy],
    opening: Stores,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.database.postgres._STALE_SESSION_SECONDS", 0.0)
    store, proxy = behind_proxy
    mine, _ = await lines.open(store)
    thief, _ = await lines.open(await opening.open(proxy.url))
    assert await mine.try_acquire("shard 0")
    proxy.shut()
    assert await thief.acquire("shard 0", wait_seconds=60)
    proxy.heal()
    assert await asyncio.wait_for(asyncio.shield(mine.lost), 60) == "shard 0"
