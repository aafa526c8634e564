"""Read all runs for `python -m bot export`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select

from bot.database.engine import Database
from bot.database.keyset import later
from bot.database.rows import select_runs, to_run
from bot.database.tables import requests, runs
from bot.domain.runs import Run

_CHUNK_SIZE = 500


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """A filter for the export: runs requested from `since` (inclusive) to `until` (exclusive) on a server.

    None matches everything.
    """

    since: datetime | None = None
    until: datetime | None = None
    guild_id: int | None = None


class ExportStore:
    """Reads runs in chunks, so that a long export doesn't block writers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs(self, run_filter: ExportFilter, chunk_size: int = _CHUNK_SIZE) -> AsyncIterator[Run]:
        """Yield the runs, oldest first. Raises StoreUnavailable."""
        last: Run | None = None
        while True:
            found = await self._database.read(_chunk, run_filter, last, chunk_size)
            for run in found:
                yield run
            if len(found) < chunk_size:
                return
            last = found[-1]


def _chunk(connection: Connection, run_filter: ExportFilter, last: Run | None, limit: int) -> Sequence[Run]:
    rows = connection.execute(_next(run_filter, last, limit)).mappings()
    return [to_run(row) for row in rows]


def _next(run_filter: ExportFilter, last: Run | None, chunk_size: int) -> Select[tuple[object, ...]]:
    query = select_runs()
    if run_filter.since is not None:
        query = query.where(requests.c.created_at >= run_filter.since)
    if run_filter.until is not None:
        query = query.where(requests.c.created_at < run_filter.until)
    if run_filter.guild_id is not None:
        query = query.where(requests.c.guild_id == run_filter.guild_id)
    if last is not None:
        query = query.where(later(requests.c.created_at, last.created_at, runs.c.key > last.key))
    return query.order_by(requests.c.created_at, runs.c.key).limit(chunk_size)
