"""A database that is away, locked, full or restarted: an error in bounded time, and no partial change."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.util import await_only

from bot.domain.errors import StoreUnavailable
from bot.domain.messages.records import MessageRef
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.runs import (
    NOW,
    SOON,
    SUCCESS,
    accept,
    accepted,
    at_once,
    brought_to,
    claimed,
    columns,
    fetch,
    is_pending,
    owed,
    release,
    request,
    take,
    take_message,
)
from tests.databases import PostgresServer, new_sqlite, transaction

# An interaction has to be answered within 3 s.
BOUND = 60.0


@pytest.fixture
async def on_postgres(postgres: PostgresServer, opening: Stores) -> Stores:
    """Return a factory of stores on one PostgreSQL database."""
    opening.url = await postgres.new_database()
    return opening


@pytest.fixture
async def file_store(opening: Stores, tmp_path: Path) -> Store:
    return await opening.open(new_sqlite(tmp_path))


async def test_a_file_that_another_process_locks_is_unavailable(file_store: Store, tmp_path: Path) -> None:
    run = await accepted(file_store)
    before = await columns(file_store, run.key)
    with closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as outsider:
        outsider.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(BOUND):
            results = await at_once(*(accept(file_store, request()) for _ in range(10)), take(file_store))
        assert {type(result) for result in results} == {StoreUnavailable}
        assert await columns(file_store, run.key) == before
        outsider.execute("ROLLBACK")
    assert await take(file_store) is not None


async def test_a_damaged_file_does_not_answer(file_store: Store, tmp_path: Path) -> None:
    await file_store.database.ping()
    await file_store.close()
    (tmp_path / "bot.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable):
        await file_store.database.ping()


async def test_rows_that_another_session_locks_are_unavailable(on_postgres: Stores) -> None:
    store, outsider = await on_postgres.open(), await on_postgres.open()
    run = await brought_to(store, RunState.RUNNING)
    async with transaction(outsider) as connection:
        await connection.execute(text("SELECT * FROM requests FOR UPDATE"))
        async with asyncio.timeout(BOUND):
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
        assert (await fetch(store, run.key)).state is RunState.RUNNING
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    assert len(await owed(store, run.key)) == 1


async def test_a_full_disk_changes_nothing(file_store: Store) -> None:
    running = await brought_to(file_store, RunState.RUNNING)
    await brought_to(file_store, RunState.SUCCEEDED)
    claim = await claimed(file_store)

    def fill(connection: sqlite3.Connection, *_: object) -> None:
        """Limit the file to its present size, as SQLite's way to SQLITE_FULL."""
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count = 1")
        cursor.close()

    await file_store.database.close()
    event.listen(file_store.database.engine, "connect", fill)
    before = await columns(file_store, running.key)
    many = tuple(MessageRef(number, number) for number in range(200_000))
    big = request(inputs={"prompt": "x" * 2_000_000})
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await accept(file_store, big)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await release(file_store, claim.changed(stale=many), NOW, shown=True)
    assert await file_store.runs.get(big.key) is None
    assert is_pending((await owed(file_store, claim.key))[0])
    assert await columns(file_store, running.key) == before

    event.remove(file_store.database.engine, "connect", fill)
    await file_store.database.close()
    await accept(file_store, big)


async def test_a_stopped_server_is_unavailable(own_postgres: PostgresServer, opening: Stores) -> None:
    store = await opening.open(await own_postgres.new_database())
    run = await brought_to(store, RunState.RUNNING)
    await asyncio.to_thread(own_postgres.server.stop)
    for _ in range(2):
        calls = (
            store.runs.record_report(run.key, SUCCESS, NOW, SOON),
            take_message(store, NOW, "messenger", SOON),
            store.key_values.get("webhook"),
        )
        assert [type(result) for result in await at_once(*calls)] == [StoreUnavailable] * 3
    await asyncio.to_thread(own_postgres.server.ensure_postgres_running)
    assert (await fetch(store, run.key)).state is RunState.RUNNING
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    assert len(await owed(store, run.key)) == 1


async def test_a_session_that_the_server_ends_changes_nothing(on_postgres: Stores) -> None:
    store, outsider = await on_postgres.open(), await on_postgres.open()
    run = await brought_to(store, RunState.RUNNING)

    def end_session(connection: Connection, pid: int) -> None:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    def broken_off(connection: Connection) -> None:
        connection.execute(text("UPDATE runs SET state = 'failed'"))
        own = connection.scalar(text("SELECT pg_backend_pid()"))
        await_only(outsider.database.read(end_session, own))
        connection.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailable):
        await store.database.write(broken_off)
    assert (await fetch(store, run.key)).state is RunState.RUNNING


async def test_a_connection_that_breaks_at_its_start_is_unavailable(on_postgres: Stores) -> None:
    store = await on_postgres.open()
    run = await accepted(store)
    await store.database.close()
    engine = store.database.engine

    def breaks(connection: Any, _record: Any) -> None:
        """Before SQLAlchemy has asked its own questions."""
        connection.driver_connection.terminate()

    event.listen(engine, "connect", breaks, insert=True)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.runs.get(run.key)
        with pytest.raises(StoreUnavailable):
            await store.runs.stop_checking(run)
    event.remove(engine, "connect", breaks)
    assert await store.runs.get(run.key) == run


async def test_a_read_only_server_refuses_writes(postgres: PostgresServer, on_postgres: Stores) -> None:
    store = await on_postgres.open()
    run = await brought_to(store, RunState.RUNNING)
    name = make_url(on_postgres.url).database
    await postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await store.close()  # the next connections are read-only
    assert (await fetch(store, run.key)).state is RunState.RUNNING
    with pytest.raises(StoreUnavailable, match="read-only"):
        await store.runs.record_report(run.key, SUCCESS, NOW, SOON)


async def test_a_violated_constraint_does_not_mean_unavailable(store: Store) -> None:
    run = await accepted(store)
    again = request(key=run.key)
    with pytest.raises(Exception, match=r"(?i)unique") as caught:
        await accept(store, again)
    assert not isinstance(caught.value, StoreUnavailable)
    assert "an-interaction-token" not in str(caught.value)


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


async def test_two_hundred_concurrent_requests_are_all_stored(stores: Stores) -> None:
    # With the bot's own limit, which follows from Discord's 3 s, this would measure the machine.
    store = await stores.open(lock_seconds=BOUND)
    asked = [request() for _ in range(200)]
    await asyncio.gather(*(accept(store, each) for each in asked))
    found = await asyncio.gather(*(store.runs.get(each.key) for each in asked))
    assert all(found)
