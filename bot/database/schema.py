"""Bring the schema up to date, and explain why a database can't be opened."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import datetime
from functools import partial
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Dialect, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import NullType, TypeEngine

from bot.database.coordination import give_to_owner
from bot.database.engine import Database
from bot.database.tables import alembic_version, metadata
from bot.domain.errors import StartLater, StartupError, StoreUnavailable, reason_of

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)
# The newest schema, which a new database gets.
NEWEST = "v1_002"
# Older servers lack features that the statements use, such as RETURNING in SQLite.
_OLDEST = {"sqlite": (3, 35), "postgresql": (13,)}
_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_INDEXES = {
    "sqlite": text("SELECT name FROM sqlite_master WHERE type = 'index'"),
    "postgresql": text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"),
}
_MIGRATIONS = Path(__file__).parent / "migrations"
# How many copies of a SQLite file are kept from before its last migrations.
_COPIES = 3


def alembic_config() -> Config:
    """Return Alembic's configuration; set `attributes["connection"]` before running a command."""
    # Imported only for a migration, because it takes 10 MiB.
    from alembic.config import Config  # noqa: PLC0415  # only migrations need it

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def schema_of(connection: Connection) -> str | None:
    """Return the schema that is recorded in the database, or None if none is recorded."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    found: str | None = connection.scalar(select(alembic_version.c.version_num))
    return found


def fault_of(connection: Connection, *, destructive: bool = False) -> tuple[str, str] | None:
    """Return what keeps a start from using a database, and the remedy, or None.

    With `destructive`, a migration that deletes data may run.
    """
    current = schema_of(connection)
    if current is None:
        return None
    if current == NEWEST:
        found = alteration(connection)
        remedy = "Use that version, start with a new database, or restore a backup that this version made."
        return (f"was made by an unreleased version: {found}", remedy) if found else None
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # only migrations need it

    scripts = ScriptDirectory.from_config(alembic_config())
    if current not in {step.revision for step in scripts.walk_revisions()}:
        remedy = "Start the version that made it, or restore a backup that this version made."
        return f"has the schema {current}, which this version of the bot doesn't know", remedy
    steps = scripts.iterate_revisions("head", current)
    # A SQLite file is copied before its migration.
    if (
        connection.dialect.name == "sqlite"
        or destructive
        or not any(getattr(step.module, "destructive", False) for step in steps)
    ):
        return None
    remedy = "Stop the bot, back up with pg_dump, then run `python -m bot migrate --destructive`."
    return f"has the schema {current}, and its migration deletes data", remedy


def require_usable(connection: Connection, *, destructive: bool = False) -> None:
    """Raise StartupError if `fault_of` finds a fault."""
    if fault := fault_of(connection, destructive=destructive):
        raise StartupError(f"The database {fault[0]}. {fault[1]}")


def alteration(connection: Connection) -> str | None:
    """Return how the tables, columns and indexes differ from those of the newest schema, or None."""
    dialect = connection.dialect
    reflected = inspect(connection).get_multi_columns(filter_names=[*metadata.tables])
    found = {
        f"{table}.{each['name']}": _kind(each["type"], each["nullable"], dialect)
        for (_, table), columns in reflected.items()
        for each in columns
    }
    columns = [column for table in metadata.sorted_tables for column in table.columns]
    own = {str(each): _kind(each.type, each.nullable, dialect) for each in columns}
    indexes = {str(index.name) for table in metadata.sorted_tables for index in table.indexes}
    missing = sorted(indexes - set(connection.scalars(_INDEXES[dialect.name])))
    return difference(found, own | {f"the index {name}": "" for name in missing})


def _kind(of: TypeEngine[Any], nullable: Any, dialect: Dialect) -> str:
    name = "an unknown type" if isinstance(of, NullType) else of.compile(dialect)
    # PostgreSQL has another name for FLOAT.
    return name.replace("FLOAT", "DOUBLE PRECISION") + ("" if nullable else " NOT NULL")


def difference(found: Mapping[str, str], own: Mapping[str, str]) -> str | None:
    """Return the first difference from the bot's own columns, with the number of the others, or None.

    Both map `table.column` to its type.
    """
    every = [f"{name} is missing" for name in own if name not in found]
    every += [f"{name} is unknown" for name in found if name not in own]
    every += [
        f"{name} is {found[name]}, not {own[name]}" for name in own if found.get(name, own[name]) != own[name]
    ]
    return every[0] + (f" ({len(every) - 1} more)" if every[1:] else "") if every else None


def _upgrade(
    connection: Connection, *, file: Path | None, now: datetime, destructive: bool, copies: list[Path]
) -> str | None:
    """Return the schema that was found. The copy of a SQLite file is added to `copies`."""
    dialect = connection.dialect
    oldest = _OLDEST[dialect.name]
    found = dialect.server_version_info or oldest
    if found < oldest:
        needed, present = (".".join(map(str, version)) for version in (oldest, found))
        said = f"The database is {_NAMES[dialect.name]} {present}, and the bot needs {needed} or newer."
        raise StartupError(f"{said} Upgrade it, or set DATABASE_URL to another.")
    require_usable(connection, destructive=destructive)
    current = schema_of(connection)
    if current is None:
        create_tables(connection)
    elif current != NEWEST:
        from alembic import command  # noqa: PLC0415  # only migrations need it

        config = alembic_config()
        config.attributes["connection"] = connection
        with _copied(file, now, copies) if file is not None else nullcontext():
            command.upgrade(config, "head")
            require_usable(connection)
    return current


@contextmanager
def _copied(file: Path, now: datetime, copies: list[Path]) -> Iterator[None]:
    """Copy a SQLite file beside it; the copy gets its name after the block. Raises StartLater.

    A killed process leaves only a part, which the next one replaces. The caller holds the lock for writing.
    """
    copy = file.with_name(f"{file.name}.before-migration-{now:%Y%m%d-%H%M%S}")
    part = file.with_name(f"{file.name}.before-migration.part")
    try:
        try:
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
            give_to_owner(part, file)
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(part)) as target:
                source.backup(target)
        except (OSError, sqlite3.Error) as error:
            said = f"The database can't be copied to {copy} before its migration ({reason_of(error)})."
            free = f"Free {file.stat().st_size // 1_000_000 + 1} MB there"
            raise StartLater(f"{said} {free}, and start again: nothing was changed.") from error
        yield
        copies.append(part.replace(copy))
    finally:
        for each in (part, part.with_name(f"{part.name}-journal")):
            with suppress(OSError):
                each.unlink(missing_ok=True)


def create_tables(connection: Connection) -> None:
    """Create the tables of a new database; those of another program are a conflict.

    Without statistics, SQLite chooses between two indexes by their order, and SQLAlchemy keeps them in a set.
    """
    for table in (*metadata.sorted_tables, alembic_version):
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))
    connection.execute(insert(alembic_version).values(version_num=NEWEST))


def make_file(database: Database) -> None:
    """Create a SQLite file that doesn't exist, for its folder's owner alone: it holds prompts and tokens."""
    file = database.file
    if file is not None and not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        give_to_owner(file, file.parent)


async def upgrade(database: Database, now: datetime, *, destructive: bool = False) -> None:
    """Create the tables, or run the missing migrations, in one transaction. Raises StartupError.

    A SQLite file is copied before a migration. On PostgreSQL, `destructive` allows one that deletes data.
    """
    file, copies = database.file, list[Path]()
    work = partial(_upgrade, file=file, now=now, destructive=destructive, copies=copies)
    try:
        make_file(database)
        before = await database.migrate(work)
    except (StoreUnavailable, OSError, DBAPIError) as error:
        for copy in copies:  # the commit failed, and nothing was changed
            copy.unlink()
        raise _explained(database, error) from error
    if file is not None and copies:
        said = "copied the database to %s before its migration; the last %d copies are kept"
        log.info(said, copies[0], _COPIES)
        # Not the files that SQLite puts beside an opened copy.
        for old in sorted(file.parent.glob(f"{escape(file.name)}.before-migration-{'?' * 15}"))[:-_COPIES]:
            old.unlink()
    if before not in (None, NEWEST):
        log.info("migrated the database from %s to %s", before, NEWEST)


@contextmanager
def explained(database: Database) -> Iterator[None]:
    """Raise a StartupError that explains why a command can't use the database."""
    try:
        yield
    except StoreUnavailable as error:
        raise _explained(database, error) from error


