"""Read runs for `python -m bot export` and `/privacy export`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select

from bot.database.engine import Database
from bot.database.rows import earlier, later, select_runs, to_run
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


async def exported_runs(
    database: Database, run_filter: ExportFilter, chunk_size: int = _CHUNK_SIZE
) -> AsyncIterator[Run]:
    """Yield the runs that the filter matches, in chunks, so that no writer waits. Raises StoreUnavailable."""
    found: list[Run] = []
    while not found or len(found) == chunk_size:
        found = await database.read(_chunk, run_filter, found[-1] if found else None, chunk_size)
        for run in found:
            yield run
        if not found:
            return


def _chunk(connection: Connection, run_filter: ExportFilter, last: Run | None, limit: int) -> list[Run]:
    return [to_run(row) for row in connection.execute(_next(run_filter, last, limit))]


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
