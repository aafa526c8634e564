"""Transactions on PostgreSQL, what happens if the reply to a COMMIT is lost, and what its errors mean."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import URL, Connection, NullPool, text
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from bot.domain.errors import CommitUnknown, StoreUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")
# Work at startup may wait longer than an interaction.
CONNECT_SECONDS = 10.0
# The server ends a transaction whose client has vanished, so that its locks are released.
_IDLE_MILLISECONDS = 15_000
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
# NULL if the transaction has written nothing.
_TRANSACTION_ID = text("SELECT pg_current_xact_id_if_assigned()::text")
_STATUS = text("SELECT pg_xact_status(CAST(CAST(:id AS text) AS xid8))")
_STATUS_PAUSE = 0.1
# SQLSTATE classes that mean unavailable rather than wrong: connection, authorization, catalog, rollback
# (deadlock), resources, lock not available, operator intervention, system error; and a read-only server.
_UNAVAILABLE_STATES = ("08", "28", "3D", "40", "53", "55", "57", "58", "25006")
# SQLSTATE classes of a COMMIT that may have been carried out: a broken connection, a server that shuts down
# or panics. After any other error PostgreSQL has rolled back.
_UNKNOWN_STATES = ("08", "57", "58", "XX", "40003")


@contextmanager
def database_errors() -> Iterator[None]:
    """Map driver errors that mean "unavailable" to StoreUnavailable; let all other errors through."""
    try:
        yield
    except DBAPIError as error:
        if not _is_unavailable(error):
            raise
        raise StoreUnavailable(f"{type(error).__name__}: {error.orig}") from error
    except (PoolTimeout, OSError) as error:
        raise _unavailable(error) from error
    except Exception as error:
        # SQLAlchemy doesn't wrap asyncpg's errors if a connection breaks while it is being established.
        if not type(error).__module__.startswith("asyncpg."):
            raise
        raise _unavailable(error) from error


def may_be_committed(error: StoreUnavailable) -> bool:
    """Return whether PostgreSQL may have carried out a COMMIT that raised this error."""
    cause = error.__cause__
    sqlstate = getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None
    return not sqlstate or str(sqlstate).startswith(_UNKNOWN_STATES)


def _unavailable(error: Exception) -> StoreUnavailable:
    # TimeoutError has an empty message.
    return StoreUnavailable(f"{type(error).__name__}: {error}".removesuffix(": "))


def _is_unavailable(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return True
    # Plain DatabaseError means that SQLite's file is damaged or not a database.
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate.startswith(_UNAVAILABLE_STATES) if sqlstate else type(error) is DatabaseError


class Postgres:
    """Runs transactions on a pool of asyncpg connections."""

    def __init__(self, url: URL, pool_size: int, wait_seconds: float) -> None:
        """Prepare the pool. A caller waits at most `wait_seconds` for a connection or a lock."""
        self._url = asyncpg_url(url)
        self._wait_seconds = wait_seconds
        self._engine = create_async_engine(
            self._url,
            # Tokens and prompts don't belong in error messages.
            hide_parameters=True,
            # Keep half of the connections open; the rest are opened under load only.
            pool_size=(pool_size + 1) // 2,
            max_overflow=pool_size // 2,
            pool_timeout=wait_seconds,
            pool_pre_ping=True,
            connect_args={
                "timeout": wait_seconds,
                "command_timeout": 10,
                "server_settings": {
                    "lock_timeout": f"{wait_seconds * 1000:.0f}",
                    "idle_in_transaction_session_timeout": f"{_IDLE_MILLISECONDS}",
                },
            },
        )
        self.engine = self._engine.sync_engine

    async def read(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction. Raises CommitUnknown if it may be stored."""
        async with self._engine.connect() as connection:
            result = await connection.run_sync(work)
            transaction_id: str | None = await connection.scalar(_TRANSACTION_ID)
            try:
                with database_errors():
                    await connection.commit()
            except StoreUnavailable as error:
                if not may_be_committed(error):
                    raise
                # The connection may still be waiting for the reply.
                await connection.invalidate()
                lost = error
            else:
                return result
        if transaction_id is not None:
            await self._find_out(transaction_id, lost)
        return result

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that excludes other migrations, and whose statements may take any time."""
        engine = create_async_engine(
            self._url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": CONNECT_SECONDS}
        )

        def alone(connection: Connection) -> T:
            lock(connection, "schema")
            return work(connection)

        async with engine.begin() as connection:
            return await connection.run_sync(alone)

    async def close(self) -> None:
        await self._engine.dispose()

    async def _find_out(self, transaction_id: str, lost: StoreUnavailable) -> None:
        """Return if a transaction without a reply was committed.

        Raises StoreUnavailable if it was rolled back. Raises CommitUnknown if PostgreSQL doesn't answer, is
        still busy with it, or doesn't know it. After a failover the new server may not have the transaction,
        and may give its number to another.
        """
        log.warning("the commit of transaction %s was not confirmed: %s", transaction_id, lost)
        try:
            with database_errors():
                async with asyncio.timeout(self._wait_seconds):
                    status = await self._status(transaction_id)
        except StoreUnavailable as error:
            raise CommitUnknown(str(lost)) from error
        log.warning("transaction %s was %s", transaction_id, status)
        if status == "aborted":
            raise StoreUnavailable(str(lost)) from lost
        if status != "committed":
            raise CommitUnknown(str(lost)) from lost

    async def _status(self, transaction_id: str) -> str | None:
        """Return committed, aborted, or None if PostgreSQL doesn't know the transaction."""
        while True:
            async with self._engine.connect() as connection:
                status: str | None = await connection.scalar(_STATUS, {"id": transaction_id})
            if status != "in progress":
                return status
            await asyncio.sleep(_STATUS_PAUSE)


def asyncpg_url(url: URL) -> URL:
    """Return a URL that makes SQLAlchemy use asyncpg for `postgresql://`."""
    return url.set(drivername="postgresql+asyncpg")


def lock(connection: Connection, name: str) -> None:
    """Exclude transactions that take the same lock, in every process, until this one ends.

    Use it for decisions over many rows, such as budgets, where row locks are not enough. SQLite's write
    transactions exclude each other anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"name": name})
