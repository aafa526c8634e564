"""Which errors of the drivers mean that the database is unavailable, and what a failed COMMIT means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.domain.errors import StoreUnavailable

# SQLSTATE classes that mean unavailable rather than wrong: connection, authorization, catalog, rollback
# (deadlock), resources, lock not available, operator intervention, system error; and a read-only server.
_UNAVAILABLE_STATES = ("08", "28", "3D", "40", "53", "55", "57", "58", "25006")
# SQLSTATE classes of a COMMIT that may have been carried out: a broken connection, a server that shuts down
# or panics. After any other error PostgreSQL has rolled back.
_UNKNOWN_STATES = ("08", "57", "58", "XX", "40003")


@contextmanager
def database_errors() -> Iterator[None]:
    """Map driver errors that mean "unavailable" to StoreUnavailable; let all other errors through."""
    try:
        yield
    except DBAPIError as error:
        if not _is_unavailable(error):
            raise
        raise StoreUnavailable(f"{type(error).__name__}: {error.orig}") from error
    except (PoolTimeout, OSError) as error:
        raise _unavailable(error) from error
    except Exception as error:
        # SQLAlchemy doesn't wrap asyncpg's errors if a connection breaks while it is being established.
        if not type(error).__module__.startswith("asyncpg."):
            raise
        raise _unavailable(error) from error


def may_be_committed(error: StoreUnavailable) -> bool:
    """Return whether PostgreSQL may have carried out a COMMIT that raised this error."""
    cause = error.__cause__
    sqlstate = getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None
    return not sqlstate or str(sqlstate).startswith(_UNKNOWN_STATES)


def _unavailable(error: Exception) -> StoreUnavailable:
    # TimeoutError has an empty message.
    return StoreUnavailable(f"{type(error).__name__}: {error}".removesuffix(": "))


def _is_unavailable(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return True
    # Plain DatabaseError means that SQLite's file is damaged or not a database.
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate.startswith(_UNAVAILABLE_STATES) if sqlstate else type(error) is DatabaseError
