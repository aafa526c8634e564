"""Run every test on a SQLite file and on a real PostgreSQL.

A test marked `sqlite_only` tests what Python decides and needs one database.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.domain.policy import OperatorRules
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.effects import Effects
from bot.store import Store
from tests.contract.database.proxy import PostgresProxy, proxy_of
from tests.contract.store.rows import GUILD, stored_rules
from tests.contract.store.runs import OPEN_TO_ALL, RULES
from tests.databases import PostgresServer, new_sqlite, sqlite_url


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    # Not pytest's own folder: as root, the server runs as another user, who may not enter that one.
    folder = Path(tempfile.mkdtemp(prefix="bot-postgres-"))
    server = PostgresServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dialect" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("sqlite_only")
        metafunc.parametrize("dialect", ["sqlite"] if alone else ["sqlite", "postgresql"])


@pytest.fixture
async def empty_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without tables."""
    if dialect == "sqlite":
        return sqlite_url(tmp_path / "bot.db")
    return await request.getfixturevalue("postgres").empty_database()


@pytest.fixture
async def url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Yield the URL of a migrated database without rows."""
    if dialect == "sqlite":
        yield new_sqlite(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    given = await server.new_database()
    yield given
    server.give_back(given)


class Stores:
    """Opens stores on one database, as several processes would, and closes them again."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack

    async def open(
        self,
        url: str | None = None,
        operator: OperatorRules = OPEN_TO_ALL,
        *,
        rules: object = RULES,
    ) -> Store:
        """Open a store. The server `GUILD` has `rules` (None: the defaults) until a test stores others."""
        store = Store(url or self.url, Effects(), operator=operator)
        self._stack.push_async_callback(store.close)
        await store.open()
        if rules is not None and await store.rules.read(GUILD) == (ServerRules(), ()):
            await stored_rules(store, GUILD, rules)
        return store


@pytest.fixture
async def stores(url: str) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as stack:
        yield Stores(url, stack)


@pytest.fixture
async def opening() -> AsyncIterator[Stores]:
    """Yield a factory of stores for tests that choose their own database."""
    async with AsyncExitStack() as stack:
        yield Stores("", stack)


@pytest.fixture
async def behind_proxy(
    postgres: PostgresServer, opening: Stores, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Store, PostgresProxy]]:
    """Open a store on a PostgreSQL whose connections go through a proxy."""
    url = await postgres.new_database()
    monkeypatch.setattr("bot.database.engine.LOCK_SECONDS", 1.0)
    async with proxy_of(url) as (proxy, through):
        yield await opening.open(through), proxy


@pytest.fixture
async def store(stores: Stores) -> Store:
    return await stores.open()


@pytest.fixture
async def other(stores: Stores, store: Store) -> Store:
    """Open a second store on the same database, in place of another process."""
    return await stores.open()
