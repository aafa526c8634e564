"""The record of who did what: written in the same transaction as what it records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import ColumnElement, RowMapping, Select, and_, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.engine import Database
from bot.database.tables import audit
from bot.domain.records import AuditAction, AuditCursor, AuditEntry, AuditFilter, AuditPage, StoredEntry
from bot.domain.runs import RunState

_STEP = 1000
_LINE = insert(audit)


async def add_entries(connection: AsyncConnection, *entries: AuditEntry) -> None:
    """Writes the lines in the caller's transaction."""
    await connection.execute(_LINE, [_row(entry) for entry in entries])


def _row(entry: AuditEntry) -> dict[str, object]:
    return {
        "at": entry.at,
        "guild_id": entry.guild_id,
        "actor_id": entry.actor_id,
        "subject_id": entry.subject_id,
        "action": entry.action,
        "run_key": entry.run_key,
        "deployment": entry.deployment,
        "outcome": entry.outcome,
        "details": dict(entry.details),
    }


class AuditStore:
    """Reads the record. Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: AuditEntry) -> None:
        """A line of its own, where nothing else changes."""
        async with self._database.write() as connection:
            await add_entries(connection, entry)

    async def page(
        self, guild_id: int, wanted: AuditFilter, limit: int, *, before: AuditCursor | None = None
    ) -> AuditPage:
        """The newest lines, or those that follow `before`."""
        lines = await self._older(guild_id, wanted, limit + 1, before)
        shown = lines[:limit]
        newer = shown[0].cursor if shown and before is not None else before
        return AuditPage(shown, shown[-1].cursor if len(lines) > limit else None, newer)

    async def page_after(
        self, guild_id: int, wanted: AuditFilter, limit: int, after: AuditCursor
    ) -> AuditPage:
        """The lines just newer than `after`; the newest page where there are too few of them."""
        query = _matching(guild_id, wanted).where(_beyond(after, newer=True))
        async with self._database.read() as connection:
            found = await connection.execute(query.order_by(audit.c.at, audit.c.id).limit(limit + 1))
            lines = [to_line(row) for row in found.mappings()]
        if len(lines) <= limit:
            return await self.page(guild_id, wanted, limit)
        shown = lines[:limit][::-1]
        return AuditPage(shown, shown[-1].cursor, shown[0].cursor)

    async def export(
        self, guild_id: int, wanted: AuditFilter, step: int = _STEP
    ) -> AsyncIterator[Sequence[StoredEntry]]:
        """Everything that matches, newest first and `step` lines at a time: no transaction stays open."""
        cursor: AuditCursor | None = None
        while lines := await self._older(guild_id, wanted, step, cursor):
            yield lines
            cursor = lines[-1].cursor

    async def _older(
        self, guild_id: int, wanted: AuditFilter, limit: int, before: AuditCursor | None
    ) -> Sequence[StoredEntry]:
        async with self._database.read() as connection:
            found = await connection.execute(newest_first(guild_id, wanted, limit, before))
            return [to_line(row) for row in found.mappings()]


def newest_first(
    guild_id: int, wanted: AuditFilter, limit: int, before: AuditCursor | None = None
) -> Select[tuple[object, ...]]:
    """One step back through a server's record, along its indexes."""
    query = _matching(guild_id, wanted)
    if before is not None:
        query = query.where(_beyond(before, newer=False))
    return query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)


def to_line(row: RowMapping) -> StoredEntry:
    """A line from a whole row of `audit`."""
    values = {name: row[name] for name in AuditEntry.__slots__}
    return StoredEntry(row["id"], AuditEntry(**{**values, "action": AuditAction(values["action"])}))


def _matching(guild_id: int, wanted: AuditFilter) -> Select[tuple[object, ...]]:
    conditions: list[ColumnElement[bool]] = [audit.c.guild_id == guild_id]
    exact = {
        audit.c.subject_id: wanted.subject,
        audit.c.actor_id: wanted.actor,
        audit.c.deployment: wanted.deployment,
        audit.c.action: wanted.action,
    }
    conditions += [column == value for column, value in exact.items() if value is not None]
    if wanted.outcome is not None:
        conditions.append(_outcome(wanted.outcome))
    if wanted.since is not None:
        conditions.append(audit.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(audit.c.at < wanted.until)
    return select(audit).where(*conditions)


def _outcome(outcome: str) -> ColumnElement[bool]:
    exact = audit.c.outcome == outcome
    return or_(exact, audit.c.action == AuditAction.REFUSAL) if outcome == RunState.REFUSED else exact


def _beyond(cursor: AuditCursor, *, newer: bool) -> ColumnElement[bool]:
    # The plain comparison is implied by the rest; it is what an index can use.
    if newer:
        tie = or_(audit.c.at > cursor.at, audit.c.id > cursor.id)
        return and_(audit.c.at >= cursor.at, tie)
    return and_(audit.c.at <= cursor.at, or_(audit.c.at < cursor.at, audit.c.id < cursor.id))
