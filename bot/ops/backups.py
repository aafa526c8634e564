"""The commands `backup` and `export`, and the backup that a running bot makes each day.

A backup has the rows of a database in a `.jsonl.gz`, the same for SQLite and PostgreSQL. The first line is
the manifest, and the last one the number of rows, so a backup that was cut short is noticed. Each line
between them is a table's name with a row, in an order in which they can be inserted. The columns are read
from the database itself, so a backup can be made of any schema.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TextIO

import sqlalchemy as sql
from sqlalchemy import JSON, Column, Connection, Date, DateTime, MetaData, Table

from bot import __version__
from bot.config.settings import Settings
from bot.context import App, Trouble
from bot.database.coordination import Coordinator
from bot.database.engine import Database
from bot.database.key_values import lock_value, write_value
from bot.database.schema import NEWEST, alteration, difference, explained, require_usable, schema_of
from bot.database.tables import alembic_version, metadata, time_text
from bot.domain.errors import StartLater, StartupError, StoreUnavailable, reason_of
from bot.effects import Effects
from bot.services.exports import json_line
from bot.store.reading.history import HistoryStore
from bot.worker import Later

log = logging.getLogger(__name__)
# Rows that are read or inserted at once: one may have a megabyte of outputs.
_ROWS = 50
_NEXT = "next backup"
DAY, _RETRY = timedelta(days=1), timedelta(hours=1)
_OTHERS = sql.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'bot line'"
)
# The interaction token is excluded: its holder can answer as the bot.
FIELDS: Final = (
    *("key", "state", "created_at", "requester_id", "guild_id", "channel_id", "deployment", "deployment_id"),
    *("prompt", "seed", "gpu", "gpu_used", "parent_key", "request_key", "index", "run_id", "submitted_at"),
    *("started_at", "ended_at", "run_duration", "charged_seconds", "weight", "failure_code"),
    *("partial", "decided_by", "decided_at", "cancelled_by", "spoiler", "deleted_at", "erased_at", "inputs"),
    "outputs",
)


class BackupError(StartLater):
    """A backup can't be written."""


@dataclass(frozen=True)
class Manifest:
    """What a backup is. The bot was `stopped` if it couldn't start while the backup was made."""

    schema: str
    made_at: str
    stopped: bool
    version: str = __version__


def tables_in(connection: Connection) -> list[Table]:
    """Return the bot's tables with plain columns, each after those that it refers to.

    If another version has made them, return all of the database.
    """
    is_own = schema_of(connection) == NEWEST and alteration(connection) is None
    inspector = sql.inspect(connection)
    names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
    return [
        Table(name, MetaData(), *(_plain(column) for column in inspector.get_columns(name)))
        for name in names
        if name in metadata.tables or not (is_own or name == alembic_version.name)
    ]


def _plain(column: Any) -> Column[Any]:
    is_json = isinstance(column["type"], JSON)
    return Column(column["name"], JSON(none_as_null=column["nullable"]) if is_json else column["type"])


def require_file(database: Database) -> None:
    """Raise StartupError if a SQLite file doesn't exist, which a connection would create."""
    if database.file is not None and not database.file.exists():
        raise StartupError(f"There is no database at {database.file}. Check DATABASE_URL.")


def require_schema(connection: Connection) -> str:
    """Return the schema of the bot's tables. Raises StartupError if there are none."""
    schema = schema_of(connection)
    if schema is None:
        raise StartupError("The database has no tables of the bot. Check DATABASE_URL.")
    return schema


