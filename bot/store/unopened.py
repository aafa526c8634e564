"""Why a database could not be opened, and what to do: one sentence for each."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from bot.domain.errors import StartLater, StartupError
from bot.store.database import Database


def unopened(database: Database, error: Exception) -> StartupError:
    """`error` is StoreUnavailable or OSError."""
    return _file(database, error) if database.is_sqlite else _server(error)


def clashing(error: DBAPIError) -> StartupError:
    """Opened, but what is in there is not what the migrations lead on from."""
    return StartupError(
        f"The database can't be brought up to date ({error.orig}). Give the bot a database of its own, or "
        "restore a backup."
    )


def _file(database: Database, error: Exception) -> StartupError:
    file = database.file or "in memory"
    if "not a database" in str(error) or "malformed" in str(error):
        return StartupError(
            f"{file} is not a database of SQLite's, or a damaged one. Name another file in DATABASE_URL, or "
            "restore a backup."
        )
    if "already exists" in str(error) or "no such" in str(error):
        cause = error.__cause__
        return clashing(cause) if isinstance(cause, DBAPIError) else StartupError(str(error))
    if "locked" in str(error):
        return StartLater(f"Another process keeps the database {file} locked. Stop it, or start again later.")
    return StartupError(
        f"The database can't be opened: {file} ({_reason(error)}). Check DATABASE_URL, and that its folder "
        "can be written."
    )


def _server(error: Exception) -> StartupError:
    state = _sqlstate(error)
    if state.startswith("28"):
        return StartupError(
            f"PostgreSQL turns the user of DATABASE_URL away ({_reason(error)}). Correct it there."
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
    """The driver's last words, without the class names before them."""
    return str(error).rpartition("<class ")[2].partition(">: ")[2] or str(error)
