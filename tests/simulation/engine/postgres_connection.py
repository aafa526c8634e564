"""A simulated process's connection to PostgreSQL, which parses the messages in both directions."""

from __future__ import annotations

import asyncio
import math
import re
import socket
import sqlite3
import struct
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.engine.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.engine.life import current_life
from tests.simulation.engine.patches import TIME
from tests.simulation.engine.postgres import frame, frames, startup

if TYPE_CHECKING:
    from tests.simulation.engine.postgres_traffic import Traffic

SYNC = frame(b"S")
_CANCEL_REQUEST = 80877102
_PATIENCE = 60.0
# The message types that end a reply, by the type of the request's last message.
_REPLY_ENDS = {
    b"Q": b"Z",  # a simple query: ready
    b"S": b"Z",  # a sync: ready
    b"H": b"TnE",  # a flush, which asyncpg sends to prepare a statement: row description, no data, or error
    b"X": b"",  # termination: no reply
}
_STARTED = b"ZE"  # ready, or an error; this server asks for no password
_EOF = b""
_NOTIFIES = re.compile(r"\bpg_notify\b|^\s*NOTIFY\b", re.IGNORECASE)
_LISTENS = re.compile(r"^\s*LISTEN\b", re.IGNORECASE)
# The code and message of a cancelled statement, and those of PostgreSQL's `lock_timeout`, which replace them.
_LOCK_TIMEOUT = ((b"C57014\0", b"C55P03\0"), (b"user request", b"lock timeout"))


@dataclass(eq=False)
class Request:
    """Data that a process wrote at once, up to a message that the server answers."""

    connection: PostgresConnection
    data: bytes
    ends: bytes | None
    """The types that end the reply; `_EOF` if the server closes the connection; None if there is no reply."""
    sql: str | None = None
    is_sync: bool = False
    """Whether the simulation sends it to collect pending notifications."""
    is_end: bool = False


