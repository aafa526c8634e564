"""The connection: how a transaction begins on each database, and how its faults are named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, event, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.database.sqlite import connect as one_turn_connection
from bot.database.write_queue import WriteLock
from bot.domain.errors import StoreUnavailable

# An interaction has to be answered within 3 s: a writer waits so long for its turn …
LOCK_SECONDS = 2.0
# … and then so long for another process that holds SQLite's lock.
_BUSY_SECONDS = 0.8
_PATIENT_SECONDS = 60.0
# What is done once at the start may wait longer than somebody who asked for something.
CONNECT_SECONDS = 10.0
_WRITE = "bot_write"
# What PostgreSQL calls away, not wrong: connection, authorization, catalogue, rolled back (deadlock),
# resources, lock not available, operator's intervention, system; and a server that only takes reads.
_AWAY = ("08", "28", "3D", "40", "53", "55", "57", "58", "25006")


class Database:
    """Transactions on SQLite or PostgreSQL, with the same promises on both.

    SQLite has one writer at a time; a deferred transaction that reads and then writes loses updates
    silently, so `write` begins with BEGIN IMMEDIATE, and in this process writers queue up in turns
    instead of in SQLite's busy loop.
    """

    def __init__(self, url: str, pool_size: int = 20) -> None:
        self.url = make_url(url)
        self.engine = _engine(self.url, pool_size)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writing = self.engine.execution_options(**{_WRITE: True})
        self._turns = WriteLock() if self.is_sqlite else None

    @property
    def file(self) -> Path | None:
        """SQLite's file, where there is one."""
        name = self.url.database
        if not self.is_sqlite or not name or name == ":memory:" or name.startswith("file:"):
            return None
        return Path(name)

    def make_folder(self) -> None:
        """The folder of a SQLite file. Raises OSError."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)

    async def close(self) -> None:
        await self.engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A read transaction. Raises StoreUnavailable."""
        async with database_errors(), self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self, *, urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """A write transaction, committed at the end of the block. Raises StoreUnavailable.

        `urgent`: somebody waits for the answer or the result, so it goes before others that wait.
        """
        async with database_errors(), self._turn(urgent), self._writing.begin() as connection:
            yield connection

    @asynccontextmanager
    async def exclusive(self, name: str, *, urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """A write transaction that excludes others of the same name, in every process.

        For decisions over many rows (a budget, a concurrency limit), where locking the rows is not enough.
        """
        async with self.write(urgent=urgent) as connection:
            await self.lock(connection, name)
            yield connection

    @asynccontextmanager
    async def changing_schema(self) -> AsyncIterator[AsyncConnection]:
        """An exclusive transaction that may take as long as a big table needs, and so may waiting for it."""
        if self.is_sqlite:
            async with self._without_foreign_keys() as connection:
                yield connection
            return
        patient = create_async_engine(
            self.url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": CONNECT_SECONDS}
        )
        async with database_errors(), patient.begin() as connection:
            await self.lock(connection, "schema")
            yield connection

    @asynccontextmanager
    async def _without_foreign_keys(self) -> AsyncIterator[AsyncConnection]:
        """SQLite alters many a table by copying it and dropping the old one, which takes along every row that
        refers to it. Foreign keys can only be switched off before the transaction begins."""
        async with database_errors(), self._turn(urgent=False), self._writing.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute("PRAGMA foreign_keys=OFF")
            # Another process may be altering it just now.
            await driver.execute(f"PRAGMA busy_timeout={_PATIENT_SECONDS * 1000:.0f}")
            try:
                async with connection.begin():
                    yield connection
            finally:
                # Broken off in the middle of a statement, the connection is gone, and its next one is new.
                if not connection.invalidated:
                    await driver.execute("PRAGMA foreign_keys=ON")
                    await driver.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}")

    async def lock(self, connection: AsyncConnection, name: str) -> None:
        """Makes the rest of a write transaction exclusive; on SQLite every one is from its beginning."""
        if not self.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})

    def _turn(self, urgent: bool) -> AbstractAsyncContextManager[None]:
        if self._turns is None:
            return nullcontext()
        return self._turns.turn(urgent=urgent, within=LOCK_SECONDS)


@asynccontextmanager
async def database_errors() -> AsyncIterator[None]:
    """Names the driver's faults once; mistakes of our own (integrity, syntax) stay what they are."""
    try:
        yield
    except DBAPIError as error:
        if not _is_away(error):
            raise
        raise StoreUnavailable(f"{type(error).__name__}: {error.orig}") from error
    except (PoolTimeout, OSError) as error:
        raise _away(error) from error
    except Exception as error:
        # The driver's own, which SQLAlchemy lets through where a connection breaks while it is being made.
        if not type(error).__module__.startswith("asyncpg."):
            raise
        raise _away(error) from error


def _away(error: Exception) -> StoreUnavailable:
    # A time limit has no words of its own.
    return StoreUnavailable(f"{type(error).__name__}: {error}".removesuffix(": "))


def _is_away(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return True
    # Exactly DatabaseError: SQLite's file is damaged, or is no database.
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate.startswith(_AWAY) if sqlstate else type(error) is DatabaseError


def _engine(url: URL, pool_size: int) -> AsyncEngine:
    # Parameters hold tokens and prompts, which have no place in an error's text.
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url,
            hide_parameters=True,
            # Half of them stay open; the others come with a peak and go with it.
            pool_size=(pool_size + 1) // 2,
            max_overflow=pool_size // 2,
            pool_timeout=LOCK_SECONDS,
            pool_pre_ping=True,
            connect_args={
                "timeout": LOCK_SECONDS,
                "command_timeout": 10,
                "server_settings": {"lock_timeout": f"{LOCK_SECONDS * 1000:.0f}"},
            },
        )
    engine = create_async_engine(
        url,
        hide_parameters=True,
        # A connection is a thread: kept, not made for each peak. One writes, the others read.
        pool_size=8,
        max_overflow=0,
        pool_timeout=LOCK_SECONDS,
        connect_args={"timeout": _BUSY_SECONDS, "async_creator_fn": one_turn_connection},
    )
    event.listen(engine.sync_engine, "begin", _sqlite_begin)
    return engine


def _sqlite_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    driver: Any = connection.connection.driver_connection
    driver.begin_with = "BEGIN IMMEDIATE" if write else "BEGIN"
