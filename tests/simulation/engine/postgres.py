"""A PostgreSQL server for one simulation, and its databases.

asyncpg talks to it on a loop in real time, which runs only while a callback of the virtual loop waits for it.
"""

from __future__ import annotations

import asyncio
import atexit
import subprocess
import sys
from asyncio import events
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import asyncpg

from tests.simulation.engine.patches import real_monotonic

T = TypeVar("T")
_PROJECT = Path(__file__).resolve().parents[3]
# Real seconds between two looks at a task that should have ended long ago.
_PATIENCE = 60.0
really_connect = asyncpg.connect


class RealLoop(asyncio.SelectorEventLoop):
    """An event loop in real time, which also runs inside a callback of another loop."""

    def time(self) -> float:
        return real_monotonic()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Block until a coroutine ends, and return its result."""
        task = self.create_task(work)
        while not task.done():
            self.wait([task], _PATIENCE)
        return task.result()

    def wait(self, tasks: Collection[asyncio.Task[Any]], seconds: float) -> None:
        """Block until one of the tasks is done, but no longer than some real seconds."""
        timer = self.call_later(seconds, self.stop)
        for task in tasks:
            task.add_done_callback(self._stop)
        with _outside(events._get_running_loop()):
            self.run_forever()
        timer.cancel()
        for task in tasks:
            task.remove_done_callback(self._stop)

    def _stop(self, _: asyncio.Task[Any]) -> None:
        self.stop()


@contextmanager
def _outside(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Pretend that no callback of the loop is running, so that another one can run."""
    task = asyncio.current_task(loop) if loop is not None else None
    if loop is not None and task is not None:
        asyncio.tasks._leave_task(loop, task)
    events._set_running_loop(None)
    try:
        yield
    finally:
        events._set_running_loop(loop)
        if loop is not None and task is not None:
            asyncio.tasks._enter_task(loop, task)


class Server:
    """A running PostgreSQL server. Databases are named by URLs, as in the bot's DATABASE_URL."""

    def __init__(self, process: subprocess.Popen[bytes], folder: str) -> None:
        self.loop = RealLoop()
        self._process = process
        self._folder = folder
        self.own: asyncpg.Connection[Any] = self.loop.run(really_connect(self.url("postgres")))
        """The simulation's own connection, outside virtual time."""
        self._numbers = count(1)
        self._template = "template0"

    def url(self, database: str) -> str:
        return f"postgresql://postgres:@/{database}?host={quote(self._folder)}"

    def new_database(self) -> str:
        """Create a database, and return its URL. It is a copy of the template, or empty without one."""
        name = f"bot_{next(self._numbers)}"
        self.loop.run(self.own.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}"))
        return self.url(name)

    def make_template(self, url: str) -> None:
        """Make this database, which must have no connections, the template of all later ones."""
        self._template = _database_of(url)

    def drop(self, url: str) -> None:
        """Delete a database, and close its remaining sessions."""
        self.loop.run(self.own.execute(f"DROP DATABASE {_database_of(url)} WITH (FORCE)"))

    def stop(self) -> None:
        """Stop the server, and wait for its end."""
        atexit.unregister(self.stop)
        self.own.terminate()
        self.loop.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _database_of(url: str) -> str:
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
