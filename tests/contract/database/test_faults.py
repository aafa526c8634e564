"""A database that is away, locked, full or restarted: an error in bounded time, and no partial change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bot.database.tables import key_values
from bot.domain.errors import CommitUnknown, RequestUnknown, StoreUnavailable
from bot.domain.runs import RunState
from bot.sentences import explain
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.database.proxy import STATEMENT, Loss, PostgresProxy
from tests.contract.store.changes import read_all
from tests.contract.store.rows import run_keys
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

Proxied = tuple[Store, PostgresProxy]
# An interaction has to be answered within 3 s.
BOUND = 60.0


@asynccontextmanager
async def a_locked_file(store: Store, *_: object) -> AsyncIterator[None]:
    assert store.database.file is not None
    with locked(store.database.file):
        yield


@asynccontextmanager
async def locked_tables(store: Store, *_: object) -> AsyncIterator[None]:
    async with transaction(store) as connection:
        await connection.execute(text("LOCK requests, runs IN EXCLUSIVE MODE"))
        yield


@asynccontextmanager
async def a_server_that_is_away(_: Store, proxy: PostgresProxy, __: PostgresServer) -> AsyncIterator[None]:
    proxy.shut()
    yield
    proxy.heal()


@asynccontextmanager
async def a_read_only_server(store: Store, _: object, server: PostgresServer) -> AsyncIterator[None]:
    change = f"ALTER DATABASE {store.database.url.database} SET default_transaction_read_only"
    await server.run(f"{change} = on")
    await store.close()  # the next connections are read-only
    yield
    await server.run(f"{change} = off")
    await store.close()


@asynccontextmanager
async def connections_that_break(
    store: Store, proxy: PostgresProxy, _: PostgresServer
) -> AsyncIterator[None]:
    """Break connections before SQLAlchemy has asked its own questions."""
    await store.close()
    proxy.lose(Loss.STATEMENT, steps=STATEMENT, times=1000)
    yield
    proxy.heal()


Fault = Callable[[Store, PostgresProxy, PostgresServer], AbstractAsyncContextManager[None]]
FAULTS: list[Fault] = [locked_tables, a_server_that_is_away, a_read_only_server, connections_that_break]


async def nothing_is_stored(store: Store, fault: Fault, *given: PostgresProxy | PostgresServer) -> None:
    run, waiting = await brought_to(store, RunState.RUNNING), await accepted(store)
    before = await store.database.read(read_all)
    async with fault(store, *given), asyncio.timeout(BOUND):  # type: ignore[call-arg, arg-type]  # none of a file
        results = await at_once(
            *(accept(store, request()) for _ in range(2)),
            take(store),
            store.runs.record_update(run.key, SUCCESS, NOW, SOON),
        )
        assert {type(result) for result in results} == {StoreUnavailable}
    assert await store.database.read(read_all) == before
    await store.runs.record_update(run.key, SUCCESS, NOW, SOON)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED
    assert [each.key for each in [await take(store)] if each is not None] == [waiting.key]


async def test_a_locked_file_stores_nothing(
    opening: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.database.engine.LOCK_SECONDS", 0.5)
    await nothing_is_stored(await opening.open(new_sqlite(tmp_path)), a_locked_file)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_server_that_is_away_stores_nothing(
    fault: Fault, behind_proxy: Proxied, postgres: PostgresServer
) -> None:
    await nothing_is_stored(behind_proxy[0], fault, behind_proxy[1], postgres)


async def test_a_damaged_file_does_not_answer(opening: Stores, tmp_path: Path) -> None:
    store = await opening.open(new_sqlite(tmp_path))
    await store.close()
    (tmp_path / "bot.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable):
        await store.database.ping()


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
        await store.runs.record_update(run.key, SUCCESS, NOW, SOON)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED


def insert(connection: Connection) -> int:
    """Store a row, and return the number of rows."""
    connection.execute(key_values.insert().values(name="a", value="b"))
    return count(connection)


def count(connection: Connection) -> int:
    return connection.scalar(text("SELECT count(*) FROM key_values")) or 0


@pytest.mark.parametrize("loss", Loss)
async def test_what_became_of_a_commit_without_a_reply_is_unknown(loss: Loss, behind_proxy: Proxied) -> None:
    store, proxy = behind_proxy
    before = await store.database.read(count)
    proxy.lose(loss)
    with pytest.raises(CommitUnknown):
        await store.database.write(insert)
    assert proxy.has_lost
    assert await store.database.read(count) == before + (loss is Loss.REPLY)


@pytest.mark.parametrize("loss", Loss)
async def test_what_became_of_a_request_is_unknown_while_the_server_is_away(
    loss: Loss, behind_proxy: Proxied
) -> None:
    store, proxy = behind_proxy
    proxy.goes_away = True
    proxy.lose(loss)
    with pytest.raises(RequestUnknown) as unknown:
        await accept(store, request(key="a"))
    assert "It may still start" in explain(unknown.value)
    proxy.heal()
    assert await run_keys(store) == ({"a"} if loss is Loss.REPLY else set())


@pytest.mark.parametrize("loss", Loss)
async def test_requests_and_claims_without_a_reply_are_looked_up(loss: Loss, behind_proxy: Proxied) -> None:
    """Only the process that made a stored claim gets the run; if the COMMIT was lost, the run still waits."""
    store, proxy = behind_proxy
    proxy.lose(loss)
    (made,) = await at_once(accept(store, request()))
    assert type(made).__name__ == ("Run" if loss is Loss.REPLY else "StoreUnavailable")
    if loss is Loss.STATEMENT:
        await accepted(store)
    proxy.lose(loss)
    taken = await take(store)
    assert (taken is not None) == (loss is Loss.REPLY)
    run = taken or await take(store)
    assert run is not None
    assert await take(store) is None
