"""Backups: the rows of a database in a `.jsonl.gz`, the same for SQLite and PostgreSQL.

The first line is the manifest, and the last one the number of rows, so a backup that was cut short is
noticed. Each line between them is a table's name with a row, in an order in which they can be inserted. The
columns are read from the database itself, so a backup can be made of any schema.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import JSON, Column, Connection, Date, DateTime, MetaData, Table

from bot import __version__
from bot.database.engine import Database
from bot.database.schema import schema_of
from bot.database.tables import alembic_version
from bot.domain.errors import StartLater, StartupError, reason_of

# Rows that are read or inserted at once: one may have a megabyte of outputs.
_ROWS = 50


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
    """Return the tables of a database with plain columns, each after those that it refers to."""
    inspector = sql.inspect(connection)
    names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
    return [
        Table(name, MetaData(), *(_plain(column) for column in inspector.get_columns(name)))
        for name in names
        if name != alembic_version.name
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
                    print(json.dumps([table.name, row], default=str), file=lines)
                    rows += 1
            print(rows, file=lines)
        file.flush()
        os.fsync(file.fileno())
    return rows


def rows_of(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    found = connection.execute(sql.select(table).execution_options(yield_per=_ROWS))
    return map(dict, found.mappings())


def verify(path: Path) -> tuple[Manifest, int]:
    """Read a whole backup, and return its manifest and the number of its rows.

    Raises StartupError if it is incomplete or damaged.
    """
    rows, last = 0, None
    try:
        lines = _lines(path)
        manifest = Manifest(**next(lines))
        for rows, last in enumerate(lines):  # noqa: B007  # used below
            pass
    except FileNotFoundError:
        raise StartupError(f"There is no file {path}.") from None
    except PermissionError:
        raise StartupError(f"{path} can't be read by this user.") from None
    except (OSError, EOFError, StopIteration, zlib.error, ValueError, TypeError) as error:
        raise StartupError(f"{path} is damaged or no backup. Use another one.") from error
    if last != rows:
        raise StartupError(f"{path} is incomplete, without the number of its rows. Use another one.")
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