async def back_up(database: Database, path: Path, now: datetime, *, stopped: bool = False) -> int:
    """Write a backup, which only its owner may read, and return the number of its rows.

    The file appears at `path` when it is complete. The bot is `stopped` if the caller keeps it from starting
    meanwhile. Raises StartupError if there is nothing to back up, BackupError and StoreUnavailable.
    """
    require_file(database)
    part = path.with_name(f"{path.name}.part")

    def work(connection: Connection) -> int:
        manifest = Manifest(require_schema(connection), now.isoformat(), stopped)
        # Outside this function, an OSError means that the database is away.
        try:
            part.unlink(missing_ok=True)
            rows = _write(connection, part, manifest)
            part.replace(path)
        except OSError as error:
            remedy = "Free some space, or give the bot's user that right."
            raise BackupError(f"{path} can't be written ({reason_of(error)}). {remedy}") from error
        return rows

    try:
        return await database.snapshot(work)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _write(connection: Connection, path: Path, manifest: Manifest) -> int:
    rows = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with gzip.open(file, "wt", compresslevel=6, encoding="utf-8") as lines:
            print(json.dumps(asdict(manifest)), file=lines)
            for table in tables_in(connection):
                for row in rows_of(connection, table):
                    print(json.dumps([table.name, row], default=_text), file=lines)
                    rows += 1
            print(rows, file=lines)
        file.flush()
        os.fsync(file.fileno())
    return rows


def _text(value: date) -> str:
    """Return a date or a time as both databases' backups have it."""
    return time_text(value) if isinstance(value, datetime) else value.isoformat()


