"""Wake-ups and locks between processes that share a database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, suppress

import pytest
from sqlalchemy import text

from bot.database.coordination import Coordinator, LockHeld
from bot.domain.errors import StoreUnavailable
from bot.store import Store
from tests.contract.conftest import Stores
from tests.databases import PostgresServer, transaction

END_LINES = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'bot line' AND datname = current_database()"
)


class Ear:
    """Records the wake-ups that a coordinator receives."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.calls = 0
        self._news = asyncio.Event()

    def __call__(self, topics: Collection[str]) -> None:
        self.topics += topics
        self.calls += 1
        self._news.set()

    async def heard(self, topic: str) -> None:
        async with asyncio.timeout(60):
            while topic not in self.topics:
                self._news.clear()
                await self._news.wait()


async def heard_again(line: Coordinator, ear: Ear) -> None:
    """Notify until both ends are connected again, which nothing announces."""
    async with asyncio.timeout(60):
        while "again" not in ear.topics:
            line.notify("again")
            await asyncio.sleep(0.05)


class Lines:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def open(self, store: Store) -> tuple[Coordinator, Ear]:
        line, ear = store.database.coordinator(), Ear()
        self._stack.push_async_callback(line.close)
        await line.open(ear)
        return line, ear


@pytest.fixture
async def lines() -> AsyncIterator[Lines]:
    async with AsyncExitStack() as stack:
        yield Lines(stack)


@pytest.fixture
async def on_postgres(postgres: PostgresServer, opening: Stores) -> Store:
    return await opening.open(await postgres.new_database())


async def test_a_lock_is_held_by_one_process_at_a_time(store: Store, other: Store, lines: Lines) -> None:
    mine, theirs = (await lines.open(store))[0], (await lines.open(other))[0]
    assert await mine.try_acquire("shard 0")
    assert await mine.try_acquire("shard 0")
    assert not await theirs.try_acquire("shard 0")
    assert await theirs.try_acquire("shard 1") is not store.database.is_sqlite
    with pytest.raises(LockHeld):
        await theirs.acquire("shard 0", wait_seconds=0)
    await mine.close()
    await theirs.acquire("shard 0", wait_seconds=60)


async def test_many_wake_ups_share_one_notification(on_postgres: Store, lines: Lines) -> None:
    mine, own_ear = await lines.open(on_postgres)
    _, ear = await lines.open(on_postgres)
    for _ in range(500):
        for topic in ("submit", "check", "show"):
            mine.notify(topic)
    await ear.heard("check")
    mine.notify("last")
    await ear.heard("last")
    assert Counter(ear.topics) == {"submit": 1, "check": 1, "show": 1, "last": 1}
    assert (ear.calls, own_ear.topics) == (2, [])


async def test_coordination_survives_a_restart(
    own_postgres: PostgresServer, opening: Stores, lines: Lines
) -> None:
    store = await opening.open(await own_postgres.new_database())
    mine, _ = await lines.open(store)
    theirs, ear = await lines.open(store)
    assert await mine.try_acquire("shard 0")
    await asyncio.to_thread(own_postgres.server.stop)
    with pytest.raises(StoreUnavailable):
        await store.database.ping()
    mine.notify("lost")
    await asyncio.to_thread(own_postgres.server.ensure_postgres_running)
    await store.database.ping()
    await heard_again(mine, ear)
    with pytest.raises(LockHeld):
        await theirs.acquire("shard 0", wait_seconds=0)
    assert not mine.lost.done()


async def test_a_wait_on_a_broken_connection_succeeds_or_fails(on_postgres: Store, lines: Lines) -> None:
    mine, _ = await lines.open(on_postgres)
    theirs, _ = await lines.open(on_postgres)
    async with asyncio.timeout(60):
        for each in range(5):
            holders = [mine.try_acquire(f"{each} {number}") for number in range(50)]
            await on_postgres.database.read(lambda connection: connection.execute(END_LINES))
            found = await asyncio.gather(*holders, return_exceptions=True)
            assert {type(result) for result in found} <= {bool, StoreUnavailable}
        while True:
            with suppress(StoreUnavailable):
                await theirs.acquire("other key", 60)
                break
            await asyncio.sleep(0.05)


async def test_a_lock_that_another_process_took_meanwhile_is_reported_lost(
    on_postgres: Store, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.database.postgres._STALE_SESSION_SECONDS", 0.0)
    mine, _ = await lines.open(on_postgres)
    assert await mine.try_acquire("shard 0")
    # The session is ended from outside, and somebody is quicker.
    async with transaction(on_postgres) as thief:
        # In one statement, so that the thief waits for the lock before its owner can connect again.
        await thief.execute(
            text(
                "SELECT pg_terminate_backend(pid), pg_advisory_lock(:space, hashtext('shard 0'))"
                " FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database"
                " WHERE datname = current_database())"
            ),
            {"space": 0x626F74},
        )
        assert await asyncio.wait_for(asyncio.shield(mine.lost), 60) == "shard 0"
