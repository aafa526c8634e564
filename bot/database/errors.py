"""What the errors of the database's drivers mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.domain.errors import StoreUnavailable, reason_of

# SQLSTATE classes that mean unavailable rather than wrong: connection, authorization, catalog, rollback
# (deadlock), resources, lock not available, operator intervention, system error; and a read-only server.
_UNAVAILABLE_STATES = ("08", "28", "3D", "40", "53", "55", "57", "58", "25006")
# SQLite's file is damaged or not a database. Other errors have a type of their own.
_DAMAGED = (DatabaseError, sqlite3.DatabaseError)
_BROKEN = (OperationalError, InterfaceError, sqlite3.OperationalError)


@contextmanager
def database_errors() -> Iterator[None]:
    """Map driver errors that mean "unavailable" to StoreUnavailable; let all other errors through."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        sqlstate = getattr(cause, "sqlstate", None)
        by_code = sqlstate.startswith(_UNAVAILABLE_STATES) if sqlstate else type(error) in _DAMAGED
        by_type = getattr(error, "connection_invalidated", False) or isinstance(error, _BROKEN)
        if not (by_code or by_type):
            raise
        raise StoreUnavailable(_words(cause)) from error
    except Exception as error:
        # SQLAlchemy doesn't wrap asyncpg's errors if a connection breaks while it is being established.
        from_asyncpg = type(error).__module__.startswith("asyncpg.")
        if not (from_asyncpg or isinstance(error, PoolTimeout | OSError)):
            raise
        raise StoreUnavailable(_words(error)) from error


def _words(error: BaseException | None) -> str:
    """Describe an error without the class of the driver that SQLAlchemy puts before its message."""
    if isinstance(error, OSError):
        return reason_of(error)
    said = str(error)
    return said.rpartition("<class ")[2].partition(">: ")[2] or said
