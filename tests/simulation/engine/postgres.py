"""A PostgreSQL server for one simulation, and its databases.

All calls block, and don't use the event loop.
"""

from __future__ import annotations

import atexit
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlsplit

_USER = "postgres"
_PROTOCOL = 3 << 16
# Real seconds after which a server is considered hung.
_PATIENCE = 60.0
_PROJECT = Path(__file__).resolve().parents[3]


class ServerError(Exception):
    """An error response of PostgreSQL; `sqlstate` is its code."""

    def __init__(self, body: bytes) -> None:
        fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
        self.sqlstate = fields.get(b"C", "")
        super().__init__(f"{self.sqlstate}: {fields.get(b'M', '')}")


def frames(data: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Remove all complete messages from the beginning of `data`; yield the type and body of each."""
    while len(data) >= 5:
        (length,) = struct.unpack_from("!I", data, 1)
        if len(data) <= length:
            return
        kind, body = bytes(data[:1]), bytes(data[5 : length + 1])
        del data[: length + 1]
        yield kind, body


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """Return a message of PostgreSQL's wire protocol."""
    return kind + struct.pack("!I", len(body) + 4) + body


def startup(parameters: dict[str, str]) -> bytes:
    """Return a connection's StartupMessage, which has no type byte."""
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!II", len(body) + 8, _PROTOCOL) + body


class Session:
    """A blocking connection of the simulation itself, outside virtual time."""

    def __init__(self, path: str, database: str = _USER) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(path)
        self._unread = bytearray()
        self._socket.sendall(startup({"user": _USER, "database": database, "application_name": "simulation"}))
        self._answer()

    def query(self, sql: str) -> list[list[str | None]]:
        """Execute a statement and return its rows as text. Raises ServerError."""
        self._socket.sendall(frame(b"Q", sql.encode() + b"\0"))
        return self._answer()

    def close(self) -> None:
        self._socket.close()

    def _answer(self) -> list[list[str | None]]:
        rows: list[list[str | None]] = []
        error: ServerError | None = None
        while True:
            for kind, body in frames(self._unread):
                if kind == b"D":
                    rows.append(_row(body))
                elif kind == b"E":
                    error = ServerError(body)
                elif kind == b"Z":
                    if error is not None:
                        raise error
                    return rows
            chunk = self._socket.recv(65536)
            if not chunk:
                raise error or ConnectionResetError("PostgreSQL closed the connection")
            self._unread += chunk


def _row(body: bytes) -> list[str | None]:
    (columns,) = struct.unpack_from("!H", body)
    at, values = 2, list[str | None]()
    for _ in range(columns):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return values


class Server:
    """A running PostgreSQL server. Databases are named by URLs, as in the bot's DATABASE_URL."""

    def __init__(self, process: subprocess.Popen[bytes], folder: str) -> None:
        self._process = process
        self._folder = folder
        self.socket_path = f"{folder}/.s.PGSQL.5432"
        self._session = Session(self.socket_path)
        self._numbers = count(1)
        self._template = "template0"

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}:@/{database}?host={quote(self._folder)}"

    def new_database(self) -> str:
        """Create a database, and return its URL. It is a copy of the template, or empty without one."""
        name = f"bot_{next(self._numbers)}"
        self._session.query(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return self.url(name)

    def make_template(self, url: str) -> None:
        """Make this database, which must have no connections, the template of all later ones."""
        self._template = database_of(url)

    def drop(self, url: str) -> None:
        """Delete a database, and close its remaining sessions."""
        self._session.query(f"DROP DATABASE {database_of(url)} WITH (FORCE)")

    def query(self, url: str, sql: str) -> list[list[str | None]]:
        """Execute a statement in a database, and return its rows as text. Raises ServerError."""
        session = Session(self.socket_path, database_of(url))
        try:
            return session.query(sql)
        finally:
            session.close()

    def stop(self) -> None:
        """Stop the server, and wait for its end."""
        atexit.unregister(self.stop)
        self._session.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def database_of(url: str) -> str:
    """Return the name of the database in a URL."""
    return urlsplit(url).path.lstrip("/")


def start_server(folder: Path) -> Server:
    """Start a server with its data in `folder`. Raises RuntimeError if it can't be started.

    Other users must be able to enter the folder: if this process is root, the server runs as another user.
    """
    command = [sys.executable, "-m", "tests.simulation.engine.postgres_server", str(folder.resolve())]
    process = subprocess.Popen(  # noqa: S603  # our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_PROJECT
    )
    assert process.stdout is not None
    line = process.stdout.readline().decode().rstrip("\n")
    if not line:
        raise RuntimeError(f"PostgreSQL can't be started in {folder}: exit code {process.wait()}")
    server = Server(process, line)
    atexit.register(server.stop)
    return server
