"""A proxy of PostgreSQL that can lose statements, COMMITs or the replies to them, and become unavailable."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import make_url

# How the messages begin that asyncpg sends: a COMMIT, and any statement (parse, bind, query).
COMMIT = (b"Q\0\0\0\x0cCOMMIT;\0",)
STATEMENT = (b"P", b"B", b"Q")
# The server is ready for the next statement; the status of the transaction follows.
_READY = b"Z\0\0\0\x05"
_CHUNK = 1 << 16


class Loss(StrEnum):
    """The lost part of a step: the statement itself, or the server's reply to it."""

    STATEMENT = "statement"
    REPLY = "reply"


class PostgresProxy:
    """Forwards connections to the server's socket, and breaks those whose steps it is told to lose."""

    def __init__(self, url: str) -> None:
        self.url = url
        """The database's URL without the proxy."""
        (folder,) = parse_qs(urlsplit(url).query)["host"]
        self._socket = f"{folder}/.s.PGSQL.5432"
        self._writers: list[StreamWriter] = []
        self.lose(times=0)
        self.goes_away = False
        """Whether the next lost step makes the server unavailable."""
        self.is_open = True

    def lose(
        self, loss: Loss = Loss.REPLY, *, steps: tuple[bytes, ...] = COMMIT, every: int = 1, times: int = 1
    ) -> None:
        """Lose `times` of the next steps, each time after `every - 1` others."""
        self._loss, self._steps, self._every, self._left, self._seen = loss, steps, every, times, 0

    @property
    def has_lost(self) -> bool:
        """Whether all steps that were to be lost are lost."""
        return self._left == 0

    def heal(self) -> None:
        """Stop losing steps, and accept connections again."""
        self._left, self.is_open = 0, True

    def shut(self) -> None:
        """Break all connections and refuse new ones, as an unavailable server does."""
        self.is_open = False
        self.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def _loses(self, sent: bytes) -> bool:
        if not self._left or not sent.startswith(self._steps):
            return False
        self._seen += 1
        if self._seen % self._every:
            return False
        self._left -= 1
        return True

    async def connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Carry a connection's messages to the server until one is lost or either side hangs up."""
        if not self.is_open:
            writer.transport.abort()
            return
        server_reader, server = await asyncio.open_unix_connection(self._socket)
        self._writers += [writer, server]
        replies = asyncio.create_task(_carry(server_reader, writer))
        is_lost = False
        with suppress(ConnectionError):
            while not is_lost and (sent := await reader.read(_CHUNK)):
                is_lost = self._loses(sent)
                if is_lost:
                    replies.cancel()
                    await asyncio.wait({replies})
                if not is_lost or self._loss is Loss.REPLY:
                    server.write(sent)
                    await server.drain()
            if is_lost and self._loss is Loss.REPLY:
                await _reply(server_reader)
        writer.transport.abort()
        server.transport.abort()
        if is_lost and self.goes_away:
            self.shut()


async def _carry(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while received := await reader.read(_CHUNK):
            writer.write(received)
            await writer.drain()
    writer.transport.abort()


async def _reply(reader: StreamReader) -> None:
    """Read the server's reply to a statement, which is then carried out."""
    received = b"-"
    while received and received[-6:-1] != _READY:
        received = await reader.read(_CHUNK)


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
        proxy.close()
