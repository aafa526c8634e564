"""Take row locks in the same order in every transaction, so that two transactions never deadlock.

The order is:

1. The advisory locks of `bot.database.postgres.lock`: "submit" before "accept".
2. Runs, by key. A change that may end a run locks its whole batch. So if two runs of a batch end at the same
   time, exactly one of them is the last.
3. Deliveries of locked runs.
4. Audit entries and presets, by id.
5. The default presets of channels, by channel.
6. The ledger: the rows of one person, by day, and then the whole bot's. Only a transaction that accepts
   requests locks the rows of several people, and "accept" admits one at a time.

Claims with SKIP LOCKED and changes to a single row never wait while they hold a lock, so the order doesn't
matter to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, bindparam, select

from bot.database.column_types import CleanText
from bot.database.tables import run_columns, runs, to_run
from bot.domain.errors import RunGone
from bot.domain.runs import Run

_self = runs.alias("self")
# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
_BATCH_KEY = (
    select(_self.c.batch_key).where(_self.c.key == bindparam("of", type_=CleanText())).scalar_subquery()
)
_BATCH_OF = (
    select(*run_columns()).where(runs.c.batch_key == _BATCH_KEY).order_by(runs.c.key).with_for_update()
)


def lock_run(connection: Connection, key: str) -> Run:
    """Lock the batch that contains the run `key`, and return that run. Raises RunGone."""
    found = connection.execute(_BATCH_OF, {"of": key}).mappings()
    row = next((row for row in found if row["key"] == key), None)
    if row is None:
        raise RunGone(key)
    return to_run(row)


def lock_batch(connection: Connection, key: str) -> list[Run]:
    """Lock the batch that contains the run `key`, and return its runs, ordered by key. Raises RunGone."""
    found = lock_batch_if_any(connection, key)
    if not found:
        raise RunGone(key)
    return found


def lock_batch_if_any(connection: Connection, key: str) -> list[Run]:
    """Lock a batch as `lock_batch` does, but return an empty list if the run doesn't exist."""
    return [to_run(row) for row in connection.execute(_BATCH_OF, {"of": key}).mappings()]


def lock_rows(connection: Connection, key: Column[Any], *where: ColumnElement[bool]) -> Sequence[Any]:
    """Lock the matching rows of a table in the order of their keys, and return the keys."""
    found = connection.execute(select(key).where(*where).order_by(key).with_for_update())
    return found.scalars().all()
