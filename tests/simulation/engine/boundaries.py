"""Replace what a simulated process uses of the machine: SQLite, threads, standard error, heartbeats.

Importing this module patches the libraries, and lets all processes share compiled SQL statements.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from typing import Any, TypeVar

import discord
import discord.gateway

import bot.metrics
from tests.simulation.engine.life import Life, current_life
from tests.simulation.engine.loop import VirtualLoop
from tests.sql_cache import share_compiled_statements

T = TypeVar("T")


class ConnectionLost(Exception):
    """Raised by `StatementFaults.strike` to break the process's connection to PostgreSQL.

    If it is raised before a statement, PostgreSQL never gets the statement. If it is raised afterwards,
    PostgreSQL has executed the statement, but the process gets no reply. SQLite has no connection to break.
    """


class StatementFaults:
    """A hook around each statement that a process executes, to inject faults.

    `strike` is called before and after a statement, with the process, the statement and whether it was
    executed. It may kill the process or raise `ConnectionLost`. Before a statement it may also raise
    sqlite3.OperationalError, which a process on PostgreSQL gets as an error of the server.
    """

    strike: Callable[[Life, str, bool], None] | None = None

    def crossed(self, life: Life | None, sql: str, *, done: bool) -> None:
        if self.strike is not None and life is not None and not life.dead:
            self.strike(life, sql, done)


STATEMENTS = StatementFaults()


class SimConnection(sqlite3.Connection):
    """A connection that is closed when its process dies, which rolls back an open transaction."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.life = current_life()
        if self.life is not None:
            self.life.resources[self] = None

    def __hash__(self) -> int:
        return id(self)

    def die(self) -> None:
        super().close()

    def close(self) -> None:
        if self.life is None or not self.life.dead:
            super().close()
            if self.life is not None:
                self.life.resources.pop(self, None)

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        return self._cross(sql, lambda: super(SimConnection, self).execute(sql, *arguments))

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(SimCursor)

    def commit(self) -> None:
        if self.in_transaction:
            self._cross("COMMIT", super().commit)

    def _cross(self, sql: str, work: Callable[[], T]) -> T:
        STATEMENTS.crossed(self.life, sql, done=False)
        if self.life is not None and self.life.dead:
            raise sqlite3.OperationalError("this process is dead")
        result = work()
        STATEMENTS.crossed(self.life, sql, done=True)
        return result


class SimCursor(sqlite3.Cursor):
    """A cursor whose statements pass the fault hook, too."""

    def execute(self, sql: str, *arguments: Any) -> Any:
        connection = self.connection
        assert isinstance(connection, SimConnection)
        return connection._cross(sql, lambda: super(SimCursor, self).execute(sql, *arguments))

    def executemany(self, sql: str, *arguments: Any) -> Any:
        connection = self.connection
        assert isinstance(connection, SimConnection)
        return connection._cross(sql, lambda: super(SimCursor, self).executemany(sql, *arguments))


_connect = sqlite3.connect
_real_stderr = sys.stderr


def _connect_simulated(database: Any, **options: Any) -> sqlite3.Connection:
    # While SQLite waits for a busy file, virtual time stands still, so the wait would never end.
    own = {"timeout": 0, "factory": SimConnection, "check_same_thread": False}
    connection: sqlite3.Connection = _connect(database, **options | own)
    return connection


class InlineExecutor(Executor):
    """Runs each call immediately in the event loop's thread."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self._loop = loop
        self._name = name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._loop.run_inline(self._name, lambda: fn(*args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: there are no threads."""


class Beats(discord.gateway.KeepAliveHandler):
    """Sends the gateway's heartbeats from a task instead of discord.py's thread."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._beat(), name="heartbeat")

    def stop(self) -> None:
        super().stop()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _beat(self) -> None:
        while not self._stop_ev.is_set():
            await asyncio.sleep(self.interval or 0)
            if self._last_recv + self.heartbeat_timeout < time.perf_counter():
                self.stop()
                await self.ws.close(4000)
                return
            try:
                await self.ws.send_heartbeat(self.get_payload())
            except Exception:
                self.stop()
                return
            self._last_send = time.perf_counter()


class StandardError:
    """A standard error stream that adds each process's output to the round's log."""

    def write(self, text: str) -> int:
        life = current_life()
        if life is not None:
            life.write(text)
        else:
            _real_stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def isatty(self) -> bool:
        return False


def utc_now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


sys.stderr = StandardError()
sqlite3.connect = _connect_simulated  # type: ignore[assignment]
sqlite3.dbapi2.connect = _connect_simulated  # type: ignore[assignment]
discord.gateway.KeepAliveHandler = Beats  # type: ignore[misc]
discord.utils.utcnow = utc_now
bot.metrics._LAG_INTERVAL = 3600.0  # no callback is ever late in virtual time
share_compiled_statements()