def is_damaged(error: Exception) -> bool:
    return any(words in str(error) for words in ("not a database", "malformed"))


def _explained(database: Database, error: Exception) -> StartupError:
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    original = cause.orig if isinstance(cause, DBAPIError) else cause
    said, sqlstate = str(error), str(getattr(original, "sqlstate", None) or "")
    reason = reason_of(error)
    if cause is error or (database.is_sqlite and ("already exists" in said or "no such" in said)):
        remedy = "Give the bot its own database, or restore a backup."
        return StartupError(f"The database can't be brought up to date ({original or said}). {remedy}")
    if database.is_sqlite:
        file = database.file
        if is_damaged(error):
            remedy = "Name another file in DATABASE_URL, or restore a backup."
            return StartupError(f"{file} is not a SQLite database, or it is damaged. {remedy}")
        if "disk is full" in said or "disk I/O" in said:
            return StartLater(f"The disk of {file} is full or broken ({reason}). Free some space.")
        if "locked" in said:
            stop = "Stop it, or start again later."
            return StartLater(f"Another process keeps the database {file} locked. {stop}")
        remedy = "Check DATABASE_URL, and that its folder can be written."
        return StartupError(f"The database can't be opened: {file} ({reason}). {remedy}")
    if sqlstate.startswith("28"):
        return StartupError(f"PostgreSQL rejects the user in DATABASE_URL ({reason}). Correct it there.")
    if sqlstate == "3D000":
        remedy = "Create it, or check DATABASE_URL."
        return StartupError(f"PostgreSQL doesn't have the database ({reason}). {remedy}")
    remedy = "Check the host and port of DATABASE_URL, and that the server runs."
    return StartLater(f"PostgreSQL can't be reached ({reason}). {remedy}")
