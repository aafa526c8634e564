"""Every run in the order in which they came, without holding them all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, or_, select

from bot.domain.runs import Run
from bot.store.database import Database
from bot.store.rows import run_columns, to_run
from bot.store.tables import runs

_PORTION = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs: `since` counts, `until` doesn't."""

    since: datetime | None = None
    until: datetime | None = None
    guild_id: int | None = None


class ExportStore:
    """Reads in portions, so that a long export keeps nobody from writing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs(self, wanted: Wanted, portion: int = _PORTION) -> AsyncIterator[Run]:
        """Raises StoreUnavailable."""
        last: Run | None = None
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(_next(wanted, last, portion))).mappings().all()
            found = [to_run(row) for row in rows]
            for run in found:
                yield run
            if len(found) < portion:
                return
            last = found[-1]


def _next(wanted: Wanted, last: Run | None, portion: int) -> Select[tuple[object, ...]]:
    query = select(*run_columns())
    if wanted.since is not None:
        query = query.where(runs.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(runs.c.created_at < wanted.until)
    if wanted.guild_id is not None:
        query = query.where(runs.c.guild_id == wanted.guild_id)
    if last is not None:
        at = last.created_at
        beyond = or_(runs.c.created_at > at, and_(runs.c.created_at == at, runs.c.key > last.key))
        query = query.where(runs.c.created_at >= at, beyond)
    return query.order_by(runs.c.created_at, runs.c.key).limit(portion)
