"""Where a simulated process touches the machine: files of SQLite, threads, standard error, heartbeats.

Importing this module connects the libraries to the simulation.
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

from tests.simulation.engine.life import Life, current_life
from tests.simulation.engine.loop import VirtualLoop

T = TypeVar("T")


class ConnectionLost(Exception):
    """Raised by a strike to break the process's connection to PostgreSQL.

    Before a statement, PostgreSQL never gets it. After one, PostgreSQL has carried it out, and the process
    doesn't get the reply. SQLite has no connection to break.
    """


class StatementFaults:
    """What happens to the statements of the processes: nothing, an error, or the end of the process.

    `strike` gets the process, the statement and whether it was already carried out. It may raise
    sqlite3.OperationalError before a statement, which PostgreSQL then answers with an error, too. It may
    raise `ConnectionLost` and may kill the process before or after a statement.
    """

    strike: Callable[[Life, str, bool], None] | None = None

    def __init__(self) -> None:
        self.reads: dict[Life, list[tuple[float, str]]] = {}

    def restart(self) -> None:
        """Begin a new round: no trouble, and nothing was read."""
        self.strike = None
        self.reads = {}

    def crossed(self, life: Life | None, sql: str, *, done: bool) -> None:
        if done and life is not None and sql.lstrip().startswith("SELECT"):
            self.reads.setdefault(life, []).append((time.monotonic(), sql))
        if self.strike is not None and life is not None and not life.dead:
            self.strike(life, sql, done)


STATEMENTS = StatementFaults()


class SimConnection(sqlite3.Connection):
    """A connection that its process loses when it dies, with the transaction that was open."""

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

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        return self._cross(sql, lambda: super(SimConnection, self).executemany(sql, *arguments))

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(SimCursor)

    def commit(self) -> None:
        if self.in_transaction:
            self._cross("COMMIT", super().commit)

    def _cross(self, sql: str, work: Callable[[], T]) -> T:
        if self.life is not None and self.life.dead:
            raise sqlite3.OperationalError("this process is dead")
        STATEMENTS.crossed(self.life, sql, done=False)
        result = work()
        STATEMENTS.crossed(self.life, sql, done=True)
        return result


class SimCursor(sqlite3.Cursor):
    """A cursor whose statements cross the boundary like those of its connection."""

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
    # In virtual time a busy file never becomes free while a statement waits for it.
    own = {"timeout": 0, "factory": SimConnection, "check_same_thread": False}
    connection: sqlite3.Connection = _connect(database, **options | own)
    return connection


class InlineExecutor(Executor):
    """Runs each call at once, in the loop's thread."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self._loop = loop
        self._name = name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._loop.run_inline(self._name, lambda: fn(*args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: there are no threads."""


class Beats(discord.gateway.KeepAliveHandler):
    """Sends the gateway's heartbeats from a task, where discord.py uses a thread."""

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
    """Standard error: what a process writes goes to its own log."""

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