def rows_of(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    found = connection.execute(sql.select(table).execution_options(yield_per=_ROWS))
    return map(dict, found.mappings())


def verify(path: Path) -> tuple[Manifest, int]:
    """Read a whole backup, and return its manifest and the number of its rows.

    Raises StartupError if it is incomplete or damaged, or has the newest schema with other tables or columns.
    """
    rows, last = 0, None
    columns = dict[str, list[str]]()
    try:
        lines = _lines(path)
        manifest = Manifest(**next(lines))
        for rows, last in enumerate(lines):  # noqa: B007  # used below
            if isinstance(last, list):
                columns.setdefault(last[0], [*last[1]])
    except FileNotFoundError:
        raise StartupError(f"There is no file {path}.") from None
    except PermissionError:
        raise StartupError(f"{path} can't be read by this user.") from None
    except (OSError, EOFError, StopIteration, zlib.error, ValueError, TypeError) as error:
        raise StartupError(f"{path} is damaged, or no backup of a release. Use another one.") from error
    if last != rows:
        raise StartupError(f"{path} is incomplete, without the number of its rows. Use another one.")
    found = {f"{table}.{name}": "" for table, names in columns.items() for name in names}
    own = {str(each): "" for name, table in metadata.tables.items() if name in columns for each in table.c}
    if manifest.schema == NEWEST and (unlike := difference(found, own)):
        raise StartupError(
            f"{path} was made by an unreleased version: {unlike}. Use it with that version, or use another."
        )
    return manifest, rows


def _lines(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def load(connection: Connection, path: Path, rows: int) -> None:
    """Insert the rows of a verified backup into empty tables, and let new ids go on after those."""
    tables = {table.name: table for table in tables_in(connection)}
    for name, lines in groupby(islice(_lines(path), 1, 1 + rows), itemgetter(0)):
        while some := [_values(tables[name], row) for _, row in islice(lines, _ROWS)]:
            connection.execute(sql.insert(tables[name]), some)
    for table in tables.values():
        newest = connection.scalar(sql.select(sql.func.max(table.c.id))) if "id" in table.c else None
        if newest is not None and connection.dialect.name == "postgresql":
            sequence = sql.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sql.select(sql.func.setval(sequence, newest)))


def _values(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        kind = table.c[name].type
        if value is not None and isinstance(kind, Date | DateTime):
            row[name] = kind.python_type.fromisoformat(value)
    return row


@asynccontextmanager
async def opened(settings: Settings, effects: Effects) -> AsyncIterator[tuple[Database, Coordinator]]:
    """Connect a command to the database and its coordinator for the block.

    Errors of the database and of files are raised as StartupError.
    """
    database = Database(settings.database_url.get_secret_value(), effects)
    coordinator = database.coordinator()
    try:
        with explained(database):
            await coordinator.open(lambda _: None)
            yield database, coordinator
    except OSError as error:
        raise StartupError(f"{error.filename or 'A file'}: {error.strerror}. Fix that first.") from error
    finally:
        await coordinator.close()
        await database.close()


async def require_stopped(database: Database, coordinator: Coordinator) -> None:
    if not await is_stopped(database, coordinator):
        raise StartupError("The bot, or another command, uses this database. Stop it first.")


async def is_stopped(database: Database, coordinator: Coordinator) -> bool:
    """Return whether no process of the bot works on a database, to which the coordinator is connected.

    On SQLite, none can start until the coordinator is closed. Raises StoreUnavailable.
    """
    # Every process on PostgreSQL has such a connection, and this one, too.
    others = 0 if database.is_sqlite else await database.read(lambda found: found.scalar(_OTHERS) or 0)
    if others > 1 or not await coordinator.try_acquire("shard 0"):
        return False
    coordinator.announce_end()  # a start waits for the command
    return True


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 row` or `2 rows`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _name(now: datetime) -> str:
    return f"bot-{now:%Y%m%d-%H%M%S}.jsonl.gz"


async def backup(settings: Settings, effects: Effects, file: Path | None, out: TextIO) -> int:
    """Write a backup to a new file, and return the exit code 0.

    Raises StartupError if there is no database or no folder, or if the file exists, and BackupError.
    """
    now = effects.now()
    path = file or (settings.backup_dir or Path()) / _name(now)
    if path.exists():
        raise StartupError(f"{path} exists. Name another file.")
    if not path.parent.is_dir():
        raise StartupError(f"There is no folder {path.parent}. Create it, or name another file.")
    async with opened(settings, effects) as (database, coordinator):
        require_file(database)
        if await database.read(require_schema) == NEWEST:
            await database.read(require_usable)
        stopped = await is_stopped(database, coordinator)
        rows = await back_up(database, path, now, stopped=stopped)
    out.write(
        f"Wrote {counted(rows, 'row')} to {path}. It holds prompts and the webhook secret: protect it.\n"
    )
    return 0


async def export(settings: Settings, effects: Effects, out: TextIO) -> int:
    """Write a line for each run, and return the exit code 0.

    Raises StartupError if the database is missing, has another schema or doesn't answer, or if `out` can't
    be written.
    """
    async with opened(settings, effects) as (database, _):
        require_file(database)
        # An export can't migrate the database.
        schema = await database.read(require_schema)
        if schema != NEWEST:
            raise StartupError(
                f"The database has the schema {schema}, and this version of the bot reads {NEWEST}. "
                "Start this version once, or export with the version that made it."
            )
        await database.read(require_usable)
        try:
            async for run in HistoryStore(database).export():
                out.write(json_line(replace(run, outputs=run.visible), FIELDS).decode())
            out.flush()
        except OSError as error:
            raise StartLater(f"The export can't be written ({error.strerror}).") from error
    return 0


def claim(connection: Connection, now: datetime, name: str = _NEXT) -> datetime | None:
    """Claim what is done once a day, such as the backup; if it isn't due, return when it is.

    If this process dies or fails, it is due again after `_RETRY`.
    """
    stored = lock_value(connection, name)
    if stored is not None and now < (due_at := datetime.fromisoformat(stored)) <= now + DAY:
        return due_at
    write_value(connection, name, (now + _RETRY).isoformat())
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
        await self._app.store.key_values.put(_NEXT, (now + DAY).isoformat())
        log.info("backed up the database to %s", path)

    def _remove_oldest(self, now: datetime) -> None:
        """Remove all but the newest backups, and what processes left that were killed while they wrote."""
        for old in sorted(self._folder.glob("bot-*.jsonl.gz"))[: -self._app.settings.backup_keep]:
            old.unlink(missing_ok=True)
        for part in self._folder.glob("bot-*.jsonl.gz.part"):
            if part.name < _name(now - _RETRY):
                part.unlink(missing_ok=True)
