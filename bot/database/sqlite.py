"""aiosqlite with fewer turns. It hands every call to its thread and waits: for a SELECT that makes four
(cursor, execute, fetch, close), and the way there and back costs more than the statement. Here a statement is
one turn, BEGIN goes with the first of a transaction, and closing is none."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

import aiosqlite

_SWITCH_SECONDS = 2.0
_END_SECONDS = 1.0


class OneTurnCursor:
    """What SQLAlchemy's adapter uses of an aiosqlite cursor. The rows are fetched with the statement."""

    arraysize = 1

    def __init__(self, connection: OneHopConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        await self._connection.in_thread(partial(self._run, sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        await self._connection.in_thread(partial(self._run_many, sql, parameters))
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    def _run(self, sql: str, parameters: Sequence[Any], connection: sqlite3.Connection) -> None:
        self._connection.begin_now(connection)
        self._keep(connection.execute(sql, parameters))

    def _run_many(
        self, sql: str, parameters: Iterable[Sequence[Any]], connection: sqlite3.Connection
    ) -> None:
        self._connection.begin_now(connection)
        self._keep(connection.executemany(sql, parameters))

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        """The row count of an UPDATE … RETURNING is known only when its rows have been fetched."""
        self.description = cursor.description
        self._rows = cursor.fetchall() if cursor.description else []
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        cursor.close()


class OneHopConnection(aiosqlite.Connection):
    """`begin_with` is the BEGIN that the next statement sends ahead."""

    begin_with: str | None = None
    # Nothing was sent since the last end of a transaction. `in_transaction` would not do: a statement whose
    # caller was cancelled may still be on its way.
    _ended = True

    async def _connect(self) -> Self:
        try:
            await super()._connect()
        except BaseException:
            # The thread tells its end to the loop, which must still be there to hear it.
            await asyncio.to_thread(self._thread.join, _END_SECONDS)
            raise
        return self

    def cursor(self) -> OneTurnCursor:  # type: ignore[override]  # what the adapter needs, not all of it
        return OneTurnCursor(self)

    async def in_thread(self, work: Any) -> None:
        self._ended = False
        await self._execute(work, self._conn)  # type: ignore[no-untyped-call]  # aiosqlite's own has no types

    def begin_now(self, connection: sqlite3.Connection) -> None:
        """In the thread."""
        begin, self.begin_with = self.begin_with, None
        if begin is not None:
            connection.execute(begin)

    async def commit(self) -> None:
        self.begin_with = None
        if not self._ended:
            await super().commit()
            self._ended = True

    async def rollback(self) -> None:
        """The pool rolls back whatever it gets back; mostly there is nothing to roll back."""
        self.begin_with = None
        if not self._ended:
            await super().rollback()
            self._ended = True


def connect(database: str | Path, **options: Any) -> OneHopConnection:
    """In place of `aiosqlite.connect`, for `create_async_engine(async_creator_fn=…)`."""
    connection = OneHopConnection(partial(_open, database, **options), iter_chunk_size=64)
    # As SQLAlchemy does with connections of its own making: a thread must not hold up the end.
    thread: Thread = connection._thread
    thread.daemon = True
    return connection


def _open(database: str | Path, **options: Any) -> sqlite3.Connection:
    """In the thread. `isolation_level` is None: the driver would begin deferred transactions."""
    connection: sqlite3.Connection = sqlite3.connect(database, isolation_level=None, **options)
    try:
        _write_ahead(connection)
        # A paid run hangs on these rows: a commit survives a power cut, not only a killed process.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # For each connection, beside what the system caches: the default of 2 MiB adds up.
        connection.execute("PRAGMA cache_size=-512")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """The first switch of a new file rewrites it, and SQLite refuses that at once, without waiting,
    while another process reads it, as several do that start together."""
    give_up = time.monotonic() + _SWITCH_SECONDS
    while not _switched(connection, patient=time.monotonic() < give_up):
        time.sleep(0.02)


def _switched(connection: sqlite3.Connection, *, patient: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if not patient or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
