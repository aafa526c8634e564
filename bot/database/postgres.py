"""PostgreSQL: transactions, notifications, and locks.

Imported only if it is used: SQLAlchemy's asyncio takes 10 MiB.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import URL, Connection, NullPool, PoolProxiedConnection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.database.coordination import TOPICS, Coordinator, OnNotify
from bot.database.errors import database_errors
from bot.database.row_locks import lock
from bot.domain.errors import CommitUnknown, StoreUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")
# Work at startup may wait longer than an interaction.
CONNECT_SECONDS = 10.0
# The server ends a transaction whose client has vanished, so that its locks are released.
_IDLE_MILLISECONDS = 15_000


def asyncpg_url(url: URL) -> URL:
    """Return a URL that makes SQLAlchemy use asyncpg for `postgresql://`."""
    return url.set(drivername="postgresql+asyncpg")


class Postgres:
    """Runs transactions on a pool of asyncpg connections."""

    def __init__(self, url: URL, pool_size: int, wait_seconds: float) -> None:
        self._url = asyncpg_url(url)
        self._engine = create_async_engine(
            self._url,
            # Tokens and prompts don't belong in error messages.
            hide_parameters=True,
            # Keep half of the connections open; the rest are opened under load only.
            pool_size=(pool_size + 1) // 2,
            max_overflow=pool_size // 2,
            pool_timeout=wait_seconds,
            connect_args={
                "timeout": wait_seconds,
                "command_timeout": 10,
                "server_settings": {
                    "lock_timeout": f"{wait_seconds * 1000:.0f}",
                    "idle_in_transaction_session_timeout": f"{_IDLE_MILLISECONDS}",
                },
            },
        )
        # Without BEGIN and ROLLBACK a read takes a third of the time. In a transaction, too, each statement
        # would see its own snapshot.
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self.engine = self._engine.sync_engine
        event.listen(self.engine, "checkout", _replace_closed)

    async def read(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        async with self._reading.connect() as connection:
            return await connection.run_sync(work, *args, **kwargs)

    async def write(self, _synced: bool, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a transaction, always synced: to say otherwise would take another round trip.

        Raises CommitUnknown if its COMMIT has no reply.
        """
        async with self._engine.connect() as connection:
            result = await connection.run_sync(work, *args, **kwargs)
            try:
                with database_errors():
                    await connection.commit()
            except StoreUnavailable as error:
                # The connection may still be waiting for the reply.
                await connection.invalidate()
                raise CommitUnknown(str(error)) from error
            return result

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that excludes other migrations, and whose statements may take any time."""

        def alone(connection: Connection) -> T:
            lock(connection, "schema")
            return work(connection)

        async with self._unlimited().begin() as connection:
            return await connection.run_sync(alone)

    async def snapshot(self, work: Callable[[Connection], T]) -> T:
        async with self._unlimited(isolation_level="REPEATABLE READ").connect() as connection:
            return await connection.run_sync(work)

    def _unlimited(self, **options: Any) -> AsyncEngine:
        """Return an engine whose statements may take any time."""
        waits = {"timeout": CONNECT_SECONDS}
        return create_async_engine(
            self._url, poolclass=NullPool, hide_parameters=True, connect_args=waits, **options
        )

    async def close(self) -> None:
        await self._engine.dispose()

    def coordinator(self) -> Coordinator:
        return PostgresCoordinator(self._url)


def _replace_closed(connection: PoolProxiedConnection, *_: object) -> None:
    """Let the pool open a new connection instead of one that PostgreSQL has closed, for instance to restart.

    A round trip before each transaction would also find connections that died without a word, but those are
    rare, and it would take as long as the transaction itself.
    """
    driver = connection.driver_connection
    if driver is not None and driver.is_closed():
        raise DisconnectionError


CHANNEL = "bot_nudges"
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
# With two keys, so that these locks don't clash with those of `row_locks.lock`.
_TRY_LOCK = f"SELECT pg_try_advisory_lock({0x626F74}, hashtext($1))"
_NOTIFY = "SELECT pg_notify($1, $2)"


class PostgresCoordinator(Coordinator):
    """A coordinator that uses one PostgreSQL connection and reconnects until the server is back.

    It is outside the pool, for LISTEN, NOTIFY and session-level advisory locks. NOTIFY runs in a transaction
    of its own, because PostgreSQL serializes the commits of transactions that notify.
    """

    def __init__(self, url: URL) -> None:
        super().__init__()
        self._where = url.get_dialect()().create_connect_args(url)[1]
        self._connection: asyncpg.Connection[Any] | None = None
        self._busy = asyncio.Lock()
        self._broken = asyncio.Event()
        self._topics: set[str] = set()
        self._pending = asyncio.Event()
        self._held: set[str] = set()
        self._on_notify: OnNotify = lambda _: None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, on_notify: OnNotify) -> None:
        self._on_notify = on_notify
        await self._connect()
        self._tasks = [
            asyncio.create_task(self._keep_alive(), name="coordinator"),
            asyncio.create_task(self._send_notifications(), name="coordinator-notify"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._disconnect()

    def notify(self, topic: str) -> None:
        self._topics.add(topic)
        self._pending.set()

    async def try_acquire(self, name: str) -> bool:
        if name in self._held:
            return True
        if not await self._execute(_TRY_LOCK, name):
            return False
        self._held.add(name)
        return True

    async def _execute(self, statement: str, *arguments: str) -> Any:
        async with self._busy:
            with database_errors():
                # The connection may have been replaced or lost while this caller waited.
                if self._connection is None or self._broken.is_set():
                    raise StoreUnavailable("the coordination connection is down")
                try:
                    return await self._connection.fetchval(statement, *arguments)
                except BaseException:
                    # After a failed or cancelled statement the session's locks are unknown: start a new one.
                    self._broken.set()
                    raise

    async def _connect(self) -> None:
        def receive(heard: Any, pid: int, _channel: str, topics: object) -> None:
            # asyncpg may still call this for a connection that was closed, which no longer knows its process.
            if heard is self._connection and pid != own_pid:
                self._on_notify(str(topics).split(","))

        with database_errors():
            self._connection = connection = await asyncpg.connect(
                **self._where,
                timeout=CONNECT_SECONDS,
                command_timeout=CONNECT_SECONDS,
                server_settings=_SESSION,
            )
            own_pid = connection.get_server_pid()
            self._broken.clear()
            connection.add_termination_listener(self._terminated)
            await connection.add_listener(CHANNEL, receive)

    def _terminated(self, connection: object) -> None:
        if connection is self._connection:
            self._broken.set()

    def _disconnect(self) -> None:
        """End the connection without a farewell, which may wait for a server that is gone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _keep_alive(self) -> None:
        """Ping the connection, and reconnect when it breaks. Notifications may have been missed then."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_INTERVAL):
                    await self._broken.wait()
            if not self._broken.is_set():
                with suppress(StoreUnavailable):
                    await self._execute("SELECT 1")
                continue
            log.warning("lost the coordination connection, so other processes are noticed late")
            self._disconnect()
            await self._reconnect()
            log.info("restored the coordination connection")
            self._on_notify(TOPICS)

    async def _reconnect(self) -> None:
        """Connect, and take all held locks again, unless another session has kept one for too long."""
        give_up: float | None = None
        while True:
            with suppress(StoreUnavailable):
                await self._connect()
                taken = [name for name in sorted(self._held) if not await self._execute(_TRY_LOCK, name)]
                if not taken:
                    return
                now = asyncio.get_running_loop().time()
                give_up = give_up or now + _STALE_SESSION_SECONDS
                if now > give_up and not self.lost.done():
                    self.lost.set_result(taken[0])
                    return
            self._disconnect()
            await asyncio.sleep(_RECONNECT_PAUSE)

    async def _send_notifications(self) -> None:
        """Send one NOTIFY for all topics that came up since the last one."""
        while True:
            await self._pending.wait()
            self._pending.clear()
            topics, self._topics = self._topics, set()
            try:
                await self._execute(_NOTIFY, CHANNEL, ",".join(sorted(topics)))
            except StoreUnavailable:
                self._topics |= topics
                self._pending.set()
                await asyncio.sleep(_RECONNECT_PAUSE)
            await asyncio.sleep(_NOTIFY_PAUSE)
