"""What processes over one database tell each other at once, and what only one of them may hold.

A line never carries the truth: a nudge that is lost costs a polling interval. A hold ends with the process
that has it, however that dies, so nobody waits for a lease of the dead.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from bot.domain.errors import StoreUnavailable

Hear = Callable[[Collection[str]], None]
# An orderly stop takes so long, and a supervisor may start the successor before it is over.
_PATIENCE = 10.0
_RETRY = 0.25


class AlreadyHeld(Exception):
    """Another process has it, named by `args[0]`."""


class Line(Protocol):
    """Between the processes that share a database."""

    @property
    def lost(self) -> asyncio.Future[str]:
        """Done with a hold's name when another process took it while the database was away."""

    async def open(self, hear: Hear) -> None:
        """From here on `hear` gets the topics that other processes announce."""

    async def close(self) -> None:
        """Lets everything go."""

    def announce(self, topic: str) -> None:
        """Tells the others, now or together with what follows at once."""

    async def try_hold(self, name: str) -> bool:
        """For as long as the process lives; False where another has it. Raises StoreUnavailable."""

    def guard(self, name: str) -> AbstractAsyncContextManager[None]:
        """A moment in which no other process does the same. Raises AlreadyHeld or StoreUnavailable."""


async def hold(line: Line, name: str, patience: float = _PATIENCE) -> None:
    """Waits a little for a predecessor that is just ending. Raises AlreadyHeld or StoreUnavailable."""
    give_up = asyncio.get_running_loop().time() + patience
    while not await line.try_hold(name):
        if asyncio.get_running_loop().time() >= give_up:
            raise AlreadyHeld(name)
        await asyncio.sleep(_RETRY)


@asynccontextmanager
async def guarded(line: Line, name: str, patience: float = _PATIENCE) -> AsyncIterator[None]:
    """Waits for whoever has the guard, and for a line that is coming back. Raises as `Line.guard` does."""
    give_up = asyncio.get_running_loop().time() + patience
    async with AsyncExitStack() as stack:
        while True:
            try:
                await stack.enter_async_context(line.guard(name))
                break
            except (AlreadyHeld, StoreUnavailable):
                if asyncio.get_running_loop().time() >= give_up:
                    raise
            await asyncio.sleep(_RETRY)
        yield


class FileLine:
    """Beside a SQLite file. Nobody hears anything, everybody polls; what is held is a locked small file:
    SQLite's own lock, which every system takes from a process that dies."""

    def __init__(self, database: Path | None) -> None:
        """None for a database in memory, which is one process's own."""
        self._database = database
        self._held: dict[str, sqlite3.Connection] = {}
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def lost(self) -> asyncio.Future[str]:
        return self._lost

    async def open(self, hear: Hear) -> None:
        pass

    async def close(self) -> None:
        while self._held:
            self._held.popitem()[1].close()

    def announce(self, topic: str) -> None:
        pass

    async def try_hold(self, name: str) -> bool:
        if self._database is None or name in self._held:
            return True
        connection = sqlite3.connect(f"{self._database}.{name.replace(' ', '-')}.lock", timeout=0)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return False
            raise StoreUnavailable(f"{name}: {error}") from error
        self._held[name] = connection
        return True

    @asynccontextmanager
    async def guard(self, name: str) -> AsyncIterator[None]:
        """There is one courier with SQLite, and its own locks are enough."""
        yield
