"""Fixtures: a PostgreSQL server, and a store that connects to it through a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from bot.store import Store
from tests.commits.proxy import PostgresProxy, proxy_of
from tests.contract.conftest import Stores, postgres_server
from tests.databases import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
async def behind_proxy(postgres: PostgresServer) -> AsyncIterator[tuple[Store, PostgresProxy]]:
    """Open a store whose connections go through a proxy."""
    url = await postgres.new_database()
    async with proxy_of(url) as (proxy, behind), AsyncExitStack() as stack:
        yield await Stores(behind, stack).open(), proxy
    postgres.give_back(url)
