"""Open the database of a chaos or scale run, if wanted behind a proxy that loses replies."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.contract.database.proxy import PostgresProxy, proxy_of
from tests.databases import Database, PostgresServer, sqlite_url


class OpenedDatabase(Database):
    """A database, and the proxy in front of it if there is one."""

    proxy: PostgresProxy | None = None


@asynccontextmanager
async def opened(kind: str, folder: Path, *, proxied: bool = False) -> AsyncIterator[OpenedDatabase]:
    """Open a database: `kind` is sqlite, postgres (a temporary server) or a postgresql:// URL.

    With `proxied`, the bot connects to the temporary server through a proxy that can lose its replies.
    """
    async with AsyncExitStack() as stack:
        found = OpenedDatabase(sqlite_url(folder / "bot.db"))
        if kind != "sqlite":
            direct = kind
            if kind == "postgres":
                data = stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-pg-"))
                server = PostgresServer(Path(data))
                stack.callback(server.stop)
                direct = await server.empty_database()
            found = OpenedDatabase(direct)
            if proxied and kind == "postgres":
                proxy, url = await stack.enter_async_context(proxy_of(direct))
                found = OpenedDatabase(url, direct)
                found.proxy = proxy
        stack.push_async_callback(found.close)
        yield found
