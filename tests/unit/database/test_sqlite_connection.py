"""A SQLite connection: statements run one after the other, whatever becomes of their callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.database.sqlite import OneHopConnection, connect
from bot.outside import DaemonThreads


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[OneHopConnection]:
    opened = await connect(tmp_path / "a.db", executor=DaemonThreads)
    await opened.execute("CREATE TABLE words (word TEXT)")
    yield opened
    await opened.close()


async def words(connection: OneHopConnection) -> list[str]:
    cursor = await connection.cursor().execute("SELECT word FROM words ORDER BY rowid")
    return [word for (word,) in await cursor.fetchall()]


async def hold(connection: OneHopConnection) -> tuple[threading.Event, asyncio.Task[object]]:
    """Start a statement that ends when the event is set."""
    go, begun = threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        return go.wait(60)

    await connection.create_function("hold", 0, wait)
    running: asyncio.Task[object] = asyncio.create_task(connection.cursor().execute("SELECT hold()"))
    assert await asyncio.to_thread(begun.wait, 60)
    return go, running


async def test_a_statement_whose_caller_was_cancelled_runs_before_the_next(
    connection: OneHopConnection,
) -> None:
    go, running = await hold(connection)
    insert = "INSERT INTO words VALUES (?)"
    cancelled = asyncio.create_task(connection.cursor().execute(insert, ["first"]))
    later = asyncio.create_task(connection.cursor().execute(insert, ["second"]))
    await asyncio.sleep(0)
    cancelled.cancel()
    running.cancel()
    await asyncio.gather(cancelled, running, return_exceptions=True)
    go.set()
    await later
    assert await words(connection) == ["first", "second"]


async def test_closing_waits_for_the_statements_and_the_rest_is_refused(tmp_path: Path) -> None:
    connection = await connect(tmp_path / "a.db", executor=DaemonThreads)
    go, running = await hold(connection)
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="Connection closed"):
        await connection.execute("SELECT 1")
    assert not closing.done()
    go.set()
    await closing
    await running
    await connection.close()


async def test_stopping_waits_for_nothing(tmp_path: Path) -> None:
    connection = await connect(tmp_path / "a.db", executor=DaemonThreads)
    go, running = await hold(connection)
    closed = connection.stop()
    assert not closed.done()
    go.set()
    await running
    await asyncio.wrap_future(closed)


async def test_a_file_that_is_no_database_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database" * 1000)
    made: list[DaemonThreads] = []

    def executor(name: str, most: int) -> DaemonThreads:
        made.append(DaemonThreads(name, most))
        return made[-1]

    with pytest.raises(Exception, match="not a database"):
        await connect(tmp_path / "a.db", executor=executor)
    with pytest.raises(RuntimeError):
        made[0].submit(print)
