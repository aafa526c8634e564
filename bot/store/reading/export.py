"""Read runs for `python -m bot export` and `/privacy export`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select

from bot.database.engine import Database
from bot.database.keyset import earlier, later
from bot.database.rows import select_runs, to_run
from bot.database.tables import requests, runs
from bot.domain.runs import Run

_CHUNK_SIZE = 500


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """A filter for the export: runs requested from `since` (inclusive) to `until` (exclusive) on a server.

    None matches everything. With `newest_first`, the newest come first.
    """

    since: datetime | None = None
    until: datetime | None = None
    guild_id: int | None = None
    requester_id: int | None = None
    newest_first: bool = False


class ExportStore:
    """Reads runs in chunks, so that a long export doesn't block writers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs(self, run_filter: ExportFilter, chunk_size: int = _CHUNK_SIZE) -> AsyncIterator[Run]:
        """Yield the runs that the filter matches. Raises StoreUnavailable."""
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
    if run_filter.requester_id is not None:
        query = query.where(requests.c.requester_id == run_filter.requester_id)
    at, order = requests.c.created_at, requests.c.created_at.asc()
    follows = later
    if run_filter.newest_first:
        follows, order = earlier, at.desc()
    if last is not None:
        query = query.where(follows(at, last.created_at, runs.c.key > last.key))
    return query.order_by(order, runs.c.key).limit(chunk_size)
