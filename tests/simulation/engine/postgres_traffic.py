"""Real connections to PostgreSQL, with virtual time that stands still while a statement is executed.

Statements are sent one at a time, in the order in which processes wrote them, so that a seed replays. The
next one is sent, and the processes continue, once every earlier one is answered or waits for a lock.
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

# Real seconds to wait for a reply before asking the server whether the statement waits for a lock.
_GLANCE = 0.01
# Real seconds in which PostgreSQL finds a deadlock; it looks after `postgres_server.DEADLOCK_SECONDS`.
_DEADLOCK_FOUND = 0.25
# The number of such waits after which a statement is considered hung.
_PATIENCE = 6000
_WAITING = "SELECT pid FROM pg_locks WHERE NOT granted"


class Traffic:
    """All connections of an event loop to one PostgreSQL server."""

    def __init__(self, loop: VirtualLoop, socket_path: str) -> None:
        self.loop = loop
        self._observer = Session(socket_path)
        self._selector = selectors.DefaultSelector()
        self._serials = count(1)
        self._connections: dict[PostgresConnection, None] = {}
        self._written: deque[Request] = deque()
        self._answered: dict[PostgresConnection, None] = {}
        self._locked = False
        """Whether a statement in flight waits for a lock."""

    # Calls of processes.

    async def connect(
        self, factory: Callable[[], Any], path: str
    ) -> tuple[PostgresConnection, asyncio.BaseProtocol]:
        """Open a connection."""
        await asyncio.sleep(LATENCY)
        protocol = factory()
        connection = PostgresConnection(self, protocol, path, next(self._serials))
        self._connections[connection] = None
        self._selector.register(connection, selectors.EVENT_READ, connection)
        protocol.connection_made(connection)
        return connection, protocol

    def queue(self, request: Request) -> None:
        """Queue a request behind the earlier ones."""
        self._written.append(request)

    def cancel(self, pid: int) -> bool:
        """Note that a process cancels its statement; return whether the statement is still in flight."""
        for connection in self._in_flight():
            if connection.pid == pid:
                connection.cancelled = True
                return True
        return False

    # Calls of the loop.

    def settle(self) -> None:
        """Send all queued requests, and wait until each is answered or waits for a lock."""
        while self._written:
            request = self._written.popleft()
            request.connection.send(request)
            self._await_replies()

    def next_instant(self, when: float) -> float:
        """Return the time to which the loop may jump, at most `when`.

        While statements wait for locks, the loop may jump to the next lock timeout at most, and not at all if
        the server has just ended a deadlock.
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
        """Give the server time to detect a deadlock; return whether it ended a statement."""
        if all(connection.searched for connection in waiting):
            return False
        for connection in waiting:
            connection.searched = True
        if not self._read(_DEADLOCK_FOUND):
            return False
        self._await_replies()
        return True

    def collect_notifications(self) -> None:
        """Make the listening connections receive the notifications that were just committed.

        PostgreSQL signals the listening sessions before it answers the COMMIT. Each session therefore sends
        its notifications before it answers its next message, for which a sync is queued.
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
        """Wait until every statement in flight is answered or waits for a lock; deliver the replies."""
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
        """Read replies, waiting up to `seconds` of real time; return whether anything arrived."""
        events = self._selector.select(seconds)
        for key, _ in events:
            if key.data.receive():
                self._answered[key.data] = None
        return bool(events)
