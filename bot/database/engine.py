"""Run a store's functions in transactions of SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar

from sqlalchemy import Connection, make_url, select

from bot.database.coordination import Coordinator
from bot.database.errors import database_errors
from bot.database.sqlite import Sqlite
from bot.database.tables import alembic_version
from bot.effects import Effects

if TYPE_CHECKING:
    from bot.database.postgres import Postgres

P = ParamSpec("P")
T = TypeVar("T")
# How long a caller waits for a thread, a connection or a lock. It is below the 3 s in which an interaction
# must be answered.
LOCK_SECONDS = 2.0
_PING = select(alembic_version)


class Database:
    """Transactions with the same guarantees on SQLite and PostgreSQL.

    The work of a transaction is a function of a Connection. It doesn't know the event loop: on SQLite it
    runs in a thread, so it must not touch anything that the event loop uses. `file` is None on PostgreSQL.
    """

    def __init__(self, url: str, effects: Effects, pool_size: int = 20) -> None:
        """Prepare the connections. SQLite ignores `pool_size`."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.file = Path(self.url.database or "") if self.is_sqlite else None
        self._server: Sqlite | Postgres
        if self.is_sqlite:
            self._server = Sqlite(self.url, effects, LOCK_SECONDS)
        else:
            from bot.database.postgres import Postgres  # noqa: PLC0415  # takes 10 MiB

            self._server = Postgres(self.url, pool_size, LOCK_SECONDS)
        self.engine, self.close = self._server.engine, self._server.close
        # Returns a coordinator for the processes that share this database. The caller opens it.
        self.coordinator: Callable[[], Coordinator] = self._server.coordinator

    async def ping(self) -> None:
        """Read a row, because SQLite opens its file only for the first table. Raises StoreUnavailable."""
        await self.read(lambda connection: connection.execute(_PING).all())

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of `work`, which writes nothing. Raises StoreUnavailable."""
        with database_errors():
            return await self._server.read(work, *args, **kwargs)

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of `work` in a transaction that is committed.

        Raises StoreUnavailable if nothing was stored, and CommitUnknown if it may be stored.
        """
        with database_errors():
            return await self._server.write(True, work, *args, **kwargs)

    async def write_unsynced(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write like `write`, but on SQLite without waiting for the disk, which takes milliseconds.

        A power failure may undo it until the next `write` returns, so use it only for what the bot can learn
        again: leases, and what ComfyDeploy reports.
        """
        with database_errors():
            return await self._server.write(False, work, *args, **kwargs)

    async def snapshot(self, work: Callable[[Connection], T]) -> T:
        """Return the result of `work` in a transaction that sees one moment, and may take any time.

        On SQLite it runs in a thread, and no writer waits for it. Raises StoreUnavailable.
        """
        with database_errors():
            return await self._server.snapshot(work)

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """Return the result of `work` in a transaction that excludes other processes, however long."""
        with database_errors():
            return await self._server.migrate(work)


class Repository:
    """Functions that the decorators below run in transactions. They raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database


S = TypeVar("S", bound=Repository)


def _runs_by(
    name: Literal["read", "write", "write_unsynced"],
) -> Callable[[Callable[Concatenate[S, Connection, P], T]], Callable[Concatenate[S, P], Awaitable[T]]]:
    """Return a decorator that makes a store's function a method, run by this method of `Database`."""

    def decorate(
        function: Callable[Concatenate[S, Connection, P], T],
    ) -> Callable[Concatenate[S, P], Awaitable[T]]:
        @wraps(function)
        async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            run: Callable[..., Awaitable[T]] = getattr(self._database, name)
            return await run(partial(function, self), *args, **kwargs)

        return method

    return decorate


reads, writes, writes_unsynced = _runs_by("read"), _runs_by("write"), _runs_by("write_unsynced")
