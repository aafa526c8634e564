"""Write the audit log, and read it page by page. A change and its entry are written in one transaction.

Entries hold no prompts or links to messages. A page reads prompts from the runs, and links from the runs and
their messages, as long as these exist.

Each run of a batch has its own entry. Of entries that differ only in the run, a page lists the newest, with
their number. It lists outcomes in this way even if the runs ended at different times.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    RowMapping,
    Select,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    insert,
    or_,
    select,
)

from bot.database.engine import Database, reads, writes
from bot.database.keyset import earlier, later
from bot.database.message_rows import Messages, read_messages
from bot.database.rows import WITH_REQUEST
from bot.database.tables import audit, requests, runs
from bot.domain.messages.records import EDITS, Kind, MessageRef
from bot.domain.moderation.audit import (
    AuditAction,
    AuditCursor,
    AuditEntry,
    AuditFilter,
    AuditPage,
    StoredEntry,
)
from bot.domain.moderation.reviews import may_open
from bot.domain.requests import GenerationRequest
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED

_CHUNK_SIZE = 250  # handled in one step of the event loop
_INSERT = insert(audit)
# Actions on all runs of a batch. Others, such as a report, are about one run or one message.
_OF_A_BATCH = frozenset(
    {AuditAction.REQUEST, AuditAction.OUTCOME, AuditAction.APPROVE, AuditAction.REJECT}
    | {AuditAction.EXPIRE, AuditAction.CANCEL, AuditAction.DELETE}
)


def batch_of(run: Run | GenerationRequest, action: AuditAction) -> str | None:
    """Return the `request_key` of an audit entry, or None if the entry is listed by itself.

    Moderators open private results one by one, so each outcome of a private run is listed by itself.
    """
    if run.count == 1 or action not in _OF_A_BATCH:
        return None
    return None if run.private and action is AuditAction.OUTCOME else run.request_key


def run_entry(
    run: Run,
    action: AuditAction,
    actor_id: int | None,
    now: datetime,
    *,
    outcome: str | None = None,
    **details: object,
) -> AuditEntry:
    """Build an entry about a run and its requester; `actor_id` None is the bot itself."""
    return AuditEntry(
        at=now,
        guild_id=run.guild_id,
        actor_id=actor_id,
        subject_id=run.requester_id,
        action=action,
        run_key=run.key,
        request_key=batch_of(run, action),
        deployment=run.deployment,
        outcome=outcome,
        details=details,
    )


def add_entries(connection: Connection, *entries: AuditEntry) -> None:
    """Write entries in the caller's transaction."""
    connection.execute(_INSERT, [_row(entry) for entry in entries])


def _row(entry: AuditEntry) -> dict[str, object]:
    return {
        "at": entry.at,
        "guild_id": entry.guild_id,
        "actor_id": entry.actor_id,
        "subject_id": entry.subject_id,
        "action": entry.action,
        "run_key": entry.run_key,
        "request_key": entry.request_key,
        "deployment": entry.deployment,
        "outcome": entry.outcome,
        "details": dict(entry.details),
    }


class AuditStore:
    """The audit log. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def add(self, connection: Connection, entry: AuditEntry) -> None:
        """Write an entry in a transaction of its own."""
        add_entries(connection, entry)

    @reads
    def page(
        self,
        connection: Connection,
        guild_id: int,
        audit_filter: AuditFilter,
        limit: int,
        *,
        before: AuditCursor | None = None,
    ) -> AuditPage:
        """Return the newest entries, or those older than `before`."""
        return _page(connection, guild_id, audit_filter, limit, before)

    @reads
    def page_after(
        self, connection: Connection, guild_id: int, audit_filter: AuditFilter, limit: int, after: AuditCursor
    ) -> AuditPage:
        """Return the entries just newer than `after`, or the newest page if they don't fill one."""
        newer = later(audit.c.at, after.at, audit.c.id > after.id)
        query = _listed_once(guild_id, audit_filter).where(newer)
        query = query.order_by(audit.c.at, audit.c.id).limit(limit + 1)
        entries = _listed(connection, guild_id, audit_filter, query)
        if len(entries) <= limit:
            return _page(connection, guild_id, audit_filter, limit)
        shown = entries[:limit][::-1]
        return AuditPage(shown, shown[-1].cursor, shown[0].cursor)

    async def export(
        self, guild_id: int, audit_filter: AuditFilter, chunk_size: int = _CHUNK_SIZE
    ) -> AsyncIterator[Sequence[StoredEntry]]:
        """Yield all matching entries in chunks, newest first. No transaction stays open between chunks.

        Each run of a batch has its own entry here.
        """
        cursor: AuditCursor | None = None
        while entries := await self._older(guild_id, audit_filter, chunk_size, cursor):
            yield entries
            cursor = entries[-1].cursor

    @reads
    def _older(
        self,
        connection: Connection,
        guild_id: int,
        audit_filter: AuditFilter,
        limit: int,
        before: AuditCursor | None,
    ) -> Sequence[StoredEntry]:
        query = _newest_first(_matching(guild_id, audit_filter), limit, before)
        found = connection.execute(query)
        return _with_runs(connection, [to_entry(row) for row in found.mappings()])


