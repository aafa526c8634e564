"""Notify other processes that share the database, and hold locks between them.

On PostgreSQL each process keeps one connection outside the pool, for LISTEN, NOTIFY and session-level
advisory locks. NOTIFY runs in a transaction of its own, because PostgreSQL serializes the commits of
transactions that notify. Otherwise, transactions that change rows would wait for each other.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.database.postgres import CONNECT_SECONDS, asyncpg_url, database_errors
from bot.domain.errors import StoreUnavailable

log = logging.getLogger(__name__)
CHANNEL = "bot_nudges"
TOPICS = ("check", "reload", "show", "submit")
# Advisory locks with two keys don't clash with the single-key locks of `Database.exclusive`.
_LOCK_SPACE = 0x626F74
_NOTIFY_PAUSE = 0.02
_PING_INTERVAL = 15.0
_RECONNECT_PAUSE = 1.0
# TCP keepalive lets the server drop a dead session within 60 s. Until then, a lock that looks taken may be
# held by our own old session.
_STALE_SESSION_SECONDS = 90.0
_SESSION = {
    "application_name": "bot line",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:space, hashtext(:name))")
_NOTIFY = text("SELECT pg_notify(:channel, :topics)")


class PostgresCoordinator:
    """A coordinator that uses one PostgreSQL connection and reconnects until the server is back."""

    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(
            asyncpg_url(url),
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
        self._driver_connection: Any = None
        self._own_pid = 0
        self._busy = asyncio.Lock()
        self._broken = asyncio.Event()
        self._topics: set[str] = set()
        self._pending = asyncio.Event()
        self._held: set[str] = set()
        # The name of a lock that another process has taken in an outage.
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._on_notify: OnNotify = lambda _: None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, on_notify: OnNotify) -> None:
        """Connect, and call `on_notify` with the topics that other processes notify about.

        Raises StoreUnavailable if the first connection fails. If it is lost later, this reconnects.
        """
        self._on_notify = on_notify
        await self._connect()
        self._tasks = [
            asyncio.create_task(self._keep_alive(), name="coordinator"),
            asyncio.create_task(self._send_notifications(), name="coordinator-notify"),
        ]

    async def close(self) -> None:
        """Release all locks and disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()
        await self._engine.dispose()

    def notify(self, topic: str) -> None:
        """Notify the other processes about a topic; topics in quick succession are batched."""
        self._topics.add(topic)
        self._pending.set()

    async def try_acquire(self, name: str) -> bool:
        """Acquire a lock and hold it until `close`; return False if another process holds it.

        Raises StoreUnavailable.
        """
        if name in self._held:
            return True
        if not await self._lock(name):
            return False
        self._held.add(name)
        return True

    async def _execute(self, statement: Any, **parameters: object) -> Any:
        async with self._busy:
            with database_errors():
                # The connection may have been replaced or lost while this caller waited.
                connection = self._connection
                if connection is None or self._broken.is_set():
                    raise StoreUnavailable("the coordination connection is down")
                try:
                    return await connection.scalar(statement, parameters)
                except BaseException:
                    # After a failed or cancelled statement the session's locks are unknown: start a new one.
                    self._broken.set()
                    raise

    async def _connect(self) -> None:
        with database_errors():
            self._connection = connection = await self._engine.connect()
            driver: Any = (await connection.get_raw_connection()).driver_connection
            self._driver_connection, self._own_pid = driver, driver.get_server_pid()
            self._broken.clear()
            driver.add_termination_listener(self._on_terminated)
            await driver.add_listener(CHANNEL, self._receive)

    def _on_terminated(self, driver: object) -> None:
        if driver is self._driver_connection:
            self._broken.set()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                # Don't close gracefully: that may wait for a server that is gone.
                self._driver_connection.terminate()
            # Let a running statement fail first.
            async with self._busy:
                with suppress(Exception):
                    await connection.close()

    def _receive(self, _connection: object, pid: int, _channel: str, topics: str) -> None:
        if pid != self._own_pid:
            self._on_notify(topics.split(","))

    async def _keep_alive(self) -> None:
        """Ping the connection, and reconnect when it breaks. Notifications may have been missed then."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_INTERVAL):
                    await self._broken.wait()
            if not self._broken.is_set():
                with suppress(StoreUnavailable):
                    await self._execute(text("SELECT 1"))
                continue
            log.warning("lost the coordination connection, so other processes are noticed late")
            await self._disconnect()
            await self._reconnect()
            log.info("restored the coordination connection")
            self._on_notify(TOPICS)

    async def _reconnect(self) -> None:
        """Connect, and take all held locks again, unless another session has kept one for too long."""
        give_up: float | None = None
        while True:
            with suppress(StoreUnavailable):
                await self._connect()
                taken = [name for name in sorted(self._held) if not await self._lock(name)]
                if not taken:
                    return
                now = asyncio.get_running_loop().time()
                give_up = give_up or now + _STALE_SESSION_SECONDS
                if now > give_up and not self.lost.done():
                    self.lost.set_result(taken[0])
                    return
            await self._disconnect()
            await asyncio.sleep(_RECONNECT_PAUSE)

    async def _lock(self, name: str) -> bool:
        return bool(await self._execute(_TRY_LOCK, space=_LOCK_SPACE, name=name))

    async def _send_notifications(self) -> None:
        """Send one NOTIFY for all topics that came up since the last one."""
        while True:
            await self._pending.wait()
            self._pending.clear()
            topics, self._topics = self._topics, set()
            try:
                await self._execute(_NOTIFY, channel=CHANNEL, topics=",".join(sorted(topics)))
            except StoreUnavailable:
                self._topics |= topics
                self._pending.set()
                await asyncio.sleep(_RECONNECT_PAUSE)
            await asyncio.sleep(_NOTIFY_PAUSE)


OnNotify = Callable[[Collection[str]], None]
_RETRY_PAUSE = 0.25


class LockHeld(Exception):
    """Raised when another process holds the lock named by `args[0]`."""


class FileCoordinator:
    """The coordinator for SQLite, where the database belongs to one process.

    `try_acquire` locks one file next to the database, whatever the lock's name; `notify` does nothing.
    SQLite itself locks the file, and the operating system releases that lock when the process dies.
    """

    def __init__(self, database: Path | None) -> None:
        """Pass None for an in-memory database, which no other process can open."""
        self._database = database
        self._file: sqlite3.Connection | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self, on_notify: OnNotify) -> None:
        pass

    async def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def notify(self, topic: str) -> None:
        pass

    async def try_acquire(self, name: str) -> bool:
        if self._database is None or self._file is not None:
            return True
        file = sqlite3.connect(f"{self._database}.lock", timeout=0)
        try:
            file.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            file.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return False
            raise StoreUnavailable(f"{name}: {error}") from error
        self._file = file
        return True


# Notifications and locks between the processes that share a database.
Coordinator = PostgresCoordinator | FileCoordinator


async def acquire(coordinator: Coordinator, name: str, wait_seconds: float) -> None:
    """Acquire a lock and hold it until the coordinator is closed, retrying for up to `wait_seconds` seconds.

    Raises LockHeld or StoreUnavailable.
    """
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while not await coordinator.try_acquire(name):
        if asyncio.get_running_loop().time() >= deadline:
            raise LockHeld(name)
        await asyncio.sleep(_RETRY_PAUSE)
