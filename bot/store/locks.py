"""Row locks of runs: a change to any run locks its whole batch, in key order.

Of two runs that end at the same time, exactly one is the last, and two changes never deadlock.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.tables import run_columns, runs, to_run
from bot.domain.runs import Run

_self = runs.alias("self")
# Built once: compiling a statement of forty columns takes longer than running it.
_BATCH_KEY = select(_self.c.batch_key).where(_self.c.key == bindparam("of")).scalar_subquery()
_BATCH_OF = (
    select(*run_columns()).where(runs.c.batch_key == _BATCH_KEY).order_by(runs.c.key).with_for_update()
)


async def lock_run(connection: AsyncConnection, key: str) -> Run:
    """Return a run whose batch is locked until the transaction ends. Raises KeyError."""
    found = (await connection.execute(_BATCH_OF, {"of": key})).mappings()
    row = next((row for row in found if row["key"] == key), None)
    if row is None:
        raise KeyError(key)
    return to_run(row)


async def lock_batch(connection: AsyncConnection, key: str) -> list[Run]:
    """Lock the batch that contains the run `key`, and return its runs in order. Raises KeyError."""
    found = [to_run(row) for row in (await connection.execute(_BATCH_OF, {"of": key})).mappings()]
    if not found:
        raise KeyError(key)
    return found
