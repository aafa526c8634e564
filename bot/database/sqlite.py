"""aiosqlite with one thread hop per statement.

aiosqlite hands every call to its thread and waits. A SELECT takes four hops (cursor, execute, fetch, close),
which cost more than the statement itself. Here a statement takes one hop, BEGIN is sent with the first
statement of a transaction, and closing a cursor takes no hop.
"""

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

_WAL_SECONDS = 2.0
_THREAD_END_SECONDS = 1.0


class OneHopCursor:
    """The part of an aiosqlite cursor that SQLAlchemy's adapter uses; rows are fetched with the statement."""

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
        await self._connection.run_in_thread(partial(self._run, sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        await self._connection.run_in_thread(partial(self._run_many, sql, parameters))
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    def _run(self, sql: str, parameters: Sequence[Any], connection: sqlite3.Connection) -> None:
        self._connection.send_begin(connection)
        self._store_result(connection.execute(sql, parameters))

    def _run_many(
        self, sql: str, parameters: Iterable[Sequence[Any]], connection: sqlite3.Connection
    ) -> None:
        self._connection.send_begin(connection)
        self._store_result(connection.executemany(sql, parameters))

    def _store_result(self, cursor: sqlite3.Cursor) -> None:
        """Fetch the rows, then store the row count, which UPDATE … RETURNING sets only after the fetch."""
        self.description = cursor.description
        self._rows = cursor.fetchall() if cursor.description else []
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        cursor.close()


class OneHopConnection(aiosqlite.Connection):
    """An aiosqlite connection with `OneHopCursor`s.

    `begin_with` is the BEGIN to send before the next statement, or None.
    """

    begin_with: str | None = None
    # True if nothing was sent since the last COMMIT or ROLLBACK. `in_transaction` doesn't replace it: a
    # statement whose caller was cancelled may still be queued.
    _idle = True

    async def _connect(self) -> Self:
        try:
            await super()._connect()
        except BaseException:
            # The thread reports its end to the event loop, which must still be running then.
            await asyncio.to_thread(self._thread.join, _THREAD_END_SECONDS)
            raise
        return self

    def cursor(self) -> OneHopCursor:  # type: ignore[override]  # has only what SQLAlchemy's adapter uses
        return OneHopCursor(self)

    async def run_in_thread(self, work: Any) -> None:
        self._idle = False
        await self._execute(work, self._conn)  # type: ignore[no-untyped-call]  # aiosqlite leaves it untyped

    def send_begin(self, connection: sqlite3.Connection) -> None:
        """Send the pending BEGIN. Runs in the connection's thread."""
        begin, self.begin_with = self.begin_with, None
        if begin is not None:
            connection.execute(begin)

    async def commit(self) -> None:
        self.begin_with = None
        if not self._idle:
            await super().commit()
            self._idle = True

    async def rollback(self) -> None:
        """Roll back if anything was sent. The pool calls this for every connection that is returned to it."""
        self.begin_with = None
        if not self._idle:
            await super().rollback()
            self._idle = True


def connect(database: str | Path, **options: Any) -> OneHopConnection:
    """Return a connection that opens when it is awaited, for `create_async_engine(async_creator_fn=…)`."""
    connection = OneHopConnection(partial(_open, database, **options), iter_chunk_size=64)
    # As SQLAlchemy does: the thread must not keep the process alive.
    thread: Thread = connection._thread
    thread.daemon = True
    return connection


def _open(database: str | Path, **options: Any) -> sqlite3.Connection:
    """Open and configure a connection. Runs in the connection's thread.

    `isolation_level` is None because the driver would otherwise begin deferred transactions.
    """
    connection: sqlite3.Connection = sqlite3.connect(database, isolation_level=None, **options)
    try:
        _use_wal(connection)
        # Paid runs depend on these rows: a commit must survive a power failure, not only a killed process.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # Per connection, on top of the file system cache: the default of 2 MiB adds up.
        connection.execute("PRAGMA cache_size=-512")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL, retrying for `_WAL_SECONDS`.

    The first switch of a new file fails immediately with SQLITE_BUSY while another process reads it, such as
    one that starts at the same time.
    """
    deadline = time.monotonic() + _WAL_SECONDS
    while not _try_wal(connection, retry=time.monotonic() < deadline):
        time.sleep(0.02)


def _try_wal(connection: sqlite3.Connection, *, retry: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if not retry or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
