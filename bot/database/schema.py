"""Bring the schema up to date, and explain why a database can't be opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.database.engine import Database
from bot.database.tables import alembic_version, metadata
from bot.domain.errors import StartLater, StartupError, StoreUnavailable

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
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def is_known(schema: str) -> bool:
    """Return whether this version can bring a database with this schema up to date."""
    if schema == NEWEST:
        return True
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return schema in {
        step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()
    }


def schema_of(connection: Connection) -> str | None:
    """Return the schema that is recorded in the database, or None if none is recorded."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    found: str | None = connection.scalar(select(alembic_version.c.version_num))
    return found


def describe_unknown(schema: str) -> tuple[str, str]:
    """Return what is wrong with a schema that this version doesn't know, and how to fix it."""
    return (
        f"has the schema {schema}, which this version of the bot doesn't know",
        "Start the version that made it, or restore a backup that this version made.",
    )


def _check_server(connection: Connection) -> None:
    dialect = connection.dialect
    oldest = _OLDEST[dialect.name]
    found = dialect.server_version_info or oldest
    if found < oldest:
        needed, present = (".".join(map(str, version)) for version in (oldest, found))
        raise StartupError(
            f"The database is {_NAMES[dialect.name]} {present}, and the bot needs {needed} or newer. "
            "Upgrade it, or set DATABASE_URL to another."
        )


def _upgrade(connection: Connection) -> None:
    _check_server(connection)
    current = schema_of(connection)
    if current is None:
        _create_tables(connection)
    elif current != NEWEST:
        if not is_known(current):
            fault, remedy = describe_unknown(current)
            raise StartupError(f"The database {fault}. {remedy}")
        from alembic import command  # noqa: PLC0415

        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _create_tables(connection: Connection) -> None:
    """Create the tables of a new database; those of another program are a conflict.

    Without statistics, SQLite chooses between two indexes by their order, and SQLAlchemy keeps them in a set.
    """
    for table in (*metadata.sorted_tables, alembic_version):
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))
    connection.execute(insert(alembic_version).values(version_num=NEWEST))


async def upgrade(database: Database) -> None:
    """Create the tables, or run the missing migrations, in one transaction. Raises StartupError."""
    try:
        database.make_folder()
        await database.migrate(_upgrade)
    except (StoreUnavailable, OSError) as error:
        raise open_error(database, error) from error
    except DBAPIError as error:
        raise schema_conflict_error(error) from error


def open_error(database: Database, error: Exception) -> StartupError:
    """Return a StartupError that explains why the database can't be opened.

    `error` is the StoreUnavailable or OSError that was raised.
    """
    return _sqlite_error(database, error) if database.is_sqlite else _postgres_error(error)


def schema_conflict_error(error: DBAPIError) -> StartupError:
    """Return the error for a migration that failed because the tables don't match the recorded schema."""
    return StartupError(
        f"The database can't be brought up to date ({error.orig}). Give the bot its own database, or "
        "restore a backup."
    )


def _sqlite_error(database: Database, error: Exception) -> StartupError:
    file = database.file or "in memory"
    if "not a database" in str(error) or "malformed" in str(error):
        return StartupError(
            f"{file} is not a SQLite database, or it is damaged. Name another file in DATABASE_URL, or "
            "restore a backup."
        )
    if "already exists" in str(error) or "no such" in str(error):
        cause = error.__cause__
        return schema_conflict_error(cause) if isinstance(cause, DBAPIError) else StartupError(str(error))
    if "locked" in str(error):
        return StartLater(f"Another process keeps the database {file} locked. Stop it, or start again later.")
    return StartupError(
        f"The database can't be opened: {file} ({_reason(error)}). Check DATABASE_URL, and that its folder "
        "can be written."
    )


def _postgres_error(error: Exception) -> StartupError:
    state = _sqlstate(error)
    if state.startswith("28"):
        return StartupError(
            f"PostgreSQL rejects the user in DATABASE_URL ({_reason(error)}). Correct it there."
        )
    if state == "3D000":
        return StartupError(f"PostgreSQL doesn't have the database ({_reason(error)}). Create it: createdb.")
    return StartLater(
        f"PostgreSQL can't be reached ({_reason(error)}). Check the host and port of DATABASE_URL, and that "
        "the server runs."
    )


def _sqlstate(error: Exception) -> str:
    cause = error.__cause__
    return str(getattr(cause.orig, "sqlstate", None) or "") if isinstance(cause, DBAPIError) else ""


def _reason(error: Exception) -> str:
    """Return the driver's message without the class names before it."""
    return str(error).rpartition("<class ")[2].partition(">: ")[2] or str(error)
