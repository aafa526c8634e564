"""Transactions on SQLite: one thread writes, a few read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Connection, create_engine, event

from bot.database.coordination import Coordinator, FileCoordinator
from bot.domain.errors import StoreUnavailable
from bot.effects import Effects

T = TypeVar("T")
# How long a statement waits for another process that holds the file's lock. Together with the wait for the
# thread it must be below the 3 s in which an interaction must be answered.
_BUSY_SECONDS = 0.8
_MIGRATION_LOCK_SECONDS = 60.0
_READERS = 3


class Sqlite:
    """Runs transactions in threads, because SQLite's calls block.

    SQLite allows one writer. A deferred transaction that has read may fail when it writes, so writes use
    BEGIN IMMEDIATE.
    """

    def __init__(self, url: URL, effects: Effects, wait_seconds: float) -> None:
        self._file = Path(url.database or "")
        self._effects = effects
        self._wait_seconds = wait_seconds
        # By whether they write.
        self._threads: dict[bool, Executor] = {}
        self.engine = create_engine(
            url,
            # Tokens and prompts don't belong in error messages.
            hide_parameters=True,
            pool_size=1 + _READERS,
            max_overflow=0,
            connect_args={"timeout": _BUSY_SECONDS},
        )
        event.listen(self.engine, "connect", _configure)

    async def read(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        def transaction() -> T:
            with self.engine.connect() as connection:
                _driver(connection).execute("BEGIN")
                return work(connection, *args, **kwargs)

        return await self._run(transaction, writes=False)

    snapshot = read

    async def write(self, synced: bool, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a transaction. If its COMMIT fails, SQLite rolls it back, so nothing was stored."""

        def transaction() -> T:
            with self.engine.begin() as connection:
                driver = _driver(connection)
                # A commit under NORMAL reaches the disk with the next one under FULL, if not before.
                driver.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                driver.execute("BEGIN IMMEDIATE")
                return work(connection, *args, **kwargs)

        return await self._run(transaction, writes=True)

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction with foreign keys off and a long timeout, and switch the file to WAL for good.

        With WAL, reads and writes don't block each other. SQLite alters many tables by copying them and
        dropping the original, which would delete all rows that refer to them, and foreign keys can only be
        switched off before a transaction.
        """

        def transaction() -> T:
            with self.engine.connect() as connection:
                driver = _driver(connection)
                # Fails at once for a new file that another process reads.
                driver.execute("PRAGMA journal_mode=WAL")
                driver.execute("PRAGMA foreign_keys=OFF")
                driver.execute(f"PRAGMA busy_timeout={_MIGRATION_LOCK_SECONDS * 1000:.0f}")
                try:
                    with connection.begin():
                        driver.execute("BEGIN IMMEDIATE")
                        return work(connection)
                finally:
                    driver.execute("PRAGMA foreign_keys=ON")
                    driver.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}")

        return await self._run(transaction, writes=True)

    async def close(self) -> None:
        """Close the connections after the transactions that were begun. The next one opens them again."""
        threads, self._threads = self._threads, {}
        ended = [asyncio.wrap_future(each.submit(self.engine.dispose)) for each in threads.values()]
        for each in threads.values():
            each.shutdown(wait=False)
        await asyncio.gather(*ended)

    def coordinator(self) -> Coordinator:
        return FileCoordinator(self._file)

    async def _run(self, transaction: Callable[[], T], *, writes: bool) -> T:
        """Run a transaction in a thread. Raises StoreUnavailable if none is free in time.

        Only the wait for the thread is limited: what has begun may be stored, and its result is waited for.
        If the caller is cancelled, a transaction that has begun still runs to its end.
        """
        if writes not in self._threads:
            self._threads[writes] = self._effects.executor("database", 1 if writes else _READERS)
        # Log lines of the transaction belong to the run that its caller handles.
        begun: Future[T] = self._threads[writes].submit(copy_context().run, transaction)
        timer = asyncio.get_running_loop().call_later(self._wait_seconds, begun.cancel)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise StoreUnavailable("timed out in the queue for the database") from None
        finally:
            timer.cancel()


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    # Otherwise the driver would begin deferred transactions.
    connection.isolation_level = None
    # Paid runs depend on these rows: a commit must survive a power failure, not only a killed process.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # Per connection, on top of the file system cache: the default of 2 MiB adds up.
    connection.execute("PRAGMA cache_size=-512")


def _driver(connection: Connection) -> sqlite3.Connection:
    """Return the driver's connection, which executes what isn't a query in a third of the time."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)
