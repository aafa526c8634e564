"""Export and erase personal data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from bot.database.engine import Database, reads, writes
from bot.database.message_rows import nothing_pending
from bot.database.row_locks import lock_rows
from bot.database.rows import select_runs, to_run
from bot.database.tables import audit, blocks, channel_defaults, messages, presets, requests, runs, usage
from bot.domain.budgets import budget_day
from bot.domain.moderation import AuditAction, AuditEntry, StoredEntry
from bot.domain.requests import Holder
from bot.domain.runs import Erased, Run
from bot.store import ledger
from bot.store.audit import add_entries, to_entry
from bot.store.presets import made_by
from bot.store.reading.export import ExportFilter, exported_runs

_CHUNK_SIZE = 200
_EXPORT_CHUNK_SIZE = 10  # small, because each run comes with its inputs and outputs
# Columns with a user's inputs and outputs; the others only show that there was a run.
_ERASED: Mapping[str, object] = {
    "inputs": {},
    "seed": None,
    "outputs": [],
    "live_status": None,
    "failure_log": None,
}
_ERASED_OF_REQUEST: Mapping[str, object] = {
    "prompt": None,
    "requester_roles": None,
    "requester_joined_at": None,
    "interaction_token": None,
    "press": None,
}


# What a user typed, among the details of audit entries about their own actions.
_TEXTS = ("prompt", "note")
_has_text = or_(*(audit.c.details[name].as_string().is_not(None) for name in _TEXTS))
_PERSON = bindparam("person", type_=BigInteger())
_of_server = and_(presets.c.holder == Holder.SERVER, presets.c.holder_id == channel_defaults.c.guild_id)
# What the export shows of a person, by kind, apart from runs and audit entries. Moderators aren't named.
_OWN: Mapping[str, Select[Any]] = {
    "block": select(blocks.c.guild_id, blocks.c.reason, blocks.c.until, blocks.c.created_at)
    .where(blocks.c.user_id == _PERSON)
    .order_by(blocks.c.guild_id),
    "preset": select(
        case((presets.c.holder == Holder.SERVER, presets.c.holder_id)).label("guild_id"),
        *(presets.c[name] for name in ("name", "deployment", "inputs", "gpu", "created_at", "is_default")),
    )
    .where(made_by(_PERSON))
    .order_by(presets.c.id),
    "channel default": select(
        *(channel_defaults.c[name] for name in ("guild_id", "channel_id", "set_at")), presets.c.name
    )
    .join(presets, and_(_of_server, presets.c.folded == channel_defaults.c.folded))
    .where(channel_defaults.c.set_by == _PERSON)
    .order_by(channel_defaults.c.channel_id),
    "usage": select(
        usage.c.day,
        func.nullif(usage.c.guild_id, 0).label("guild_id"),
        *(usage.c[name] for name in ("runs", "seconds", "weighted_seconds")),
    )
    .where(usage.c.person_id == _PERSON)
    .order_by(usage.c.day, usage.c.guild_id),
}


class PrivacyStore:
    """Exports and erases personal data, in chunks, so that no other process waits for long.

    Every method raises StoreUnavailable if the database doesn't answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs_of(self, user_id: int, chunk_size: int = _EXPORT_CHUNK_SIZE) -> AsyncIterator[Run]:
        """Yield all runs of a person, newest first."""
        wanted = ExportFilter(requester_id=user_id, newest_first=True)
        return exported_runs(self._database, wanted, chunk_size)

    async def audit_of(
        self, user_id: int, chunk_size: int = _CHUNK_SIZE
    ) -> AsyncIterator[Sequence[StoredEntry]]:
        """Yield every audit entry about a person or by them, oldest first."""
        last = 0
        while found := await self._entries(user_id, last, chunk_size):
            yield [to_entry(row) for row in found]
            last = found[-1]["id"]

    @reads
    def rows_of(self, connection: Connection, user_id: int) -> Sequence[Mapping[str, object]]:
        """Return a person's blocks, presets, channel defaults and usage, each with its kind."""
        return [
            {"kind": kind, **row}
            for kind, query in _OWN.items()
            for row in connection.execute(query, {"person": user_id}).mappings()
        ]

    async def erase(self, user_id: int, now: datetime, chunk_size: int = _CHUNK_SIZE) -> Erased:
        """Erase the inputs and outputs of a user's runs.

        Runs of a batch that is active or has a pending message stay as they are, and the first of each such
        batch is returned. The other runs still show when and where they were requested, and how they ended.
        The user's own presets are deleted, and in the audit log the prompts of refused requests and the notes
        of reports. Presets made for a server and defaults set for a channel stay,
        without the user's id. What the user used today stays, too, because it counts until midnight. The
        audit log gets an entry, unless there was nothing to erase.
        """
        presets_deleted = await self._delete_presets(user_id)
        changed = presets_deleted + await self._forget_setter(user_id)
        while texts := await self._erase_texts(user_id, chunk_size):
            changed += texts
        await self._database.write(ledger.erase, user_id, budget_day(now))
        erased = 0
        while (count := await self._erase_chunk(user_id, now, chunk_size)) is not None:
            erased += count
            changed += 1
        if changed:
            entry = AuditEntry(
                at=now,
                guild_id=None,
                action=AuditAction.PRIVACY,
                actor_id=user_id,
                subject_id=user_id,
                details={"requests": erased},
            )
            await self._database.write(add_entries, entry)
        return Erased(erased, await self._unsettled(user_id), presets_deleted)

    @writes
    def _erase_chunk(
        self, connection: Connection, user_id: int, now: datetime, chunk_size: int
    ) -> int | None:
        """Erase one chunk of requests, and return how many were erased; None at the end."""
        left = exists().where(runs.c.request_key == requests.c.key, runs.c.erased_at.is_(None))
        found = connection.execute(
            select(requests.c.key)
            .where(requests.c.requester_id == user_id, left, nothing_pending())
            .order_by(requests.c.key)
            .limit(chunk_size)
            .with_for_update()
        )
        locked = found.scalars().all()
        if not locked:
            return None
        # Check again, because a message may have become pending while this waited for the locks.
        still = select(requests.c.key).where(requests.c.key.in_(locked), nothing_pending())
        keys = connection.execute(still).scalars().all()
        connection.execute(update(requests).where(requests.c.key.in_(keys)).values(_ERASED_OF_REQUEST))
        erased = update(runs).where(runs.c.request_key.in_(keys))
        connection.execute(erased.values({**_ERASED, "erased_at": now}))
        # `/runs` offers the results no longer. What was posted stays, and Delete finds it.
        connection.execute(update(messages).where(messages.c.request_key.in_(keys)).values(offered=False))
        return len(keys)

    @writes
    def _erase_texts(self, connection: Connection, user_id: int, chunk_size: int) -> int:
        """Remove a chunk of what a user typed from the audit log; return how many entries had such texts."""
        own = select(audit.c.id, audit.c.details).where(audit.c.actor_id == user_id, _has_text)
        found = connection.execute(own.order_by(audit.c.id).limit(chunk_size).with_for_update()).all()
        for row in found:
            details = {name: value for name, value in row.details.items() if name not in _TEXTS}
            connection.execute(update(audit).where(audit.c.id == row.id).values(details=details))
        return len(found)

    @writes
    def _delete_presets(self, connection: Connection, user_id: int) -> int:
        own = (presets.c.holder == Holder.PERSON) & (presets.c.holder_id == user_id)
        ids = lock_rows(connection, presets.c.id, or_(own, presets.c.created_by == user_id))
        deleted = connection.execute(delete(presets).where(presets.c.id.in_(ids), own))
        connection.execute(
            update(presets)
            .where(presets.c.id.in_(ids), presets.c.created_by == user_id)
            .values(created_by=None)
        )
        return deleted.rowcount

    @writes
    def _forget_setter(self, connection: Connection, user_id: int) -> int:
        mine = channel_defaults.c.set_by == user_id
        ids = lock_rows(connection, channel_defaults.c.channel_id, mine)
        here = channel_defaults.c.channel_id.in_(ids)
        forgotten = connection.execute(update(channel_defaults).where(here, mine).values(set_by=None))
        return forgotten.rowcount

    @reads
    def _unsettled(self, connection: Connection, user_id: int) -> Sequence[Run]:
        mine = (requests.c.requester_id == user_id) & (runs.c.index == 0)
        query = select_runs().where(mine, ~nothing_pending())
        found = connection.execute(query.order_by(requests.c.created_at.desc()))
        return [to_run(row) for row in found]

    @reads
    def _entries(
        self, connection: Connection, user_id: int, after: int, chunk_size: int
    ) -> Sequence[RowMapping]:
        mine = or_(audit.c.subject_id == user_id, audit.c.actor_id == user_id)
        found = connection.execute(
            select(audit).where(mine, audit.c.id > after).order_by(audit.c.id).limit(chunk_size)
        )
        return found.mappings().all()