def _page(
    connection: Connection,
    guild_id: int,
    audit_filter: AuditFilter,
    limit: int,
    before: AuditCursor | None = None,
) -> AuditPage:
    query = newest_first(guild_id, audit_filter, limit + 1, before)
    entries = _listed(connection, guild_id, audit_filter, query)
    shown = entries[:limit]
    newer = shown[0].cursor if shown and before is not None else before
    return AuditPage(shown, shown[-1].cursor if len(entries) > limit else None, newer)


def newest_first(
    guild_id: int, audit_filter: AuditFilter, limit: int, before: AuditCursor | None = None
) -> Select[tuple[object, ...]]:
    """Select a page of a server's entries, newest first, using the index `audit_guild` or `audit_subject`."""
    return _newest_first(_listed_once(guild_id, audit_filter), limit, before)


def _newest_first(
    query: Select[tuple[object, ...]], limit: int, before: AuditCursor | None
) -> Select[tuple[object, ...]]:
    if before is not None:
        query = query.where(earlier(audit.c.at, before.at, audit.c.id < before.id))
    return query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)


def to_entry(row: RowMapping) -> StoredEntry:
    """Build an entry from a row with all columns of `audit`."""
    values = {name: row[name] for name in AuditEntry.__slots__}
    return StoredEntry(row["id"], AuditEntry(**{**values, "action": AuditAction(values["action"])}))


# The columns to read of a run and its batch. Outputs are left out: they may hold a megabyte of text.
_OF_RUN = (
    runs.c.key,
    runs.c.index.label("number"),
    runs.c.request_key,
    runs.c.state,
    runs.c.partial,
    runs.c.deleted_at,
    requests.c.prompt,
    requests.c.channel_id,
    requests.c.status_message_id,
    requests.c.review_channel_id,
    requests.c.private,
    # Only private results are opened from the audit log.
    case((requests.c.private, cast(runs.c.outputs, Text) != "[]"), else_=false()).label("has_outputs"),
)


def _with_runs(connection: Connection, entries: Sequence[StoredEntry]) -> list[StoredEntry]:
    """Add what moderators see of each entry's run."""
    keys = {stored.entry.run_key for stored in entries if stored.entry.run_key}
    if not keys:
        return list(entries)
    batches = select(runs.c.request_key).where(runs.c.key.in_(keys))
    query: Select[Any] = select(*_OF_RUN).select_from(WITH_REQUEST).where(runs.c.request_key.in_(batches))
    rows = connection.execute(query).all()
    batch_rows: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        batch_rows[row.request_key].append(row)
    found = {row.key: row for row in rows}
    of_requests = read_messages(connection, batch_rows.keys())

    def complete(stored: StoredEntry) -> StoredEntry:
        run = found.get(stored.entry.run_key or "")
        if run is None:
            return stored
        batch = batch_rows[run.request_key]
        about = [run, *batch] if stored.count > 1 else [run]
        messages = (_message(one, batch, of_requests[run.request_key]) for one in about)
        message = next(filter(None, messages), None)
        shown = _has_result(run) and run.deleted_at is None
        opens = may_open(private=run.private, shown=shown, has_outputs=bool(run.has_outputs))
        return stored.with_run(run.prompt, message, private=run.private, may_open=opens)

    return [complete(stored) for stored in entries]


