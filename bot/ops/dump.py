"""Backups: the rows of a database as JSON lines in a `.tar.gz`, the same for SQLite and PostgreSQL.

The archive's members are chunks of a table's rows, `TABLE/NUMBER.jsonl`, in an order in which they can be
inserted, and at the end `manifest.json`. So a backup is written while it is read, and one that was cut short
has no manifest. The columns are read from the database itself, so a backup can be made of any schema.
"""

from __future__ import annotations

import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import JSON, Column, Connection, Date, DateTime, MetaData, Table

from bot import __version__
from bot.database.engine import Database
from bot.database.schema import schema_of
from bot.database.tables import alembic_version
from bot.domain.errors import StartLater, StartupError, reason_of

MANIFEST = "manifest.json"
_CHUNK_BYTES = 64 * 1024
# Rows that are read at once: one may have a megabyte of outputs.
_ROWS = 50
_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, TypeError, KeyError)


class BackupError(StartLater):
    """A backup can't be written."""


@dataclass
class Manifest:
    """What a backup contains: `tables` are numbers of rows, and `sha256` covers all chunks in order.

    The bot was `stopped` if it couldn't start while the backup was made.
    """

    schema: str
    made_at: str
    stopped: bool = False
    version: str = __version__
    sha256: str = ""
    tables: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


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


async def back_up(database: Database, path: Path, now: datetime, *, stopped: bool = False) -> Manifest:
    """Write a backup, which only its owner may read. The file appears at `path` when it is complete.

    The bot is `stopped` if the caller keeps it from starting meanwhile. Raises StartupError if there is
    nothing to back up, BackupError and StoreUnavailable.
    """
    require_file(database)
    part = path.with_name(f"{path.name}.part")

    def work(connection: Connection) -> Manifest:
        # Outside this function, an OSError means that the database is away.
        try:
            part.unlink(missing_ok=True)
            manifest = _write(connection, part, now, stopped)
            part.replace(path)
        except OSError as error:
            remedy = "Free some space, or give the bot's user that right."
            raise BackupError(f"{path} can't be written ({reason_of(error)}). {remedy}") from error
        return manifest

    try:
        return await database.snapshot(work)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _write(connection: Connection, path: Path, now: datetime, stopped: bool) -> Manifest:
    manifest, digest = Manifest(require_schema(connection), now.isoformat(), stopped), sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:

            def add(name: str, data: bytes) -> None:
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = len(data), 0o600, int(now.timestamp())
                archive.addfile(member, BytesIO(data))

            for table in tables_in(connection):
                manifest.tables[table.name] = 0
                for number, chunk in enumerate(_chunks(lines_of(connection, table))):
                    manifest.tables[table.name] += chunk.count(b"\n")
                    digest.update(chunk)
                    add(f"{table.name}/{number:06}.jsonl", chunk)
            manifest.sha256 = digest.hexdigest()
            add(MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        file.flush()
        os.fsync(file.fileno())
    return manifest


def lines_of(connection: Connection, table: Table) -> Iterator[bytes]:
    found = connection.execute(sql.select(table).execution_options(yield_per=_ROWS))
    for row in found.mappings():
        yield json.dumps(dict(row), default=str, sort_keys=True).encode() + b"\n"


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    chunk = bytearray()
    for line in lines:
        chunk += line
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


def verify(path: Path) -> Manifest:
    """Read a whole backup, and return its manifest. Raises StartupError if it is incomplete or changed."""
    digest, manifest = sha256(), None
    try:
        for name, data in _members(path):
            if name == MANIFEST:
                manifest = Manifest(**json.loads(data))
            else:
                digest.update(data)
    except FileNotFoundError:
        raise StartupError(f"There is no file {path}.") from None
    except PermissionError:
        raise StartupError(f"{path} can't be read by this user.") from None
    except _BROKEN as error:
        raise StartupError(f"{path} is damaged or no backup. Use another one.") from error
    if manifest is None:
        raise StartupError(f"{path} is incomplete or no backup: it has no manifest. Use another one.")
    if manifest.sha256 != digest.hexdigest():
        raise StartupError(f"{path} is damaged: its rows aren't those that its manifest names.")
    return manifest


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, mode="r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                raise ValueError(member.name)
            yield member.name, file.read()


def load(connection: Connection, path: Path) -> None:
    """Insert the rows of a verified backup into empty tables, and let new ids go on after those."""
    tables = {table.name: table for table in tables_in(connection)}
    for name, data in _members(path):
        if name != MANIFEST:
            table = tables[name.partition("/")[0]]
            connection.execute(sql.insert(table), [_row(table, line) for line in data.splitlines()])
    for table in tables.values():
        newest = connection.scalar(sql.select(sql.func.max(table.c.id))) if "id" in table.c else None
        if newest is not None and connection.dialect.name == "postgresql":
            sequence = sql.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sql.select(sql.func.setval(sequence, newest)))


def _row(table: Table, line: bytes) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(line)
    for name, value in values.items():
        kind = table.c[name].type
        if value is not None and isinstance(kind, Date | DateTime):
            values[name] = kind.python_type.fromisoformat(value)
    return values
