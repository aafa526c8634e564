"""The command `backup`, and the backup that a running bot makes each day."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection

from bot.config.settings import Settings
from bot.context import App, Trouble
from bot.database.engine import Database
from bot.database.key_values import lock_value, write_value
from bot.database.schema import explained
from bot.domain.errors import StartupError, StoreUnavailable
from bot.ops.dump import BackupError, back_up, require_file
from bot.ops.findings import counted
from bot.ops.restore import is_stopped
from bot.outside import Outside
from bot.workers.worker import Later

log = logging.getLogger(__name__)
_NEXT = "next backup"
_DAY, _RETRY = timedelta(days=1), timedelta(hours=1)


def _name(now: datetime) -> str:
    return f"bot-{now:%Y%m%d-%H%M%S}.jsonl.gz"


async def backup(settings: Settings, outside: Outside, file: Path | None, out: TextIO) -> int:
    """Write a backup to a new file, and return the exit code 0.

    Raises StartupError if there is no database or no folder, or if the file exists, and BackupError.
    """
    now = outside.now()
    path = file or (settings.backup_dir or Path()) / _name(now)
    if path.exists():
        raise StartupError(f"{path} exists. Name another file.")
    if not path.parent.is_dir():
        raise StartupError(f"There is no folder {path.parent}. Create it, or name another file.")
    database = Database(settings.database_url.get_secret_value(), outside)
    coordinator = database.coordinator()
    try:
        with explained(database):
            require_file(database)
            await coordinator.open(lambda _: None)
            stopped = await is_stopped(database, coordinator)
            rows = await back_up(database, path, now, stopped=stopped)
    finally:
        await coordinator.close()
        await database.close()
    written = counted(rows, "row")
    out.write(f"Wrote {written} to {path}. It holds prompts and the webhook secret: protect it.\n")
    return 0


def claim(connection: Connection, now: datetime) -> datetime | None:
    """Claim today's backup; if it isn't due, return when it is.

    If this process dies or fails, the backup is due again after `_RETRY`.
    """
    stored = lock_value(connection, _NEXT)
    if stored is not None and now < (due_at := datetime.fromisoformat(stored)) <= now + _DAY:
        return due_at
    write_value(connection, _NEXT, (now + _RETRY).isoformat())
    return None


class DailyBackup:
    """A worker's functions that back up the database each day, in one of the processes that share it."""

    def __init__(self, app: App, folder: Path) -> None:
        self._app = app
        self._folder = folder
        self._failed = app.metrics.gauge("backup_failed", "Whether this process's last backup failed")

    async def claim(self, _room: int) -> Sequence[datetime] | Later | None:
        now = self._app.now()
        due_at = await self._app.store.database.write(claim, now)
        if due_at is None:
            return [now]
        if due_at > now + _RETRY:  # another process may have made it
            self._failed.set(0)
            self._app.troubles.set(Trouble.BACKUP, False)
        return Later.at(due_at, now)

    async def handle(self, now: datetime) -> None:
        """Back up, remove the oldest backups, and note when the next one is due."""
        path, database = self._folder / _name(now), self._app.store.database
        loop, files = asyncio.get_running_loop(), self._app.files
        try:
            # On PostgreSQL a transaction would run on the event loop, and compression would stop it.
            writing = back_up(database, path, now)
            await (writing if database.is_sqlite else loop.run_in_executor(files, asyncio.run, writing))
            await loop.run_in_executor(files, self._remove_oldest, now)
        except (BackupError, StoreUnavailable, OSError) as error:
            self._failed.set(1)
            self._app.troubles.set(Trouble.BACKUP)
            # An expected error needs no traceback.
            log.error("the daily backup failed, and is tried again in an hour: %s", error)  # noqa: TRY400
            return
        await self._app.store.key_values.put(_NEXT, (now + _DAY).isoformat())
        log.info("backed up the database to %s", path)

    def _remove_oldest(self, now: datetime) -> None:
        """Remove all but the newest backups, and what processes left that were killed while they wrote."""
        for old in sorted(self._folder.glob("bot-*.jsonl.gz"))[: -self._app.settings.backup_keep]:
            old.unlink(missing_ok=True)
        for part in self._folder.glob("bot-*.jsonl.gz.part"):
            if part.name < _name(now - _RETRY):
                part.unlink(missing_ok=True)
