"""Write the audit log, and read it page by page. A change and its entry are written in one transaction.

Entries hold no links to messages, and no prompts but those of refused requests, which have no row. A page
reads these from the requests, as long as they exist.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, insert, or_, select, update

from bot.database.engine import Repository, reads
from bot.database.rows import earlier, read_batches, read_messages
from bot.database.tables import audit, is_any, runs
from bot.domain.messages import MessageRef, Messages, Place, Purpose
from bot.domain.moderation import PARTIAL, AuditAction, AuditEntry, AuditFilter, StoredEntry
from bot.domain.runs import FINAL, REQUESTER_BLOCKED, Run, RunState

_CHUNK_SIZE = 250  # handled in one step of the event loop
_INSERT = insert(audit)
_ENDS = (
    select(runs.c.state, runs.c.partial, runs.c.failure_code)
    .where(runs.c.request_key == bindparam("request"))
    .order_by(runs.c.index)
)
_ENDINGS = (AuditAction.OUTCOME, AuditAction.EXPIRE)


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
        deployment=run.deployment,
        outcome=outcome,
        details=details,
    )


def request_entry(
    batch: Sequence[Run], action: AuditAction, actor_id: int | None, now: datetime, **details: object
) -> AuditEntry:
    if len(batch) > 1:
        details = {"runs": len(batch), **details}
    entry = run_entry(batch[0], action, actor_id, now)
    return replace(entry, run_key=batch[0].request_key, details=details)


def add_entries(connection: Connection, *entries: AuditEntry) -> None:
    names = AuditEntry.__slots__
    rows = [{name: getattr(entry, name) for name in names} for entry in entries]
    connection.execute(_INSERT, [row | {"details": dict(row["details"])} for row in rows])


def record_end(connection: Connection, run: Run, ended: Run, now: datetime) -> bool:
    """Write how a request ended once its last run has ended, and return whether it has.

    The outcome is the one that the title of the request's message names. `ended` is `run` as it is now. A
    later result changes the entry. If no run has a result, the first says how the request ended.
    """
    ends: Sequence[Any] = [(ended.state, ended.partial, ended.failure_code)]
    if run.count > 1:
        ends = connection.execute(_ENDS, {"request": run.request_key}).all()
    if any(state not in FINAL for state, _, _ in ends):
        return False
    made = [state for state, partial, _ in ends if state == RunState.SUCCEEDED or partial]
    first, _, code = ends[0]
    outcome = REQUESTER_BLOCKED if code == REQUESTER_BLOCKED else RunState(first).value
    if made:
        outcome = RunState.SUCCEEDED.value if RunState.SUCCEEDED in made else PARTIAL
    action = AuditAction.EXPIRE if outcome == RunState.EXPIRED else AuditAction.OUTCOME
    details: dict[str, object] = {"result": "private"} if run.private else {}
    if run.count > 1:
        details = {"runs": run.count, "results": f"{len(made)} of {run.count}", **details}
    if not run.final:
        entry = run_entry(run, action, None, now, outcome=outcome, **details)
        add_entries(connection, replace(entry, run_key=run.request_key))
        return True
    # There is no index on the key, but one on the server, the requester and the time.
    indexed = (audit.c.guild_id == run.guild_id, audit.c.subject_id == run.requester_id)
    connection.execute(
        update(audit)
        .where(*indexed, audit.c.at >= run.created_at, audit.c.run_key == run.request_key)
        .where(is_any(audit.c.action, _ENDINGS))
        .values(action=action, outcome=outcome, details=details)
    )
    return True


class AuditStore(Repository):
    @reads
    def page(
        self,
        connection: Connection,
        guild_id: int,
        audit_filter: AuditFilter,
        now: datetime,
        *,
        limit: int,
        offset: int = 0,
        before: StoredEntry | None = None,
    ) -> Sequence[StoredEntry]:
        """Return the newest matching entries or, with `before`, those that are older."""
        return _read(connection, newest_first(guild_id, audit_filter, now, limit, before).offset(offset))

    async def export(
        self, guild_id: int, audit_filter: AuditFilter, now: datetime, chunk_size: int = _CHUNK_SIZE
    ) -> AsyncIterator[Sequence[StoredEntry]]:
        """Yield all matching entries in chunks, newest first. No transaction stays open between chunks."""
        last: StoredEntry | None = None
        while chunk := await self.page(guild_id, audit_filter, now, limit=chunk_size, before=last):
            yield chunk
            last = chunk[-1]


def newest_first(
    guild_id: int, wanted: AuditFilter, now: datetime, limit: int, before: StoredEntry | None = None
) -> Select[Any]:
    """Select a server's matching entries, using the index `audit_guild` or `audit_subject`."""
    query = select(audit).where(audit.c.guild_id == guild_id)
    for name in ("subject_id", "actor_id", "deployment", "action"):
        if value := getattr(wanted, name.removesuffix("_id")):
            query = query.where(audit.c[name] == value)
    if wanted.outcome == RunState.REFUSED:
        never_started = is_any(audit.c.outcome, {RunState.REFUSED, REQUESTER_BLOCKED})
        query = query.where(or_(never_started, audit.c.action == AuditAction.REFUSAL))
    elif wanted.outcome:
        query = query.where(audit.c.outcome == wanted.outcome)
    if wanted.since:
        query = query.where(audit.c.at >= now - timedelta(days=wanted.since))
    if wanted.until:
        query = query.where(audit.c.at < now - timedelta(days=wanted.until))
    if before is not None:
        query = query.where(earlier(audit.c.at, before.entry.at, audit.c.id < before.id))
    return query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)


