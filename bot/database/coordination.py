"""Wake other processes that share the database, and hold locks between them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from bot.domain.errors import StoreUnavailable

TOPICS = ("check", "reload", "rules", "show", "submit")
OnNotify = Callable[[Collection[str]], None]
_RETRY_PAUSE = 0.25


class Coordinator:
    """The wake-ups and locks of the processes that share a database. A SQLite file belongs to one."""

    def __init__(self) -> None:
        # The name of a lock that another process has taken in an outage.
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self, on_notify: OnNotify) -> None:
        """Connect, and call `on_notify` with the topics that other processes notify about.

        Raises StoreUnavailable if the first connection fails. If it is lost later, this reconnects.
        """

    async def close(self) -> None:
        """Release all locks and disconnect."""

    def notify(self, topic: str) -> None:
        """Notify the other processes about a topic; topics in quick succession are batched."""

    async def try_acquire(self, name: str) -> bool:
        """Acquire a lock and hold it until `close`; return False if another process holds it.

        Raises StoreUnavailable.
        """
        raise NotImplementedError

    def announce_end(self) -> None:
        """Let the next process wait for the locks, because this one releases them soon."""

    async def acquire(self, name: str, wait_seconds: float) -> bool:
        """Acquire a lock as `try_acquire` does, retrying for up to `wait_seconds`."""
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while not await self.try_acquire(name):
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(_RETRY_PAUSE)
        return True


def give_to_owner(made: Path, database: Path) -> None:
    """Let a file that root has made belong to the owner of the database or, without one, of its folder."""
    owner = (database if database.exists() else database.parent).stat()
    with suppress(PermissionError, AttributeError):  # another user has made it; Windows has no chown
        os.chown(made, owner.st_uid, owner.st_gid)


class FileCoordinator(Coordinator):
    """The coordinator of a SQLite file, which belongs to one process.

    `try_acquire` locks one file next to the database, whatever the lock's name. SQLite itself locks the file,
    and the operating system releases that lock when the process dies. Another file exists while the process
    that holds the lock is ending.
    """

    def __init__(self, database: Path) -> None:
        super().__init__()
        self._database = database
        self._file: sqlite3.Connection | None = None
        self._ending = database.with_name(f"{database.name}.lock-ending")

    async def close(self) -> None:
        if self._file is not None:
            self._ending.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def announce_end(self) -> None:
        with suppress(OSError):  # then the next process is told that this one runs
            self._ending.touch()

    async def acquire(self, name: str, wait_seconds: float) -> bool:
        """Wait for a process that is ending, but not for one that runs."""
        return await super().acquire(name, wait_seconds if self._ending.exists() else 0)

    async def try_acquire(self, name: str) -> bool:
        if self._file is not None:
            return True
        lock = self._database.with_name(f"{self._database.name}.lock")
        with ExitStack() as opened:
            try:
                file = opened.enter_context(closing(sqlite3.connect(lock, timeout=0)))
                file.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    return False
                raise StoreUnavailable(f"{lock}: {error}") from error
            # A command of root's must not keep the bot from its lock.
            give_to_owner(lock, self._database)
            self._ending.unlink(missing_ok=True)  # the last process may have been killed
            opened.pop_all()
        self._file = file
        return True
