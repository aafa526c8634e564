"""Connections of simulated processes to PostgreSQL. Virtual time stands still while a statement is executed.

A call of asyncpg runs on the server's loop in real time, until every statement is answered or waits for a
lock. So statements are executed in the order in which processes send them, and a seed replays. Locks have no
timeout: no process waits in virtual time while it holds one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg

from tests.simulation.engine.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.engine.life import current_life
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.network import LATENCY
from tests.simulation.engine.postgres import Server, really_connect

# Real seconds to wait for an answer before asking the server whether the statement waits for a lock.
_GLANCE = 0.01
# The number of glances after which a statement is considered hung.
_PATIENCE = 6000
_WAITING = "SELECT pid FROM pg_locks WHERE NOT granted"
_TERMINATE = "SELECT pg_terminate_backend($1)"
_EXISTS = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1"
# The methods of asyncpg's protocol that talk to the server.
_CALLS = ("query", "prepare", "bind_execute", "bind_execute_many", "close_statement", "close")


@dataclass(eq=False)
class Statement:
    """A call in flight. `answer` is the future that its process awaits."""

    connection: SimulatedConnection
    sql: str | None
    task: asyncio.Task[Any]
    answer: asyncio.Future[Any]


class Protocol:
    """asyncpg's protocol of a connection, whose calls to the server become statements."""

    def __init__(self, connection: SimulatedConnection, real: Any) -> None:
        self._connection = connection
        self._real = real

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return partial(self._connection.call, name, found) if name in _CALLS else found

    def abort(self) -> None:
        self._connection.break_off()


class SimulatedConnection(asyncpg.Connection):
    """A connection of a simulated process, whose callbacks are called in virtual time."""

    traffic: Traffic
    # What asyncpg's stubs lack.
    _protocol: Any
    _listeners: dict[str, set[Any]]
    _termination_listeners: set[Any]

    def join(self, traffic: Traffic) -> None:
        """Connect this end, which asyncpg has created, with its process."""
        self.traffic = traffic
        self.life = current_life()
        self.context = copy_context()
        self.pid = self.get_server_pid()
        self.real = self._protocol
        self.heard: list[tuple[Any, ...]] = []
        """Notifications that the process doesn't have yet."""
        self._protocol = Protocol(self, self.real)
        if self.life is not None:
            self.life.resources[self] = None

    async def call(
        self, name: str, method: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **more: Any
    ) -> Any:
        """Execute a call of asyncpg, unless a fault strikes before."""
        sql = _sql_in(name, arguments, more)
        if sql is not None:
            try:
                STATEMENTS.crossed(self.life, sql, done=False)
            except ConnectionLost:
                self.break_off()
                raise _lost() from None
            except sqlite3.OperationalError as error:
                method, arguments, more = self.real.query, (_failure(sql, str(error)), None), {}
        if self.life is not None and self.life.dead:
            await self.traffic.loop.create_future()  # for ever
        statement = self.traffic.execute(self, sql, method(*arguments, **more))
        try:
            return await statement.answer
        except asyncio.CancelledError:
            self.traffic.cancel(statement)
            raise
        finally:
            if name == "close":
                self.break_off()

    def break_off(self) -> None:
        """End the connection as a failing network or server does."""
        self.traffic.end(self)

    def die(self) -> None:
        """End the connection as the operating system does for a killed process."""
        self.traffic.end(self)

    def _process_notification(self, *notification: Any) -> None:
        self.heard.append(notification)

    def hear(self) -> None:
        """Give the process its notifications."""
        heard, self.heard = self.heard, []
        for pid, channel, payload in heard:
            for listener in self._listeners.get(channel, ()):
                self._call_soon(listener.cb, self, pid, channel, payload)

    def _call_termination_listeners(self) -> None:
        for listener in self._termination_listeners:
            self._call_soon(listener.cb, self)
        self._termination_listeners.clear()

    def _call_soon(self, callback: Any, *arguments: Any) -> None:
        self.traffic.loop.call_soon(callback, *arguments, context=self.context)


