"""The line over PostgreSQL: LISTEN and NOTIFY, and advisory locks of a session that lasts.

One connection of each process, beside the pool, carries it all. A NOTIFY is a transaction of its own, for all
that came up meanwhile: within the transactions that change rows, its lock would make their commits queue up.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.database.engine import CONNECT_SECONDS, database_errors
from bot.domain.errors import StoreUnavailable

log = logging.getLogger(__name__)
CHANNEL = "bot_nudges"
# Advisory locks with two numbers are a space of their own, apart from those of `Database.exclusive`.
_SPACE = 0x626F74
_TALK_PAUSE = 0.02
_PULSE = 15.0
_AGAIN = 1.0
# The server finds out within 60 s that this end is gone (below); so long a lost hold may still be our own.
_OWN_GHOST = 90.0
_SESSION = {
    "application_name": "bot line",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_TRY = text("SELECT pg_try_advisory_lock(:space, hashtext(:name))")
_LET_GO = text("SELECT pg_advisory_unlock(:space, hashtext(:name))")
_TELL = text("SELECT pg_notify(:channel, :topics)")


class PostgresCoordinator:
    """Keeps one connection, and makes it anew for as long as the server is away."""

    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": CONNECT_SECONDS,
                "server_settings": _SESSION,
            },
        )
        self._connection: AsyncConnection | None = None
        self._raw: Any = None
        self._own_pid = 0
        self._one_at_a_time = asyncio.Lock()
        self._gone = asyncio.Event()
        self._topics: set[str] = set()
        self._to_tell = asyncio.Event()
        self._held: set[str] = set()
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._hear: Hear = lambda _: None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def lost(self) -> asyncio.Future[str]:
        return self._lost

    async def open(self, hear: Hear) -> None:
        """Raises StoreUnavailable; only the first time, later it tries until the server is back."""
        self._hear = hear
        await self._connect()
        self._tasks = [
            asyncio.create_task(self._stay(), name="line"),
            asyncio.create_task(self._talk(), name="line-talk"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hang_up()
        await self._engine.dispose()

    def announce(self, topic: str) -> None:
        self._topics.add(topic)
        self._to_tell.set()

    async def try_acquire(self, name: str) -> bool:
        if name in self._held:
            return True
        if not await self._ask(_TRY, space=_SPACE, name=name):
            return False
        self._held.add(name)
        return True

    @asynccontextmanager
    async def guard(self, name: str) -> AsyncIterator[None]:
        """A session may take a lock several times, so within one process callers keep apart themselves."""
        if not await self._ask(_TRY, space=_SPACE, name=name):
            raise LockHeld(name)
        connection = self._connection
        try:
            yield
        finally:
            # With another connection it went by itself.
            if connection is self._connection:
                with suppress(StoreUnavailable):
                    await self._ask(_LET_GO, space=_SPACE, name=name)

    async def _ask(self, statement: Any, **parameters: object) -> Any:
        async with database_errors(), self._one_at_a_time:
            # Whoever had to wait may find another one than there was before, or none.
            connection = self._connection
            if connection is None or self._gone.is_set():
                raise StoreUnavailable("the line to the database is down")
            try:
                return await connection.scalar(statement, parameters)
            except BaseException:
                # After a statement that failed or was cancelled nobody knows what this session holds.
                self._gone.set()
                raise

    async def _connect(self) -> None:
        async with database_errors():
            self._connection = connection = await self._engine.connect()
            raw: Any = (await connection.get_raw_connection()).driver_connection
            self._raw, self._own_pid = raw, raw.get_server_pid()
            self._gone.clear()
            raw.add_termination_listener(self._ended)
            await raw.add_listener(CHANNEL, self._heard)

    def _ended(self, raw: object) -> None:
        if raw is self._raw:
            self._gone.set()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                # Not a polite close, which may wait for a server that is gone.
                self._raw.terminate()
            # Whoever is asking just now hears first that it is gone.
            async with self._one_at_a_time:
                with suppress(Exception):
                    await connection.close()

    def _heard(self, _connection: object, pid: int, _channel: str, topics: str) -> None:
        if pid != self._own_pid:
            self._hear(topics.split(","))

    async def _stay(self) -> None:
        """Looks after the connection; whatever was missed while it was down, polling finds."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PULSE):
                    await self._gone.wait()
            if not self._gone.is_set():
                with suppress(StoreUnavailable):
                    await self._ask(text("SELECT 1"))
                continue
            log.warning("the line to the database broke; other processes are heard by polling meanwhile")
            await self._hang_up()
            await self._come_back()
            log.info("the line to the database is back")

    async def _come_back(self) -> None:
        since: float | None = None
        while True:
            try:
                await self._connect()
                taken = await self._hold_again()
            except StoreUnavailable:
                taken = ()
                if self._connection is not None:
                    await self._hang_up()
                await asyncio.sleep(_AGAIN)
                continue
            if not taken:
                return
            since = since or time.monotonic()
            if time.monotonic() - since > _OWN_GHOST and not self._lost.done():
                self._lost.set_result(next(iter(taken)))
                return
            await self._hang_up()
            await asyncio.sleep(_AGAIN)

    async def _hold_again(self) -> Collection[str]:
        """Returns what another session has now."""
        return [name for name in sorted(self._held) if not await self._ask(_TRY, space=_SPACE, name=name)]

    async def _talk(self) -> None:
        """One NOTIFY for everything that came up since the last one."""
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            topics, self._topics = self._topics, set()
            with suppress(StoreUnavailable):
                await self._ask(_TELL, channel=CHANNEL, topics=",".join(sorted(topics)))
            await asyncio.sleep(_TALK_PAUSE)


