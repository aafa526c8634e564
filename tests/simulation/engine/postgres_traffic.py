"""PostgreSQL in virtual time: real connections, and time stands still while a statement is in flight.

Statements are sent one after the other, in the order in which they were written, so that a seed replays. The
next one is sent, and the processes go on, once all that were sent are answered or wait for a lock.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Collection
from itertools import count
from typing import Any

from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.network import LATENCY
from tests.simulation.engine.patches import TIME
from tests.simulation.engine.postgres import Session
from tests.simulation.engine.postgres_connection import SYNC, PostgresConnection, Request

# Real seconds. How long a reply may take before the server is asked whether the statement waits for a lock.
_GLANCE = 0.01
# PostgreSQL looks for a deadlock after `postgres_server.DEADLOCK_SECONDS`.
_DEADLOCK_FOUND = 0.25
# So many glances: a statement that takes longer hangs.
_PATIENCE = 6000
_WAITING = "SELECT pid FROM pg_locks WHERE NOT granted"


class Traffic:
    """All connections of a loop to the PostgreSQL server at a socket."""

    def __init__(self, loop: VirtualLoop, socket_path: str) -> None:
        self.loop = loop
        self.away = False
        self._observer = Session(socket_path)
        self._selector = selectors.DefaultSelector()
        self._serials = count(1)
        self._connections: dict[PostgresConnection, None] = {}
        self._written: deque[Request] = deque()
        self._answered: dict[PostgresConnection, None] = {}
        self._locked = False
        """Whether a statement in flight waits for a lock."""

    # What processes do.

    async def connect(
        self, factory: Callable[[], Any], path: str
    ) -> tuple[PostgresConnection, asyncio.BaseProtocol]:
        """Open a connection. Raises ConnectionRefusedError while the server is away."""
        await asyncio.sleep(LATENCY)
        if self.away:
            raise ConnectionRefusedError("PostgreSQL is away")
        protocol = factory()
        connection = PostgresConnection(self, protocol, path, next(self._serials))
        self._connections[connection] = None
        self._selector.register(connection, selectors.EVENT_READ, connection)
        protocol.connection_made(connection)
        return connection, protocol

    def queue(self, request: Request) -> None:
        """Send a request after those that are queued already."""
        self._written.append(request)

    def cancel(self, pid: int) -> bool:
        """Note that a process cancels its statement; return whether that is still in flight."""
        for connection in self._in_flight():
            if connection.pid == pid:
                connection.cancelled = True
                return True
        return False

    # Faults.

    def go_away(self) -> None:
        """Break all connections and refuse new ones, as a server that stops."""
        self.away = True
        for connection in list(self._connections):
            connection.break_off()

    def come_back(self) -> None:
        """Accept connections again."""
        self.away = False

    # What the loop does.

    def settle(self) -> None:
        """Send what was written, and wait until it is answered or waits for a lock."""
        while self._written:
            request = self._written.popleft()
            request.connection.send(request)
            self._await_replies()

    def next_instant(self, when: float) -> float:
        """Return the time to which the loop may jump, at most `when`.

        While a statement waits for a lock, time passes only if nobody can release it before.
        """
        waiting = self._in_flight()
        if not waiting:
            return when
        if self._deadlock_found(waiting):
            return TIME.monotonic
        deadline = min(connection.lock_deadline for connection in waiting)
        if deadline > TIME.monotonic:
            return min(when, deadline)
        for connection in waiting:
            if connection.lock_deadline <= TIME.monotonic:
                connection.cancelled = connection.timed_out = True
                self._observer.query(f"SELECT pg_cancel_backend({connection.pid})")
        self._await_replies()
        return TIME.monotonic

    def _deadlock_found(self, waiting: Collection[PostgresConnection]) -> bool:
        """Give the server time to look for a deadlock; return whether a statement was answered."""
        if all(connection.searched for connection in waiting):
            return False
        for connection in waiting:
            connection.searched = True
        if not self._read(_DEADLOCK_FOUND):
            return False
        self._await_replies()
        return True

    def collect_notifications(self) -> None:
        """Let the listening connections receive the notifications that were just committed.

        PostgreSQL signals the listeners' sessions before it answers the COMMIT. So each of them sends its
        notifications before it answers the next message, a sync.
        """
        for connection in self._connections:
            if connection.listens:
                self.queue(Request(connection, SYNC, b"Z", is_sync=True))

    def forget(self, connection: PostgresConnection) -> None:
        """Stop reading from a connection that the server has closed."""
        if connection in self._connections:
            connection.gone = True
            del self._connections[connection]
            self._selector.unregister(connection)
            self._answered[connection] = None

    def close(self) -> None:
        """Close all connections, and wait until the server has rolled back their transactions."""
        for connection in self._connections:
            connection.die()
        self.settle()
        for _ in range(_PATIENCE):
            if not self._connections:
                break
            self._read(_GLANCE)
            self._await_replies()
        self._observer.close()
        self._selector.close()

    # Waiting.

    def _in_flight(self) -> list[PostgresConnection]:
        return [
            connection
            for connection in self._connections
            if connection.in_flight is not None and connection not in self._answered
        ]

    def _await_replies(self) -> None:
        """Wait until every statement in flight is answered or waits for a lock; hand over the replies."""
        glance, glances = 0.0 if self._locked else _GLANCE, 0
        while busy := self._in_flight():
            if self._read(glance):
                continue
            if self._wait_for_locks(busy):
                break
            glance, glances = _GLANCE, glances + 1
            if glances > _PATIENCE:
                raise AssertionError(f"PostgreSQL doesn't answer {[each.in_flight for each in busy]}")
        self._locked = bool(busy)
        answered, self._answered = sorted(self._answered, key=lambda each: each.serial), {}
        for connection in answered:
            connection.finish()

    def _wait_for_locks(self, busy: Collection[PostgresConnection]) -> bool:
        if any(connection.cancelled for connection in busy):
            return False
        waiting = {int(pid or 0) for (pid,) in self._observer.query(_WAITING)}
        return all(connection.pid in waiting for connection in busy)

    def _read(self, seconds: float) -> bool:
        """Wait for the server; return whether anything arrived."""
        events = self._selector.select(seconds)
        for key, _ in events:
            if key.data.receive():
                self._answered[key.data] = None
        return bool(events)