def _message(run: Row[Any], batch: Sequence[Row[Any]], found: Messages) -> MessageRef | None:
    """Return the message with a run's result or, until there is a result, its status or review card.

    Returns None if the result was deleted, or if only the requester can open the message. Only the requester
    can open a direct message, or the status of a request that needs approval and an outcome in its place.
    """
    is_left = any(_has_result(row) and row.deleted_at is None for row in batch)
    if run.deleted_at is not None or (not is_left and any(row.deleted_at is not None for row in batch)):
        return None
    first = next((row for row in batch if row.key == run.request_key), run)
    needs_approval = first.review_channel_id is not None
    outcome = found.get((Kind.OUTCOME, 0))
    if outcome is not None and outcome.deleted_by is not None:
        return None
    for key in ((Kind.LATE, run.number), (Kind.OUTCOME, 0), (Kind.REVIEW, 0)):
        parts = found[key].posted if key in found else ()
        if parts and not (needs_approval and parts[0].place in EDITS):
            return parts[0].ref if parts[0].channel_id in (run.channel_id, first.review_channel_id) else None
    is_public = first.status_message_id is not None and not needs_approval
    return MessageRef(first.channel_id, first.status_message_id) if is_public else None


def _has_result(run: Row[Any]) -> bool:
    return run.state == RunState.SUCCEEDED or bool(run.partial)


def _listed_once(guild_id: int, audit_filter: AuditFilter) -> Select[tuple[object, ...]]:
    """Select the matching entries. Of entries that a page lists as one, select only the newest."""
    newer = audit.alias("newer")
    is_newer = or_(newer.c.at > audit.c.at, and_(newer.c.at == audit.c.at, newer.c.id > audit.c.id))
    conditions = [_listed_together(newer), is_newer]
    if audit_filter.until is not None:
        conditions.append(newer.c.at < audit_filter.until)
    is_newest = or_(audit.c.request_key.is_(None), ~exists().where(*conditions))
    return _matching(guild_id, audit_filter).where(is_newest)


def _listed_together(other: FromClause) -> ColumnElement[bool]:
    """Match entries of `other` that differ from an entry only in the run, or in the time of an outcome."""
    return and_(
        other.c.request_key == audit.c.request_key,
        other.c.guild_id == audit.c.guild_id,
        other.c.action == audit.c.action,
        other.c.actor_id.is_not_distinct_from(audit.c.actor_id),
        other.c.outcome.is_not_distinct_from(audit.c.outcome),
        or_(audit.c.action == AuditAction.OUTCOME, other.c.at == audit.c.at),
    )


def _listed(
    connection: Connection, guild_id: int, audit_filter: AuditFilter, page: Select[tuple[object, ...]]
) -> list[StoredEntry]:
    """Return the entries of a page, with the number of entries that each of them stands for."""
    entries = [to_entry(row) for row in connection.execute(page).mappings()]
    keys = {stored.entry.request_key for stored in entries} - {None}
    if keys:
        query = _matching(guild_id, audit_filter).where(audit.c.request_key.in_(keys))
        found = [to_entry(row) for row in connection.execute(query).mappings()]
        counts = Counter(_group(stored.entry) for stored in found)
        entries = [
            replace(stored, count=counts[_group(stored.entry)]) if stored.entry.request_key else stored
            for stored in entries
        ]
    return _with_runs(connection, entries)


def _group(entry: AuditEntry) -> tuple[object, ...]:
    """Return a key that is equal for entries that a page lists as one, as in `_listed_together`."""
    at = None if entry.action is AuditAction.OUTCOME else entry.at
    return entry.request_key, entry.action, entry.actor_id, entry.outcome, at


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
    if outcome != RunState.REFUSED:
        return audit.c.outcome == outcome
    never_started = audit.c.outcome.in_({RunState.REFUSED, REQUESTER_BLOCKED})
    return or_(never_started, audit.c.action == AuditAction.REFUSAL)