def to_entry(row: RowMapping) -> StoredEntry:
    values = {name: row[name] for name in AuditEntry.__slots__}
    entry = AuditEntry(**{**values, "action": AuditAction(values["action"])})
    return StoredEntry(row["id"], entry, prompt=row["details"].get("prompt"))


def _read(connection: Connection, query: Select[Any]) -> list[StoredEntry]:
    """Return entries with what moderators see of the requests that they are about.

    A private request shows neither its prompt nor a link, but moderators may open its results.
    """
    entries = [to_entry(row) for row in connection.execute(query).mappings()]
    keys = {stored.entry.run_key for stored in entries if stored.entry.run_key}
    if not keys:
        return entries
    own = select(runs.c.request_key).where(runs.c.key.in_(keys)).distinct()
    batches = read_batches(connection, connection.scalars(own).all(), listed=True)
    batch_of = {run.key: batch for batch in batches.values() for run in batch}
    messages = read_messages(connection, batches.keys())
    for place, stored in enumerate(entries):
        batch = batch_of.get(stored.entry.run_key or "")
        if batch is None:
            continue
        if batch[0].private:
            may_open = any(run.is_shown and run.erased_at is None for run in batch)
            entries[place] = replace(stored, may_open=may_open)
        else:
            link = _link(batch, messages[batch[0].request_key])
            entries[place] = replace(stored, prompt=batch[0].prompt, message=link)
    return entries


def _link(batch: Sequence[Run], messages: Messages) -> MessageRef | None:
    """Return the newest message with a request's results or, until there is one, its card or status message.

    Returns None if the results were deleted, or if only the requester can open the message.
    """
    first = batch[0]
    needs_approval = first.review_channel_id is not None
    shown = [run for run in batch if run.is_shown]
    outcome = messages.get((Purpose.OUTCOME, 0))
    is_gone = outcome is not None and outcome.deleted_by is not None
    if not shown and (is_gone or any(run.deleted_at is not None for run in batch)):
        return None
    late = [messages.get((Purpose.LATE, run.index)) for run in reversed(shown)]
    for message in (*late, outcome, messages.get((Purpose.REVIEW, 0))):
        part = next(iter(message.posted), None) if message is not None else None
        is_open = part is not None and part.channel_id in (first.channel_id, first.review_channel_id)
        if part is not None and is_open and not (needs_approval and part.place is Place.ANSWER):
            return part.ref
    if first.status_message_id is None or needs_approval:
        return None
    return MessageRef(first.channel_id, first.status_message_id)
