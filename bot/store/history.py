"""Looking back: a person's own runs, newest first, and what a server has running and waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.engine import Database
from bot.database.tables import deliveries, run_columns, runs, to_run
from bot.domain.runs import (
    IN_FLIGHT,
    OUTCOME_PURPOSES,
    DeliveryState,
    HistoryPage,
    MessageRef,
    Run,
    RunCursor,
    RunFilter,
    RunListEntry,
    RunState,
)

S = RunState
_member = runs.alias("member")
_NOT_YET = (S.AWAITING_APPROVAL, S.WAITING)
# As sequences, not sets: the order is part of the statement, which is cached by it.
_OPEN = (*_NOT_YET, *sorted(IN_FLIGHT))
_STATES = {
    RunFilter.WAITING: _NOT_YET,
    RunFilter.RUNNING: tuple(sorted(IN_FLIGHT)),
    RunFilter.DONE: (S.SUCCEEDED,),
    RunFilter.FAILED: (S.FAILED, S.TIMED_OUT, S.REFUSED, S.UNCONFIRMED),
    RunFilter.ENDED: (S.CANCELLED, S.REJECTED, S.EXPIRED),
}


class HistoryStore:
    """Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        requester_id: int,
        *,
        limit: int,
        wanted: RunFilter = RunFilter.ALL,
        before: RunCursor | None = None,
    ) -> HistoryPage:
        """The newest runs, or those that follow `before`."""
        async with self._database.read() as connection:
            query = own_runs(requester_id, wanted, limit + 1, before)
            found = [to_run(row) for row in (await connection.execute(query)).mappings()]
            listed = found[:limit]
            older = _cursor(listed[-1]) if len(found) > limit else None
            newer = _cursor(listed[0]) if listed and before is not None else before
            return HistoryPage(await _entries(connection, listed), older, newer)

    async def page_after(
        self, requester_id: int, *, limit: int, wanted: RunFilter, after: RunCursor
    ) -> HistoryPage:
        """The runs just newer than `after`; the newest page where there are too few of them."""
        query = _matching(requester_id, wanted).where(_beyond(after, newer=True))
        async with self._database.read() as connection:
            found = await connection.execute(
                query.order_by(runs.c.created_at, runs.c.key.desc()).limit(limit + 1)
            )
            rising = [to_run(row) for row in found.mappings()]
            if len(rising) > limit:
                listed = rising[:limit][::-1]
                entries = await _entries(connection, listed)
                return HistoryPage(entries, _cursor(listed[-1]), _cursor(listed[0]))
        return await self.page(requester_id, limit=limit, wanted=wanted)

    async def server_queue(self, guild_id: int, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """What runs, the longest first; then what waits, in its order; then what waits for a moderator."""
        async with self._database.read() as connection:
            found = await connection.execute(open_on_server(guild_id, limit, offset))
            return [to_run(row) for row in found.mappings()]


def own_runs(
    requester_id: int, wanted: RunFilter, limit: int, before: RunCursor | None = None
) -> Select[Any]:
    """One step back through a person's runs, along the index."""
    query = _matching(requester_id, wanted)
    if before is not None:
        query = query.where(_beyond(before, newer=False))
    return query.order_by(runs.c.created_at.desc(), runs.c.key).limit(limit)


def open_on_server(guild_id: int, limit: int, offset: int) -> Select[Any]:
    """What has not ended on a server, along the index: its ended runs, far more, are never read."""
    rank = case((runs.c.state.in_(IN_FLIGHT), 0), (runs.c.state == S.WAITING, 1), else_=2)
    line = case((runs.c.state == S.WAITING, runs.c.queue_position))
    return (
        select(*run_columns())
        .where(runs.c.guild_id == guild_id, runs.c.state.in_(_OPEN))
        .order_by(rank, line.nulls_last(), runs.c.created_at, runs.c.key)
        .limit(limit)
        .offset(offset)
    )


def _matching(requester_id: int, wanted: RunFilter) -> Select[Any]:
    """Select the first run of each batch that matches; a batch matches if any of its runs does."""
    query = select(*run_columns()).where(runs.c.requester_id == requester_id, runs.c.batch_index == 0)
    if wanted is RunFilter.ALL:
        return query
    member = _member.c.batch_key == runs.c.key
    if wanted is not RunFilter.UNDELIVERED:
        return query.where(exists().where(member, _member.c.state.in_(_STATES[wanted])))
    return query.where(
        exists().where(
            member,
            deliveries.c.run_key == _member.c.key,
            deliveries.c.purpose.in_(OUTCOME_PURPOSES),
            deliveries.c.state == DeliveryState.UNDELIVERED,
        )
    )


def _beyond(cursor: RunCursor, *, newer: bool) -> ColumnElement[bool]:
    # The plain comparison is implied by the rest; it is what an index can use.
    if newer:
        tie = or_(runs.c.created_at > cursor.at, runs.c.key < cursor.key)
        return and_(runs.c.created_at >= cursor.at, tie)
    return and_(runs.c.created_at <= cursor.at, or_(runs.c.created_at < cursor.at, runs.c.key > cursor.key))


def _cursor(run: Run) -> RunCursor:
    return RunCursor(run.created_at, run.key)


async def _entries(connection: AsyncConnection, listed: Sequence[Run]) -> Sequence[RunListEntry]:
    keys = [run.key for run in listed]
    found = await connection.execute(
        select(*run_columns()).where(runs.c.batch_key.in_(keys)).order_by(runs.c.key)
    )
    batches: dict[str, list[Run]] = {key: [] for key in keys}
    for run in map(to_run, found.mappings()):
        batches[run.batch_key].append(run)
    messages = await connection.execute(
        select(runs.c.batch_key, deliveries.c.state, deliveries.c.messages)
        .join(runs, runs.c.key == deliveries.c.run_key)
        .where(runs.c.batch_key.in_(keys), deliveries.c.purpose.in_(OUTCOME_PURPOSES))
        .order_by(deliveries.c.id)
    )
    rows: dict[str, list[Any]] = {key: [] for key in keys}
    for row in messages:
        rows[row.batch_key].append(row)
    return [_entry(batches[key], rows[key]) for key in keys]


def _entry(batch: Sequence[Run], rows: Sequence[Any]) -> RunListEntry:
    # A late success replaces the verdict on a single run, and leaves the message of a larger batch as it is.
    rows = rows[-1:] if len(batch) == 1 else rows
    undelivered = any(row.state == DeliveryState.UNDELIVERED for row in rows)
    message = MessageRef(*rows[0].messages[0]) if rows and rows[0].messages else None
    return RunListEntry(batch, undelivered=undelivered, message=message)


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