class PostgresConnection(asyncio.Transport):
    """The process's end of a connection to PostgreSQL.

    `write` only queues a request. `Traffic` sends it, and delivers the reply once it is complete.
    """

    def __init__(self, traffic: Traffic, protocol: Any, path: str, serial: int) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        super().__init__({"socket": self._socket, "peername": path})
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(path)
        self.serial = serial
        self.pid = 0
        self.in_flight: Request | None = None
        self.lock_deadline = math.inf
        """The virtual time at which the lock timeout ends the statement in flight."""
        self.searched = False
        """Whether the server had time to detect a deadlock."""
        self.cancelled = self.timed_out = False
        """Whether the statement in flight was cancelled: by its process, or by the lock timeout."""
        self.listens = False
        self.gone = False
        """Whether the server has ended the connection."""
        self._lock_seconds = math.inf
        self._traffic = traffic
        self._protocol = protocol
        self._context = copy_context()
        self._life = current_life()
        self._prepared: dict[bytes, str] = {}
        self._status = b""
        self._unread = bytearray()
        self._reply = bytearray()
        self._failed = self._notifies = False
        self._closing = self._lost = False
        if self._life is not None:
            self._life.resources[self] = None

    def __repr__(self) -> str:
        return f"<connection {self.serial} to PostgreSQL, {self.in_flight and self.in_flight.sql}>"

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def is_idle(self) -> bool:
        """Return whether no statement is in flight and no transaction is open."""
        return self.in_flight is None and self._status == b"I" and not self._closing

    # Calls of the process.

    def write(self, data: Any) -> None:
        if self._closing or (self._life is not None and self._life.dead):
            return
        request = self._first_request(bytes(data)) if not self._status else self._request(bytes(data))
        if request.sql is None or self._passes(request, request.sql):
            self._traffic.queue(request)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def break_off(self) -> None:
        """Break the connection as a failing network or server does."""
        self._end(ConnectionResetError("the connection to PostgreSQL broke"))

    def die(self) -> None:
        """Close the connection as the operating system does for a killed process."""
        if not self._closing:
            self._closing = self._lost = True
            self._traffic.queue(Request(self, b"", _EOF, is_end=True))

    def _end(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self._traffic.queue(Request(self, b"", _EOF, is_end=True))
            self._traffic.loop.call_soon(self._lose, error, context=self._context)

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def pause_reading(self) -> None:
        """Do nothing: the replies of the bot's statements fit into memory."""

    def resume_reading(self) -> None:
        """Do nothing."""

    def get_write_buffer_size(self) -> int:
        return 0

    # Requests.

    def _first_request(self, data: bytes) -> Request:
        code, pid = struct.unpack_from("!II", data, 4)
        if code == _CANCEL_REQUEST:
            # If no statement is in flight any more, the request could cancel the next one.
            forward = self._traffic.cancel(pid)
            return Request(self, data if forward else b"", _EOF, is_end=not forward)
        words = [part.decode() for part in data[8:].split(b"\0")]
        parameters = dict(zip(words[::2], words[1::2], strict=False))
        parameters.pop("", None)
        return Request(self, startup(self._without_timeouts(parameters)), _STARTED)

    def _without_timeouts(self, parameters: dict[str, str]) -> dict[str, str]:
        """Disable the server's timeouts, which use real time, and note the lock timeout."""
        milliseconds = float(parameters.get("lock_timeout", "0"))
        if milliseconds:
            self._lock_seconds = milliseconds / 1000
        return {name: "0" if name.endswith("_timeout") else value for name, value in parameters.items()}

    def _request(self, data: bytes) -> Request:
        sql, last = None, b""
        for kind, body in frames(bytearray(data)):
            last = kind
            name, _, rest = body.partition(b"\0")
            if kind == b"P":
                self._prepared[name] = rest.partition(b"\0")[0].decode()
            elif kind == b"B":
                sql = self._prepared[rest.partition(b"\0")[0]]
            elif kind == b"Q":
                sql = name.decode()
        return Request(self, data, _REPLY_ENDS.get(last), None if sql is None else sql.rstrip(";") or sql)

    def _passes(self, request: Request, sql: str) -> bool:
        """Let faults strike before a statement; return whether it is still sent."""
        try:
            STATEMENTS.crossed(self._life, sql, done=False)
        except ConnectionLost:
            self.break_off()
            return False
        except sqlite3.OperationalError as error:
            request.data, request.ends = _failure(sql, str(error)), b"Z"
        return self._life is None or not self._life.dead

    # The server.

    def send(self, request: Request) -> None:
        """Send a request unless the server has closed the connection."""
        if self.gone or (request.is_sync and not self.is_idle):
            return
        if self.in_flight is None:
            self.searched = self.cancelled = self.timed_out = self._failed = False
            self.lock_deadline = TIME.monotonic + self._lock_seconds
        if request.ends is not None:
            # A connection may end while its statement is in flight, and the statement goes on.
            self.in_flight = request
        try:
            if request.data:
                self._socket.sendall(request.data)
            if request.is_end:
                self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._traffic.forget(self)
        if request.sql is not None:
            self.listens = self.listens or bool(_LISTENS.search(request.sql))
            self._notifies = self._notifies or bool(_NOTIFIES.search(request.sql))

    def receive(self) -> bool:
        """Read from the socket; return whether the reply is complete."""
        try:
            chunk = self._socket.recv(1 << 16)
        except ConnectionError:
            chunk = b""
        if not chunk:
            self._traffic.forget(self)
            return True
        self._unread += chunk
        complete = False
        for kind, body in frames(self._unread):
            complete = self._read(kind, body) or complete
        return complete

    def _read(self, kind: bytes, body: bytes) -> bool:
        request = self.in_flight
        if kind == b"K":
            (self.pid,) = struct.unpack_from("!I", body)
        elif kind == b"Z":
            self._status = body
        elif kind == b"E":
            self._failed = True
            body = _as_lock_timeout(body) if self.timed_out else body
        if request is None or not request.is_sync or kind != b"Z":
            self._reply += frame(kind, body)
        if request is None:
            # A notification. It is delivered with the next reply, at the latest by `collect_notifications`.
            return False
        return bool(request.ends) and kind in (request.ends or b"")

    def finish(self) -> None:
        """Deliver the reply to the process, unless a fault strikes after the statement."""
        request, self.in_flight = self.in_flight, None
        if request is not None and request.sql is not None and not self._failed and not self._closing:
            try:
                STATEMENTS.crossed(self._life, request.sql, done=True)
            except ConnectionLost:
                self._reply.clear()
                self.break_off()
        if self._notifies and self._status == b"I":
            self._notifies = False
            self._traffic.collect_notifications()
        reply, self._reply = bytes(self._reply), bytearray()
        if reply:
            self._traffic.loop.call_soon(self._deliver, reply, context=self._context)
        if self.gone:
            self._socket.close()
            if not self._closing:
                self._traffic.loop.call_soon(self._lose, None, context=self._context)

    def _deliver(self, reply: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(reply)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            if self._life is not None:
                self._life.resources.pop(self, None)
            self._protocol.connection_lost(error)


def _as_lock_timeout(error: bytes) -> bytes:
    for old, new in _LOCK_TIMEOUT:
        error = error.replace(old, new)
    return error


def _failure(sql: str, message: str) -> bytes:
    """Return a query that fails with "disk full" (53100).

    A failed COMMIT ends its transaction; after any other failed statement the process must roll back.
    """
    text = message.replace("'", "''")
    failing = f"DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = '{text}'; END$$"
    return frame(b"Q", f"{'ROLLBACK; ' if sql == 'COMMIT' else ''}{failing}\0".encode())
