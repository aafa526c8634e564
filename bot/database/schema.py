"""Bring the schema up to date, and explain why a database can't be opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.database.coordination import give_to_owner
from bot.database.engine import Database
from bot.database.tables import alembic_version, metadata
from bot.domain.errors import StartLater, StartupError, StoreUnavailable, reason_of

if TYPE_CHECKING:
    from alembic.config import Config

# The newest schema, which a new database gets.
NEWEST = "v1_001"
# Older servers lack features that the statements use, such as RETURNING in SQLite.
_OLDEST = {"sqlite": (3, 35), "postgresql": (13,)}
_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def alembic_config() -> Config:
    """Return Alembic's configuration; set `attributes["connection"]` before running a command."""
    # Imported only for a migration, because it takes 10 MiB.
    from alembic.config import Config  # noqa: PLC0415  # only migrations need it

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def is_known(schema: str) -> bool:
    """Return whether this version can bring a database with this schema up to date."""
    if schema == NEWEST:
        return True
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # only migrations need it

    return schema in {
        step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()
    }


def schema_of(connection: Connection) -> str | None:
    """Return the schema that is recorded in the database, or None if none is recorded."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    found: str | None = connection.scalar(select(alembic_version.c.version_num))
    return found


# What is wrong with a schema that this version doesn't know, and how to fix it.
UNKNOWN = (
    "has the schema {}, which this version of the bot doesn't know",
    "Start the version that made it, or restore a backup that this version made.",
)


def _upgrade(connection: Connection) -> None:
    dialect = connection.dialect
    oldest = _OLDEST[dialect.name]
    found = dialect.server_version_info or oldest
    if found < oldest:
        needed, present = (".".join(map(str, version)) for version in (oldest, found))
        raise StartupError(
            f"The database is {_NAMES[dialect.name]} {present}, and the bot needs {needed} or newer. "
            "Upgrade it, or set DATABASE_URL to another."
        )
    current = schema_of(connection)
    if current is None:
        create_tables(connection)
    elif current != NEWEST:
        if not is_known(current):
            fault, remedy = UNKNOWN
            raise StartupError(f"The database {fault.format(current)}. {remedy}")
        from alembic import command  # noqa: PLC0415  # only migrations need it

        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


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


async def upgrade(database: Database) -> None:
    """Create the tables, or run the missing migrations, in one transaction. Raises StartupError."""
    try:
        make_file(database)
        await database.migrate(_upgrade)
    except (StoreUnavailable, OSError, DBAPIError) as error:
        raise _explained(database, error) from error


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
        return StartupError(
            f"The database can't be brought up to date ({original or said}). Give the bot its own database, "
            "or restore a backup."
        )
    if database.is_sqlite:
        file = database.file
        if is_damaged(error):
            return StartupError(
                f"{file} is not a SQLite database, or it is damaged. Name another file in DATABASE_URL, "
                "or restore a backup."
            )
        if "disk is full" in said or "disk I/O" in said:
            return StartLater(f"The disk of {file} is full or broken ({reason}). Free some space.")
        if "locked" in said:
            stop = "Stop it, or start again later."
            return StartLater(f"Another process keeps the database {file} locked. {stop}")
        return StartupError(
            f"The database can't be opened: {file} ({reason}). Check DATABASE_URL, and that its folder "
            "can be written."
        )
    if sqlstate.startswith("28"):
        return StartupError(f"PostgreSQL rejects the user in DATABASE_URL ({reason}). Correct it there.")
    if sqlstate == "3D000":
        return StartupError(
            f"PostgreSQL doesn't have the database ({reason}). Create it, or check DATABASE_URL."
        )
    return StartLater(
        f"PostgreSQL can't be reached ({reason}). Check the host and port of DATABASE_URL, and that the "
        "server runs."
    )
