"""Export and erase personal data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, case, delete, exists, or_, select, update

from bot.database.engine import Database, reads, writes
from bot.database.keyset import earlier
from bot.database.message_rows import nothing_pending
from bot.database.row_locks import lock_rows
from bot.database.rows import select_runs, to_run
from bot.database.tables import audit, blocks, channel_defaults, messages, presets, requests, runs
from bot.domain.budgets import budget_day
from bot.domain.moderation.audit import AuditAction, AuditEntry, StoredEntry
from bot.domain.presets import Holder
from bot.domain.privacy import Erased, OwnBlock, OwnDefault, OwnPreset, OwnUsage
from bot.domain.runs import Run
from bot.store import ledger
from bot.store.audit import add_entries, to_entry
from bot.store.presets import made_by

_CHUNK_SIZE = 200
_EXPORT_CHUNK_SIZE = 10  # small, because each run comes with its inputs and outputs
# Details of audit entries that hold a user's own text.
_PRIVATE_DETAILS = frozenset({"prompt", "inputs", "text"})

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


class PrivacyStore:
    """Exports and erases personal data, in chunks, so that no other process waits for long.

    Every method raises StoreUnavailable if the database doesn't answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs_of(
        self, user_id: int, chunk_size: int = _EXPORT_CHUNK_SIZE
    ) -> AsyncIterator[Sequence[Run]]:
        """Yield all runs of a person, newest first."""
        last: Run | None = None
        while found := await self._runs(user_id, last, chunk_size):
            yield found
            last = found[-1]

    @reads
    def _runs(self, connection: Connection, user_id: int, last: Run | None, limit: int) -> Sequence[Run]:
        query = select_runs().where(requests.c.requester_id == user_id)
        if last is not None:
            query = query.where(earlier(requests.c.created_at, last.created_at, runs.c.key > last.key))
        query = query.order_by(requests.c.created_at.desc(), runs.c.key).limit(limit)
        return [to_run(row) for row in connection.execute(query).mappings()]

    async def audit_of(
        self, user_id: int, chunk_size: int = _CHUNK_SIZE
    ) -> AsyncIterator[Sequence[StoredEntry]]:
        """Yield every audit entry about a person or by them, oldest first."""
        last = 0
        while found := await self._entries(user_id, last, chunk_size):
            yield [to_entry(row) for row in found]
            last = found[-1]["id"]

    @reads
    def blocks_of(self, connection: Connection, user_id: int) -> Sequence[OwnBlock]:
        found = connection.execute(
            select(blocks.c.guild_id, blocks.c.reason, blocks.c.until, blocks.c.created_at)
            .where(blocks.c.user_id == user_id)
            .order_by(blocks.c.guild_id)
        )
        return [OwnBlock(*row) for row in found]

    @reads
    def presets_of(self, connection: Connection, user_id: int) -> Sequence[OwnPreset]:
        table = presets.c
        guild_id = case((table.holder == Holder.SERVER, table.holder_id))
        columns = (guild_id, table.name, table.deployment, table.inputs, table.gpu, table.created_at)
        found = connection.execute(select(*columns).where(made_by(user_id)).order_by(table.id))
        return [OwnPreset(*row) for row in found]

    @reads
    def defaults_of(self, connection: Connection, user_id: int) -> Sequence[OwnDefault]:
        """Return the default presets of channels that a person set."""
        table = channel_defaults.c
        of_server = and_(presets.c.holder == Holder.SERVER, presets.c.holder_id == table.guild_id)
        joined = channel_defaults.join(presets, and_(of_server, presets.c.folded == table.folded))
        columns = (table.guild_id, table.channel_id, presets.c.name, table.set_at)
        query = select(*columns).select_from(joined).where(table.set_by == user_id)
        found = connection.execute(query.order_by(table.channel_id))
        return [OwnDefault(*row) for row in found]

    @reads
    def usage_of(self, connection: Connection, user_id: int) -> Sequence[OwnUsage]:
        return ledger.usage_of(connection, user_id)

    async def erase(self, user_id: int, now: datetime, chunk_size: int = _CHUNK_SIZE) -> Erased:
        """Erase the inputs and outputs of a user's runs, and the user's texts in audit entries.

        Runs of a batch that is active or has a pending message stay as they are, and the first of each such
        batch is returned. The other runs still show when and where they were requested, and how they ended.
        The user's own presets are deleted. Presets made for a server and defaults set for a channel stay,
        without the user's id. What the user used today stays, too, because it counts until midnight. The
        audit log gets an entry, unless there was nothing to erase.
        """
        presets_deleted = await self._delete_presets(user_id)
        changed = presets_deleted + await self._forget_setter(user_id)
        await self._database.write(ledger.erase, user_id, budget_day(now))
        erased = 0
        while (count := await self._erase_chunk(user_id, now, chunk_size)) is not None:
            erased += count
            changed += 1
        changed += await self._strip_entries(user_id, chunk_size)
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

    async def _strip_entries(self, user_id: int, chunk_size: int) -> int:
        """Erase the user's texts in all audit entries, and return how many entries had some."""
        last, stripped = 0, 0
        while found := await self._entries(user_id, last, chunk_size):
            private = [row for row in found if _PRIVATE_DETAILS & set(row["details"])]
            await self._strip_private_details(private)
            stripped += len(private)
            last = found[-1]["id"]
        return stripped

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
        return [to_run(row) for row in found.mappings()]

    @reads
    def _entries(
        self, connection: Connection, user_id: int, after: int, chunk_size: int
    ) -> Sequence[RowMapping]:
        mine = or_(audit.c.subject_id == user_id, audit.c.actor_id == user_id)
        found = connection.execute(
            select(audit).where(mine, audit.c.id > after).order_by(audit.c.id).limit(chunk_size)
        )
        return found.mappings().all()

    @writes
    def _strip_private_details(self, connection: Connection, entries: Sequence[RowMapping]) -> None:
        if not entries:
            return
        for entry in entries:
            public = {name: value for name, value in entry["details"].items() if name not in _PRIVATE_DETAILS}
            connection.execute(update(audit).where(audit.c.id == entry["id"]).values(details=public))
