"""Connections, transactions and database errors on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, event, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction, create_async_engine

from bot.database.sqlite import connect as one_hop_connection
from bot.database.write_queue import WriteLock
from bot.domain.errors import CommitUnknown, StoreUnavailable
from bot.outside import Outside

# How long a writer waits for the write lock, and then for another process that holds SQLite's lock. The sum
# is below the 3 s in which an interaction must be answered.
LOCK_SECONDS = 2.0
_BUSY_SECONDS = 0.8
_MIGRATION_LOCK_SECONDS = 60.0
# Work at startup may wait longer than an interaction.
CONNECT_SECONDS = 10.0
_WRITE = "bot_write"
# SQLSTATE classes that mean unavailable rather than wrong: connection, authorization, catalog, rollback
# (deadlock), resources, lock not available, operator intervention, system error; and a read-only server.
_UNAVAILABLE_STATES = ("08", "28", "3D", "40", "53", "55", "57", "58", "25006")
# SQLSTATE classes of a COMMIT that may have been carried out: a broken connection, a server that shuts down
# or panics. After any other error PostgreSQL has rolled back.
_UNKNOWN_STATES = ("08", "57", "58", "XX", "40003")
# The server ends a transaction whose client has vanished, so that its locks are released.
_IDLE_MILLISECONDS = 15_000
_PING = text("SELECT version_num FROM alembic_version")


class Database:
    """Transactions on SQLite or PostgreSQL with the same guarantees.

    SQLite allows one writer. A deferred transaction that has read may fail when it writes, so `write` uses
    BEGIN IMMEDIATE. Writers in this process queue for a `WriteLock` instead of SQLite's busy loop.
    """

    def __init__(
        self, url: str, outside: Outside, pool_size: int = 20, lock_seconds: float | None = None
    ) -> None:
        """Prepare the connection pool. A caller waits at most `lock_seconds` for a connection or a lock."""
        self.url = make_url(url)
        self.lock_seconds = LOCK_SECONDS if lock_seconds is None else lock_seconds
        self.engine = _engine(self.url, outside, pool_size, self.lock_seconds)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writing = self.engine.execution_options(**{_WRITE: True})
        self._write_lock = WriteLock() if self.is_sqlite else None

    @property
    def file(self) -> Path | None:
        """Return the SQLite file, or None for PostgreSQL and in-memory databases."""
        name = self.url.database
        if not self.is_sqlite or not name or name == ":memory:" or name.startswith("file:"):
            return None
        return Path(name)

    def make_folder(self) -> None:
        """Create the folder of a SQLite file. Raises OSError."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)

    async def close(self) -> None:
        await self.engine.dispose()

    async def ping(self) -> None:
        """Read a row, because SQLite opens its file only for the first table. Raises StoreUnavailable."""
        async with self.read() as connection:
            await connection.execute(_PING)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a read transaction. Raises StoreUnavailable."""
        async with database_errors(), self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self, *, urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """Open a write transaction that commits at the end of the block.

        Raises StoreUnavailable if nothing was stored. Raises CommitUnknown if COMMIT failed, but the
        transaction may be stored. On SQLite, where writers queue, urgent writers go first, because users are
        waiting for them.
        """
        async with (
            database_errors(),
            self._locked(urgent),
            self._writing.connect() as connection,
            connection.begin() as transaction,
        ):
            yield connection
            await _commit(connection, transaction)

    @asynccontextmanager
    async def exclusive(self, name: str, *, urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """Open a write transaction that excludes others with the same name in every process.

        Use it for decisions over many rows, such as budgets, where row locks are not enough.
        """
        async with self.write(urgent=urgent) as connection:
            await self.lock(connection, name)
            yield connection

    @asynccontextmanager
    async def changing_schema(self) -> AsyncIterator[AsyncConnection]:
        """Open an exclusive transaction for migrations, whose statements may take any time.

        On SQLite, it waits up to `_MIGRATION_LOCK_SECONDS` for another process's lock. Raises
        StoreUnavailable.
        """
        if self.is_sqlite:
            async with self._without_foreign_keys() as connection:
                yield connection
            return
        engine = create_async_engine(
            self.url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": CONNECT_SECONDS}
        )
        async with database_errors(), engine.begin() as connection:
            await self.lock(connection, "schema")
            yield connection

    @asynccontextmanager
    async def _without_foreign_keys(self) -> AsyncIterator[AsyncConnection]:
        """Open a SQLite transaction with foreign keys off.

        SQLite alters many tables by copying them and dropping the original, which would delete all
        rows that refer to them. Foreign keys can only be switched off before a transaction begins.
        """
        async with (
            database_errors(),
            self._locked(urgent=False),
            self._writing.connect() as connection,
        ):
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute("PRAGMA foreign_keys=OFF")
            # Another process may be migrating at the same time.
            await driver.execute(f"PRAGMA busy_timeout={_MIGRATION_LOCK_SECONDS * 1000:.0f}")
            try:
                async with connection.begin():
                    yield connection
            finally:
                # A connection that was interrupted mid-statement is invalidated and replaced by a new one.
                if not connection.invalidated:
                    await driver.execute("PRAGMA foreign_keys=ON")
                    await driver.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}")

    async def lock(self, connection: AsyncConnection, name: str) -> None:
        """Exclude transactions that take the same lock until this one ends.

        SQLite's write transactions exclude each other anyway.
        """
        if not self.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})

    def _locked(self, urgent: bool) -> AbstractAsyncContextManager[None]:
        if self._write_lock is None:
            return nullcontext()
        return self._write_lock.acquire(urgent=urgent, wait_seconds=self.lock_seconds)


@asynccontextmanager
async def database_errors() -> AsyncIterator[None]:
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


async def _commit(connection: AsyncConnection, transaction: AsyncTransaction) -> None:
    """Commit. Raises StoreUnavailable if the change was rolled back, CommitUnknown if it may be stored."""
    try:
        async with database_errors():
            await transaction.commit()
    except StoreUnavailable as error:
        if _is_rolled_back(error.__cause__):
            raise
        # The connection may still be waiting for the reply.
        await connection.invalidate()
        raise CommitUnknown(str(error)) from error.__cause__


def _is_rolled_back(cause: BaseException | None) -> bool:
    sqlstate = getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None
    return bool(sqlstate) and not str(sqlstate).startswith(_UNKNOWN_STATES)


def _unavailable(error: Exception) -> StoreUnavailable:
    # TimeoutError has an empty message.
    return StoreUnavailable(f"{type(error).__name__}: {error}".removesuffix(": "))


def _is_unavailable(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return True
    # Plain DatabaseError means that SQLite's file is damaged or not a database.
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate.startswith(_UNAVAILABLE_STATES) if sqlstate else type(error) is DatabaseError


def _engine(url: URL, outside: Outside, pool_size: int, lock_seconds: float) -> AsyncEngine:
    # Hide parameters: tokens and prompts don't belong in error messages.
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url,
            hide_parameters=True,
            # Keep half of the connections open; the rest are opened under load only.
            pool_size=(pool_size + 1) // 2,
            max_overflow=pool_size // 2,
            pool_timeout=lock_seconds,
            pool_pre_ping=True,
            connect_args={
                "timeout": lock_seconds,
                "command_timeout": 10,
                "server_settings": {
                    "lock_timeout": f"{lock_seconds * 1000:.0f}",
                    "idle_in_transaction_session_timeout": f"{_IDLE_MILLISECONDS}",
                },
            },
        )
    engine = create_async_engine(
        url,
        hide_parameters=True,
        # Each connection is a thread, so keep them all. One writes, the others read.
        pool_size=8,
        max_overflow=0,
        pool_timeout=lock_seconds,
        connect_args={
            "timeout": _BUSY_SECONDS,
            "async_creator_fn": partial(one_hop_connection, executor=outside.executor),
        },
    )
    event.listen(engine.sync_engine, "begin", _sqlite_begin)
    return engine


def _sqlite_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    driver: Any = connection.connection.driver_connection
    driver.begin_with = "BEGIN IMMEDIATE" if write else "BEGIN"
