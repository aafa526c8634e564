"""Write and page the audit log. An entry is written in the transaction of the change it records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import ColumnElement, RowMapping, Select, and_, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.engine import Database
from bot.database.tables import audit
from bot.domain.records import AuditAction, AuditCursor, AuditEntry, AuditFilter, AuditPage, StoredEntry
from bot.domain.runs import RunState

_CHUNK_SIZE = 250  # handled in one step of the event loop
_INSERT = insert(audit)


async def add_entries(connection: AsyncConnection, *entries: AuditEntry) -> None:
    """Write entries in the caller's transaction."""
    await connection.execute(_INSERT, [_row(entry) for entry in entries])


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
    """The audit log. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: AuditEntry) -> None:
        """Write an entry in a transaction of its own."""
        async with self._database.write() as connection:
            await add_entries(connection, entry)

    async def page(
        self, guild_id: int, audit_filter: AuditFilter, limit: int, *, before: AuditCursor | None = None
    ) -> AuditPage:
        """Return the newest entries, or those older than `before`."""
        entries = await self._older(guild_id, audit_filter, limit + 1, before)
        shown = entries[:limit]
        newer = shown[0].cursor if shown and before is not None else before
        return AuditPage(shown, shown[-1].cursor if len(entries) > limit else None, newer)

    async def page_after(
        self, guild_id: int, audit_filter: AuditFilter, limit: int, after: AuditCursor
    ) -> AuditPage:
        """Return the entries just newer than `after`, or the newest page if they don't fill one."""
        query = _matching(guild_id, audit_filter).where(_beyond(after, newer=True))
        async with self._database.read() as connection:
            found = await connection.execute(query.order_by(audit.c.at, audit.c.id).limit(limit + 1))
            entries = [to_entry(row) for row in found.mappings()]
        if len(entries) <= limit:
            return await self.page(guild_id, audit_filter, limit)
        shown = entries[:limit][::-1]
        return AuditPage(shown, shown[-1].cursor, shown[0].cursor)

    async def export(
        self, guild_id: int, audit_filter: AuditFilter, chunk_size: int = _CHUNK_SIZE
    ) -> AsyncIterator[Sequence[StoredEntry]]:
        """Yield everything that matches, newest first, in chunks: no transaction stays open between them."""
        cursor: AuditCursor | None = None
        while entries := await self._older(guild_id, audit_filter, chunk_size, cursor):
            yield entries
            cursor = entries[-1].cursor

    async def _older(
        self, guild_id: int, audit_filter: AuditFilter, limit: int, before: AuditCursor | None
    ) -> Sequence[StoredEntry]:
        async with self._database.read() as connection:
            found = await connection.execute(newest_first(guild_id, audit_filter, limit, before))
            return [to_entry(row) for row in found.mappings()]


def newest_first(
    guild_id: int, audit_filter: AuditFilter, limit: int, before: AuditCursor | None = None
) -> Select[tuple[object, ...]]:
    """Select a page of a server's entries, using the indexes."""
    query = _matching(guild_id, audit_filter)
    if before is not None:
        query = query.where(_beyond(before, newer=False))
    return query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)


def to_entry(row: RowMapping) -> StoredEntry:
    """Build an entry from a row with all columns of `audit`."""
    values = {name: row[name] for name in AuditEntry.__slots__}
    return StoredEntry(row["id"], AuditEntry(**{**values, "action": AuditAction(values["action"])}))


def _matching(guild_id: int, audit_filter: AuditFilter) -> Select[tuple[object, ...]]:
    conditions: list[ColumnElement[bool]] = [audit.c.guild_id == guild_id]
    exact = {
        audit.c.subject_id: audit_filter.subject,
        audit.c.actor_id: audit_filter.actor,
        audit.c.deployment: audit_filter.deployment,
        audit.c.action: audit_filter.action,
    }
    conditions += [column == value for column, value in exact.items() if value is not None]
    if audit_filter.outcome is not None:
        conditions.append(_outcome(audit_filter.outcome))
    if audit_filter.since is not None:
        conditions.append(audit.c.at >= audit_filter.since)
    if audit_filter.until is not None:
        conditions.append(audit.c.at < audit_filter.until)
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
