"""SQLite's threads: the wait for the writer, cancelled callers, failed commits, and the switch to WAL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from bot.database.engine import Database
from bot.domain.errors import CommitUnknown, StoreUnavailable
from bot.effects import Effects
from tests.databases import new_sqlite

_INSERT = text("INSERT INTO key_values VALUES (:name, 'x')")
_NAMES = text("SELECT name FROM key_values ORDER BY name")


@pytest.fixture(autouse=True)
def waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.database.engine.LOCK_SECONDS", 60)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(new_sqlite(tmp_path), Effects())
    yield database
    await database.close()


def insert(connection: Connection, name: str) -> None:
    connection.execute(_INSERT, {"name": name})


async def names(database: Database) -> list[str]:
    return await database.read(lambda connection: list(connection.execute(_NAMES).scalars()))


class Writer:
    """A transaction that stays open until `finish` is set."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.finish = threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, connection: Connection) -> None:
        insert(connection, "held")
        self._loop.call_soon_threadsafe(self.begun.set)
        self.finish.wait()


async def test_only_the_wait_for_the_writer_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.database.engine.LOCK_SECONDS", 0.5)
    database = Database(new_sqlite(tmp_path), Effects())
    held = Writer()
    writing = asyncio.create_task(database.write(held))
    await held.begun.wait()
    with pytest.raises(StoreUnavailable, match="timed out"):
        await database.write(insert, "late")
    assert await names(database) == []  # a read waits for no writer
    assert not writing.done()
    held.finish.set()
    await writing
    assert await names(database) == ["held"]
    await database.close()


async def test_a_cancelled_caller_withdraws_what_has_not_begun(database: Database) -> None:
    held = Writer()
    writing = asyncio.create_task(database.write(held))
    await held.begun.wait()
    waiting = asyncio.create_task(database.write(insert, "waiting"))
    await asyncio.sleep(0)
    for task in (writing, waiting):
        task.cancel()
    await asyncio.wait({writing, waiting})
    held.finish.set()
    await database.write(insert, "next")
    assert await names(database) == ["held", "next"]


async def test_a_commit_that_fails_is_rolled_back(database: Database) -> None:
    def break_commit(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.exec_driver_sql(
            "INSERT INTO messages (request_key, purpose, number, due_at, since, posted, stale)"
            " VALUES ('none', 'outcome', 0, '2026-01-01', '2026-01-01', '[]', '[]')"
        )
        insert(connection, "a")

    with pytest.raises(Exception, match="FOREIGN KEY") as caught:
        await database.write(break_commit)
    assert not isinstance(caught.value, CommitUnknown)
    assert await names(database) == []
    await database.write(insert, "b")


async def test_what_nobody_else_knows_survives_a_power_failure(database: Database) -> None:
    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {each}").scalar() for each in names]

    for _ in range(2):
        assert await database.write(pragmas) == ["wal", 2, 1]
        assert await database.write_unsynced(pragmas) == ["wal", 1, 1]


async def test_a_write_begins_with_the_lock(database: Database) -> None:
    begun: list[str] = []

    def trace(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(begun.append)

    event.listen(database.engine, "connect", trace)
    await database.write(insert, "a")
    await names(database)
    assert [each for each in begun if each.startswith("BEGIN")] == ["BEGIN IMMEDIATE", "BEGIN"]