@dataclass
class Traffic:
    """All connections of an event loop to one PostgreSQL server."""

    loop: VirtualLoop
    server: Server
    connections: dict[SimulatedConnection, None] = field(default_factory=dict)
    in_flight: list[Statement] = field(default_factory=list)

    def connect(
        self, *arguments: Any, server_settings: dict[str, str], **options: Any
    ) -> SimulatedConnection:
        """Open a connection. The server's timeouts are disabled, because they use real time."""
        options["server_settings"] = {
            name: "0" if name.endswith("_timeout") else value for name, value in server_settings.items()
        }
        options |= {"timeout": None, "command_timeout": None, "connection_class": SimulatedConnection}
        connection: SimulatedConnection = self.server.loop.run(really_connect(*arguments, **options))
        connection.join(self)
        self.connections[connection] = None
        return connection

    def execute(
        self, connection: SimulatedConnection, sql: str | None, work: Coroutine[Any, Any, Any]
    ) -> Statement:
        task = self.server.loop.create_task(work)
        statement = Statement(connection, sql, task, self.loop.create_future())
        self.in_flight.append(statement)
        self._settle()
        return statement

    def cancel(self, statement: Statement) -> None:
        """Cancel a statement whose process no longer waits for it."""
        if statement in self.in_flight:
            self.in_flight.remove(statement)
            self.server.loop.run(_cancelled(statement))
            self._settle()

    def end(self, connection: SimulatedConnection) -> None:
        """Close a connection, and wait until the server has rolled back its transaction."""
        if connection not in self.connections:
            return
        del self.connections[connection]
        if connection.life is not None:
            connection.life.resources.pop(connection, None)
        connection.real.abort()
        self.server.loop.run(self._ended(connection))
        self._settle()

    async def _ended(self, connection: SimulatedConnection) -> None:
        await self.server.own.execute(_TERMINATE, connection.pid)
        while await self.server.own.fetchval(_EXISTS, connection.pid):  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """Close all connections at the end of a round. Deleting the database ends the sessions."""
        for connection in self.connections:
            connection.real.abort()
        self.connections.clear()
        self.in_flight.clear()
        self.server.loop.run(asyncio.sleep(0))

    def _settle(self) -> None:
        """Wait until every statement is answered or waits for a lock, and deliver the answers."""
        for _ in range(_PATIENCE):
            busy = [each for each in self.in_flight if not each.task.done()]
            if not busy:
                break
            self.server.loop.wait([each.task for each in busy], _GLANCE)
            busy = [each for each in busy if not each.task.done()]
            if busy and self._wait_for_locks(busy):
                break
        else:
            raise AssertionError(f"PostgreSQL doesn't answer {[each.sql for each in self.in_flight]}")
        for statement in [each for each in self.in_flight if each.task.done()]:
            self.in_flight.remove(statement)
            self._answer(statement)

    def _wait_for_locks(self, busy: list[Statement]) -> bool:
        waiting = {row["pid"] for row in self.server.loop.run(self.server.own.fetch(_WAITING))}
        left = [each for each in busy if not each.task.done()]
        return all(each.connection.pid in waiting for each in left)

    def _answer(self, statement: Statement) -> None:
        """Give a process the answer to its statement, unless a fault strikes after it."""
        connection, sql = statement.connection, statement.sql
        error = statement.task.exception()
        if error is None and sql is not None:
            try:
                STATEMENTS.crossed(connection.life, sql, done=True)
            except ConnectionLost:
                connection.break_off()
                error = _lost()
        result = None if error is not None else statement.task.result()
        self.loop.call_soon(_resolve, statement.answer, result, error, context=connection.context)
        if sql is not None and "pg_notify" in sql:
            self._collect_notifications()

    def _collect_notifications(self) -> None:
        """Deliver the notifications that were just committed.

        PostgreSQL signals the listening sessions before it answers the COMMIT. Each session therefore sends
        its notifications before it answers its next message.
        """
        for connection in [each for each in self.connections if each._listeners]:
            self.server.loop.run(connection.real.query("SELECT", None))
            connection.hear()


async def connect(*arguments: Any, **options: Any) -> SimulatedConnection:
    """Open a connection as `asyncpg.connect` does, in virtual time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    assert loop.postgres is not None
    await asyncio.sleep(LATENCY)
    return loop.postgres.connect(*arguments, **{"server_settings": {}} | options)


asyncpg.connect = connect  # type: ignore[assignment]


def _sql_in(name: str, arguments: tuple[Any, ...], more: dict[str, Any]) -> str | None:
    """Return the statement that a call of asyncpg executes, or None if it executes none."""
    if name == "query":
        sql: str = arguments[0]
    elif name in ("bind_execute", "bind_execute_many"):
        sql = (more["state"] if "state" in more else arguments[0]).query
    else:
        return None
    return sql.rstrip(";") or sql


def _failure(sql: str, message: str) -> str:
    """Return a query that fails with "disk full" (53100).

    A failed COMMIT ends its transaction; after any other failed statement the process must roll back.
    """
    text = message.replace("'", "''")
    failing = f"DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = '{text}'; END$$"
    return f"{'ROLLBACK; ' if sql == 'COMMIT' else ''}{failing}"


def _lost() -> asyncpg.ConnectionDoesNotExistError:
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


def _resolve(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)


async def _cancelled(statement: Statement) -> None:
    """Cancel a statement, and wait until the server has confirmed it."""
    statement.task.cancel()
    await asyncio.wait([statement.task])
    await statement.connection.real._wait_for_cancellation()
