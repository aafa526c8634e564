"""A database that is away, locked, full or restarted: an error in bounded time, and no partial change."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from bot.domain.errors import StoreUnavailable
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.changes import read_all
from tests.contract.store.runs import (
    NOW,
    SOON,
    SUCCESS,
    accept,
    accepted,
    at_once,
    brought_to,
    fetch,
    request,
    take,
    take_message,
)
from tests.databases import PostgresServer, locked, new_sqlite, transaction

# An interaction has to be answered within 3 s.
BOUND = 60.0


@asynccontextmanager
async def a_locked_file(store: Store, _: PostgresServer) -> AsyncIterator[None]:
    assert store.database.file is not None
    with locked(store.database.file):
        yield


@asynccontextmanager
async def locked_tables(store: Store, _: PostgresServer) -> AsyncIterator[None]:
    async with transaction(store) as connection:
        await connection.execute(text("LOCK requests, runs IN EXCLUSIVE MODE"))
        yield


@asynccontextmanager
async def a_stopped_server(_: Store, server: PostgresServer) -> AsyncIterator[None]:
    await asyncio.to_thread(server.server.stop)
    yield
    await asyncio.to_thread(server.server.ensure_postgres_running)


@asynccontextmanager
async def a_read_only_server(store: Store, server: PostgresServer) -> AsyncIterator[None]:
    change = f"ALTER DATABASE {store.database.url.database} SET default_transaction_read_only"
    await server.run(f"{change} = on")
    await store.close()  # the next connections are read-only
    yield
    await server.run(f"{change} = off")
    await store.close()


@asynccontextmanager
async def connections_that_break(store: Store, _: PostgresServer) -> AsyncIterator[None]:
    """Break connections before SQLAlchemy has asked its own questions."""
    await store.close()
    engine = store.database.engine

    def breaks(connection: Any, _record: Any) -> None:
        connection.driver_connection.terminate()

    event.listen(engine, "connect", breaks, insert=True)
    yield
    event.remove(engine, "connect", breaks)


Fault = Callable[[Store, PostgresServer], AbstractAsyncContextManager[None]]
FAULTS: list[Fault] = [locked_tables, a_stopped_server, a_read_only_server, connections_that_break]


async def nothing_is_stored(store: Store, server: PostgresServer, fault: Fault) -> None:
    run, waiting = await brought_to(store, RunState.RUNNING), await accepted(store)
    before = await store.database.read(read_all)
    async with fault(store, server), asyncio.timeout(BOUND):
        for _ in range(2):
            results = await at_once(
                *(accept(store, request()) for _ in range(5)),
                take(store),
                store.runs.record_report(run.key, SUCCESS, NOW, SOON),
            )
            assert {type(result) for result in results} == {StoreUnavailable}
    assert await store.database.read(read_all) == before
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED
    assert [each.key for each in [await take(store)] if each is not None] == [waiting.key]


async def test_a_locked_file_stores_nothing(opening: Stores, tmp_path: Path) -> None:
    store = await opening.open(new_sqlite(tmp_path))
    await nothing_is_stored(store, PostgresServer.__new__(PostgresServer), a_locked_file)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_server_that_is_away_stores_nothing(
    fault: Fault, own_postgres: PostgresServer, opening: Stores
) -> None:
    store = await opening.open(await own_postgres.new_database(), lock_seconds=0.2)
    await nothing_is_stored(store, own_postgres, fault)


async def test_a_damaged_file_does_not_answer(opening: Stores, tmp_path: Path) -> None:
    store = await opening.open(new_sqlite(tmp_path))
    await store.close()
    (tmp_path / "bot.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable):
        await store.database.ping()


async def test_a_full_disk_changes_nothing(opening: Stores, tmp_path: Path) -> None:
    store = await opening.open(new_sqlite(tmp_path))

    def fill(connection: sqlite3.Connection, *_: object) -> None:
        """Limit the file to its present size, as SQLite's way to SQLITE_FULL."""
        connection.execute("PRAGMA max_page_count = 1")

    await store.database.close()
    event.listen(store.database.engine, "connect", fill)
    before, big = await store.database.read(read_all), request(inputs={"prompt": "x" * 2_000_000})
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await accept(store, big)
    assert await store.database.read(read_all) == before
    event.remove(store.database.engine, "connect", fill)
    await store.database.close()
    await accept(store, big)


async def test_cancelled_writers_leave_no_lock_behind(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    for steps in range(25):
        writers = (
            accept(store, request()),
            store.runs.request_cancel(run.key, NOW, by=run.requester_id),
            take_message(store, NOW, "messenger", SOON),
        )
        tasks = [asyncio.create_task(writer) for writer in writers]
        for _ in range(steps * 3):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(BOUND):
        await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED
