"""SQLite for SQLAlchemy's asyncio extension, with one thread hop per statement.

aiosqlite hands every call to its thread and waits. A SELECT takes four hops (cursor, execute, fetch, close),
which cost more than the statement itself. Here a statement takes one hop, BEGIN is sent with the first
statement of a transaction, and closing a cursor takes no hop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from operator import methodcaller
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_WAL_SECONDS = 2.0
_WAL_PAUSE = 0.02


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
        await self._connection.send(partial(self._run, sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        await self._connection.send(partial(self._run_many, sql, parameters))
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


class OneHopConnection:
    """The part of an aiosqlite connection that SQLAlchemy's adapter uses, with `OneHopCursor`s.

    The executor has one thread, so statements run in the order in which they were sent. One whose caller was
    cancelled runs nevertheless. `begin_with` is the BEGIN to send before the next statement, or None.
    """

    begin_with: str | None = None
    # True if nothing was sent since the last COMMIT or ROLLBACK. `in_transaction` doesn't replace it: a
    # statement whose caller was cancelled may still be queued.
    _idle = True
    _stopped = False
    # Set and used only in the thread, except that SQLAlchemy asks whether there is one.
    _connection: sqlite3.Connection | None = None

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def open(self, database: str | Path, options: Mapping[str, Any]) -> None:
        """Open the file, and retry for `_WAL_SECONDS` if it can't be switched to WAL.

        The first switch of a new file fails immediately with SQLITE_BUSY while another process reads it, such
        as one that starts at the same time.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + _WAL_SECONDS
        while not await self._run(  # noqa: ASYNC110  # nothing in another process sets an Event here
            partial(self._open, database, options, retry=loop.time() < ends)
        ):
            await asyncio.sleep(_WAL_PAUSE)

    def _open(self, database: str | Path, options: Mapping[str, Any], *, retry: bool) -> bool:
        self._connection = _opened(database, options, retry=retry)
        return self._connection is not None

    def cursor(self) -> OneHopCursor:
        return OneHopCursor(self)

    async def send(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run a statement in the thread."""
        self._idle = False
        await self._use(work)

    def send_begin(self, connection: sqlite3.Connection) -> None:
        """Send the pending BEGIN. Runs in the connection's thread."""
        begin, self.begin_with = self.begin_with, None
        if begin is not None:
            connection.execute(begin)

    async def execute(self, sql: str) -> None:
        """Execute a statement outside of transactions, such as a PRAGMA."""
        await self._use(lambda connection: connection.execute(sql).close())

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        await self._use(lambda connection: connection.create_function(*arguments, **options))

    async def commit(self) -> None:
        self.begin_with = None
        if not self._idle:
            await self._use(methodcaller("commit"))
            self._idle = True

    async def rollback(self) -> None:
        """Roll back if anything was sent. The pool calls this for every connection that is returned to it."""
        self.begin_with = None
        if not self._idle:
            await self._use(methodcaller("rollback"))
            self._idle = True

    async def close(self) -> None:
        """Close the connection after the statements that were sent."""
        if not self._stopped:
            await asyncio.shield(asyncio.wrap_future(self.stop()))

    def stop(self) -> Future[None]:
        """Have the connection closed after the statements that were sent, without waiting for that."""
        self._stopped = True
        closed = self._executor.submit(self._close)
        self._executor.shutdown(wait=False)
        return closed

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def use() -> T:
            if self._connection is None:
                raise ValueError("no active connection")  # SQLAlchemy knows these words
            return work(self._connection)

        return await self._run(use)

    async def _run(self, function: Callable[[], T]) -> T:
        if self._stopped:
            raise ValueError("Connection closed")  # SQLAlchemy knows these words
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # Not `wrap_future`: a cancelled caller would take back its statement, and others were sent after it.
        self._executor.submit(function).add_done_callback(partial(_deliver, result))
        return await result


def _deliver(result: asyncio.Future[T], done: Future[T]) -> None:
    """Hand the result over to the event loop. Runs in the connection's thread."""
    with suppress(RuntimeError):  # the loop is closed
        result.get_loop().call_soon_threadsafe(_resolve, result, done)


def _resolve(result: asyncio.Future[T], done: Future[T]) -> None:
    if result.done():
        return
    error = done.exception()
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(done.result())


async def connect(
    database: str | Path, *, executor: Callable[[str, int], Executor], **options: Any
) -> OneHopConnection:
    """Open a connection, for `create_async_engine(async_creator_fn=…)`."""
    connection = OneHopConnection(executor("database", 1))
    try:
        await connection.open(database, options)
    except BaseException:
        connection.stop()
        raise
    return connection


def _opened(database: str | Path, options: Mapping[str, Any], *, retry: bool) -> sqlite3.Connection | None:
    """Open and configure a connection, or return None to try again. Runs in the connection's thread.

    `isolation_level` is None because the driver would otherwise begin deferred transactions.
    """
    connection: sqlite3.Connection = sqlite3.connect(database, isolation_level=None, **options)
    try:
        if not _try_wal(connection, retry=retry):
            connection.close()
            return None
        # Paid runs depend on these rows: a commit must survive a power failure, not only a killed process.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # Per connection, on top of the file system cache: the default of 2 MiB adds up.
        connection.execute("PRAGMA cache_size=-512")
    except BaseException:
        connection.close()
        raise
    return connection


def _try_wal(connection: sqlite3.Connection, *, retry: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if not retry or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