Hear = Callable[[Collection[str]], None]
# An orderly stop takes so long, and a supervisor may start the successor before it is over.
_PATIENCE = 10.0
_RETRY = 0.25


class LockHeld(Exception):
    """Another process has it, named by `args[0]`."""


class Coordinator(Protocol):
    """Between the processes that share a database."""

    @property
    def lost(self) -> asyncio.Future[str]:
        """Done with a hold's name when another process took it while the database was away."""

    async def open(self, hear: Hear) -> None:
        """From here on `hear` gets the topics that other processes announce."""

    async def close(self) -> None:
        """Lets everything go."""

    def announce(self, topic: str) -> None:
        """Tells the others, now or together with what follows at once."""

    async def try_acquire(self, name: str) -> bool:
        """For as long as the process lives; False where another has it. Raises StoreUnavailable."""

    def guard(self, name: str) -> AbstractAsyncContextManager[None]:
        """A moment in which no other process does the same. Raises LockHeld or StoreUnavailable."""


async def hold(line: Coordinator, name: str, within: float = _PATIENCE) -> None:
    """Waits a little for a predecessor that is just ending. Raises LockHeld or StoreUnavailable."""
    give_up = asyncio.get_running_loop().time() + within
    while not await line.try_acquire(name):
        if asyncio.get_running_loop().time() >= give_up:
            raise LockHeld(name)
        await asyncio.sleep(_RETRY)


@asynccontextmanager
async def locked(line: Coordinator, name: str, within: float = _PATIENCE) -> AsyncIterator[None]:
    """Waits for whoever has the guard, and for a line that is coming back. Raises as `Line.guard` does."""
    give_up = asyncio.get_running_loop().time() + within
    async with AsyncExitStack() as stack:
        while True:
            try:
                await stack.enter_async_context(line.guard(name))
                break
            except (LockHeld, StoreUnavailable):
                if asyncio.get_running_loop().time() >= give_up:
                    raise
            await asyncio.sleep(_RETRY)
        yield


class FileCoordinator:
    """Beside a SQLite file. Nobody hears anything, everybody polls; what is held is a locked small file:
    SQLite's own lock, which every system takes from a process that dies."""

    def __init__(self, database: Path | None) -> None:
        """None for a database in memory, which is one process's own."""
        self._database = database
        self._held: dict[str, sqlite3.Connection] = {}
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def lost(self) -> asyncio.Future[str]:
        return self._lost

    async def open(self, hear: Hear) -> None:
        pass

    async def close(self) -> None:
        while self._held:
            self._held.popitem()[1].close()

    def announce(self, topic: str) -> None:
        pass

    async def try_acquire(self, name: str) -> bool:
        if self._database is None or name in self._held:
            return True
        connection = sqlite3.connect(f"{self._database}.{name.replace(' ', '-')}.lock", timeout=0)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return False
            raise StoreUnavailable(f"{name}: {error}") from error
        self._held[name] = connection
        return True

    @asynccontextmanager
    async def guard(self, name: str) -> AsyncIterator[None]:
        """There is one courier with SQLite, and its own locks are enough."""
        yield
