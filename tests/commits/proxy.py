"""A proxy of PostgreSQL that parses the protocol, and can lose statements, COMMITs or replies to them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import make_url

_READY = b"Z"


class Loss(StrEnum):
    """The lost part of a step: the statement itself, or the server's reply to it."""

    STATEMENT = "statement"
    REPLY = "reply"


@dataclass(frozen=True)
class Step:
    """A statement of a transaction, or its COMMIT, before it is sent. `earlier` are the ones before it."""

    earlier: list[str]
    sql: str

    @property
    def path(self) -> tuple[str, ...]:
        return (*self.earlier, self.sql)


class PostgresProxy:
    """Forwards connections to the server's socket, and loses the steps that it is told to lose."""

    def __init__(self, url: str) -> None:
        self.url = url
        """The database's URL without the proxy."""
        (folder,) = parse_qs(urlsplit(url).query)["host"]
        self._socket = Path(folder) / ".s.PGSQL.5432"
        self._connections: set[_Connection] = set()
        self.matches: Callable[[Step], bool] | None = None
        self.loss = Loss.REPLY
        self._left = 0
        self.goes_away = False
        """Whether the next lost step makes the server unavailable."""
        self.is_open = True
        self.lost: Step | None = None
        """The last lost step."""
        self.keeps_sessions = False
        """Whether the server keeps the session of a lost step, as if the connection hadn't broken."""

    def lose(self, matches: Callable[[Step], bool], loss: Loss = Loss.REPLY, *, times: int = 1) -> None:
        """Lose the next `times` matching steps, and break their connections."""
        self.matches, self.loss, self.lost, self._left = matches, loss, None, times

    def heal(self) -> None:
        """Stop losing steps, and accept connections again."""
        self.matches, self.is_open = None, True

    def shut(self) -> None:
        """Break all connections and refuse new ones, as an unavailable server does."""
        self.is_open = False
        for connection in self._connections:
            connection.abort()

    def take(self, step: Step) -> Loss | None:
        """Return which part of this step is lost, or None."""
        if self.matches is None or not self.matches(step):
            return None
        self.lost, self._left = step, self._left - 1
        if not self._left:
            self.matches = None
        return self.loss

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._socket))
        connection = _Connection(self, reader, writer, inner_reader, inner_writer)
        self._connections.add(connection)
        await asyncio.gather(connection.carry_requests(), connection.carry_replies())
        self._connections.discard(connection)


class _Connection:
    def __init__(
        self,
        proxy: PostgresProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inner_reader: asyncio.StreamReader,
        inner_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._inner_reader, self._inner_writer = inner_reader, inner_writer
        self._prepared: dict[bytes, str] = {}
        self._transaction: list[str] | None = None
        self._losing = False

    async def carry_requests(self) -> None:
        try:
            (length,) = struct.unpack("!I", await self._reader.readexactly(4))
            self._inner_writer.write(struct.pack("!I", length) + await self._reader.readexactly(length - 4))
            while await self._carry_request():
                await self._inner_writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        if not self._losing and not self._proxy.keeps_sessions:
            self._inner_writer.close()

    async def _carry_request(self) -> bool:
        """Forward messages up to one that the server answers; return False if the connection has ended."""
        request, sql = b"", None
        while True:
            kind, message = await _message(self._reader)
            request += message
            sql = self._statement(kind, message[5:]) or sql
            if kind == b"X":
                self._inner_writer.write(request)
                return False
            if kind in (b"Q", b"S"):
                break
            if kind in (b"H", b"p"):  # a flush or a password, which the server answers immediately
                self._inner_writer.write(request)
                request = b""
        step = self._step(sql)
        loss = self._proxy.take(step) if step is not None else None
        if loss is Loss.STATEMENT:
            self.lose()
            return False
        if step is not None:
            self._note(step)
        self._losing = loss is Loss.REPLY
        self._inner_writer.write(request)
        return not self._losing

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        """Return the SQL that a message executes, if any."""
        if kind == b"Q":
            return body.rstrip(b"\0").decode()
        name, _, rest = body.partition(b"\0")
        if kind == b"P":
            self._prepared[name] = rest.partition(b"\0")[0].decode()
        elif kind == b"B":
            return self._prepared[rest.partition(b"\0")[0]]
        return None

    def _step(self, sql: str | None) -> Step | None:
        if sql is None:
            return None
        word = sql.split()[0].rstrip(";").upper() if sql.split() else ""
        if word == "BEGIN":
            self._transaction = []
        elif word == "ROLLBACK":
            self._transaction = None
        elif self._transaction is not None:
            return Step(self._transaction, "COMMIT" if word == "COMMIT" else sql)
        return None

    def _note(self, step: Step) -> None:
        step.earlier.append(step.sql)
        if step.sql == "COMMIT":
            self._transaction = None

    async def carry_replies(self) -> None:
        try:
            while True:
                kind, message = await _message(self._inner_reader)
                if not self._losing:
                    self._writer.write(message)
                    await self._writer.drain()
                elif kind == _READY:
                    # The server has executed the step; its reply is dropped.
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        self.lose() if self._losing else self.abort()

    def lose(self) -> None:
        self._writer.transport.abort()
        if not self._proxy.keeps_sessions:
            self._inner_writer.transport.abort()
        if self._proxy.goes_away:
            self._proxy.shut()

    def abort(self) -> None:
        self._writer.transport.abort()
        self._inner_writer.transport.abort()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read a message; return its type and all of its bytes."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!I", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)


@asynccontextmanager
async def proxy_of(url: str) -> AsyncIterator[tuple[PostgresProxy, str]]:
    """Start a proxy of a database; yield it and the URL that leads through it."""
    proxy = PostgresProxy(url)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    direct = make_url(url).set(host="127.0.0.1", port=port, query={"ssl": "disable"})
    try:
        yield proxy, direct.render_as_string(hide_password=False)
    finally:
        server.close()
