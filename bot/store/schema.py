"""Brings the schema up to date at start, and refuses one from a later version."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.domain.errors import StartupError, StoreUnavailable
from bot.store.database import Database
from bot.store.unopened import clashing, unopened

_OLDEST = {"sqlite": (3, 35), "postgresql": (13,)}
_CALLED = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def alembic_config() -> Config:
    """The migrations beside this file; set `attributes['connection']` before running a command."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def known_schemas() -> tuple[str, ...]:
    """Return every schema that this version knows, the newest first. Reading them loads every migration."""
    return tuple(step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions())


def schema_of(connection: Connection) -> str | None:
    """The schema that the database has; None without tables."""
    return MigrationContext.configure(connection).get_current_revision()


def _check_server(connection: Connection) -> None:
    """Raises StartupError. Older ones lack what the statements use, such as RETURNING in SQLite."""
    dialect = connection.dialect
    oldest = _OLDEST[dialect.name]
    found = dialect.server_version_info or oldest
    if found < oldest:
        wanted, is_there = (".".join(map(str, version)) for version in (oldest, found))
        raise StartupError(
            f"The database is {_CALLED[dialect.name]} {is_there}, and the bot needs {wanted} or newer. "
            "Upgrade it, or set DATABASE_URL to another."
        )


def _upgrade(connection: Connection) -> None:
    _check_server(connection)
    current, known = schema_of(connection), known_schemas()
    if current == known[0]:
        return
    if current is not None and current not in known:
        raise StartupError(
            f"The database has the schema {current}, which this version of the bot doesn't know. "
            "Start the newer version that made it, or restore a backup from before."
        )
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def upgrade(database: Database) -> None:
    """Runs the missing migrations in one transaction. Raises StartupError."""
    try:
        database.make_folder()
        async with database.changing_schema() as connection:
            await connection.run_sync(_upgrade)
    except (StoreUnavailable, OSError) as error:
        raise unopened(database, error) from error
    except DBAPIError as error:
        raise clashing(error) from error
