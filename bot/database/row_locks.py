"""Take row locks in the same order in every transaction, so that two transactions never deadlock.

The order is:

1. The advisory locks of `lock`: "submit" before that of `lock_accepting`.
2. Requests, by key. A change to a run or a message locks its request first. So if two runs of a request end
   at the same time, exactly one of them is the last.
3. Audit entries and presets, by id.
4. The default presets of channels, by channel.
5. The ledger: the rows of one person, by day, and then the whole bot's.

Claims with SKIP LOCKED and changes to a single row never wait while they hold a lock, so the order doesn't
matter to them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, bindparam, select, text

from bot.database.rows import select_runs, to_run
from bot.database.tables import requests, runs
from bot.domain.errors import RunGone
from bot.domain.runs import Run

_ADVISORY = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
_REQUEST_OF = select(runs.c.request_key).where(runs.c.key == bindparam("of")).scalar_subquery()
_LOCK = select(requests.c.key).where(requests.c.key == _REQUEST_OF).with_for_update()
_WITH_RUN = select_runs().where(runs.c.request_key == _REQUEST_OF).order_by(runs.c.index)
_LOCK_ALL = (
    select(requests.c.key)
    .where(requests.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(requests.c.key)
    .with_for_update()
)
_REQUESTS_OF = select(runs.c.request_key).where(runs.c.key.in_(bindparam("keys", expanding=True)))


def lock(connection: Connection, name: str) -> None:
    """Exclude transactions that take the same lock, in every process, until this one ends.

    Use it for decisions over many rows, such as budgets, where row locks are not enough. SQLite's write
    transactions exclude each other anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_ADVISORY, {"name": name})


def lock_accepting(connection: Connection, server: int) -> None:
    """Exclude other transactions that accept or judge requests by the budgets of this server.

    Outside servers, `server` is the person (see `Run.server`). The operator's ceiling is kept at the claims.
    """
    lock(connection, f"accept {server}")


def lock_run(connection: Connection, key: str) -> Run:
    return next(run for run in lock_batch(connection, key) if run.key == key)


def lock_batch(connection: Connection, key: str) -> list[Run]:
    """Lock the request that the run `key` belongs to, and return its runs in their order. Raises RunGone.

    The runs are read by a second statement. The one that waits for the lock would return them as they were
    before the wait.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK, {"of": key})
    found = [to_run(row) for row in connection.execute(_WITH_RUN, {"of": key})]
    if not found:
        raise RunGone(key)
    return found


def lock_requests(connection: Connection, keys: Collection[str]) -> Sequence[str]:
    """Lock these requests in the order of their keys, and return the keys of those that exist.

    On SQLite, a transaction that writes has locked everything.
    """
    if connection.dialect.name == "sqlite":
        return sorted(keys)
    return connection.execute(_LOCK_ALL, {"keys": list(keys)}).scalars().all() if keys else ()


def lock_requests_of(connection: Connection, run_keys: Collection[str]) -> Sequence[str]:
    found = connection.execute(_REQUESTS_OF, {"keys": list(run_keys)})
    return lock_requests(connection, set(found.scalars()))


def lock_rows(connection: Connection, key: Column[Any], *where: ColumnElement[bool]) -> Sequence[Any]:
    """Lock the matching rows of a table in the order of their keys, and return the keys."""
    found = connection.execute(select(key).where(*where).order_by(key).with_for_update())
    return found.scalars().all()
