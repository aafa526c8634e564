"""Who may not generate on a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.engine import Database
from bot.database.tables import blocks, create_delivery, run_columns, runs, to_run
from bot.domain.records import ActiveBlock, AuditAction, AuditEntry
from bot.domain.runs import Purpose, Run, RunState
from bot.domain.transitions import end_for_block
from bot.store.audit import add_entries
from bot.store.run_changes import apply_change


class BlockStore:
    """Each change stands in the record too. Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def block(
        self,
        guild_id: int,
        user_id: int,
        *,
        by: int,
        reason: str | None,
        until: datetime | None,
        now: datetime,
    ) -> int:
        """Ends what the person has waiting here, and returns how many requests that were.

        Replaces an earlier block of the same person.
        """
        async with self._database.exclusive(f"block {guild_id} {user_id}") as connection:
            # A request that is being accepted is either seen here or sees the block.
            await self._database.lock(connection, "accept")
            await connection.execute(delete(blocks).where(_one(guild_id, user_id)))
            await connection.execute(
                insert(blocks).values(
                    guild_id=guild_id,
                    user_id=user_id,
                    reason=reason,
                    until=until,
                    created_at=now,
                    created_by=by,
                )
            )
            ended = await end_waiting_runs(
                connection, guild_id, user_id, BlockVerdict(by=by, reason=reason, now=now)
            )
            details: dict[str, object] = {"reason": reason, "until": until.isoformat() if until else None}
            details["ended"] = ended or None
            await add_entries(
                connection,
                AuditEntry(
                    at=now,
                    guild_id=guild_id,
                    action=AuditAction.BLOCK,
                    actor_id=by,
                    subject_id=user_id,
                    details={name: value for name, value in details.items() if value is not None},
                ),
            )
            return ended

    async def unblock(self, guild_id: int, user_id: int, *, by: int, now: datetime) -> bool:
        """False when the person is not blocked; a block that has run out by itself does not count."""
        async with self._database.exclusive(f"block {guild_id} {user_id}") as connection:
            lifted = await connection.execute(
                delete(blocks).where(_one(guild_id, user_id), is_active(now)).returning(blocks.c.user_id)
            )
            if lifted.first() is None:
                return False
            entry = AuditEntry(
                at=now, guild_id=guild_id, action=AuditAction.UNBLOCK, actor_id=by, subject_id=user_id
            )
            await add_entries(connection, entry)
            return True

    async def list(
        self, guild_id: int, now: datetime, *, limit: int, offset: int = 0
    ) -> Sequence[ActiveBlock]:
        """The newest first, without those that have run out."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(blocks)
                .where(blocks.c.guild_id == guild_id, is_active(now))
                .order_by(blocks.c.created_at.desc(), blocks.c.user_id)
                .limit(limit)
                .offset(offset)
            )
            return [
                ActiveBlock(
                    user_id=row.user_id,
                    reason=row.reason,
                    until=row.until,
                    created_at=row.created_at,
                    created_by=row.created_by,
                )
                for row in found
            ]


def _one(guild_id: int, user_id: int) -> ColumnElement[bool]:
    return (blocks.c.guild_id == guild_id) & (blocks.c.user_id == user_id)


_member = runs.alias("member")
# SUBMITTING too: whoever is putting such a run back into the queue has its row locked, so it is seen here
# afterwards, as one that waits.
_NOT_OUT = (RunState.AWAITING_APPROVAL, RunState.WAITING, RunState.SUBMITTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVerdict:
    """Who ends somebody's requests, and what the person is told."""

    by: int
    reason: str | None
    now: datetime


async def end_waiting_runs(
    connection: AsyncConnection, guild_id: int, user_id: int, barring: BlockVerdict
) -> int:
    """Ends what waits or awaits approval, in the transaction that blocks its person; returns how many.

    Each owes its outcome, and its card where it had one. One of them owes the reason, as a direct message.
    """
    batches = select(_member.c.batch_key).where(
        _member.c.guild_id == guild_id, _member.c.requester_id == user_id, _member.c.state.in_(_NOT_OUT)
    )
    found = await connection.execute(
        select(*run_columns()).where(runs.c.batch_key.in_(batches)).order_by(runs.c.key).with_for_update()
    )
    ended = [
        run for row in found.mappings() if await end_blocked_run(connection, run := to_run(row), barring)
    ]
    if ended:
        newest = max(ended, key=lambda run: (run.created_at, run.key))
        await create_delivery(connection, newest.key, Purpose.NOTICE, barring.now, barring.now)
    return len(ended)


async def end_blocked_run(connection: AsyncConnection, run: Run, barring: BlockVerdict) -> bool:
    """Ends a locked run, unless its queue call may have gone out."""
    change = end_for_block(run, barring.by, barring.reason, barring.now)
    if change is None:
        return False
    await apply_change(connection, run, change, dict(change.values), barring.now)
    if change.state is RunState.REJECTED and run.is_first_in_batch:
        await create_delivery(connection, run.key, Purpose.CARD, barring.now, barring.now)
    return True


async def block_of(connection: AsyncConnection, run: Run, now: datetime) -> BlockVerdict | None:
    """The block that stands against a run's requester on its server."""
    query = select(blocks.c.created_by, blocks.c.reason).where(
        blocks.c.guild_id == run.guild_id, blocks.c.user_id == run.requester_id, is_active(now)
    )
    row = (await connection.execute(query)).first()
    return BlockVerdict(by=row.created_by, reason=row.reason, now=now) if row is not None else None


def is_active(now: datetime) -> ColumnElement[bool]:
    """A block that has not run out."""
    return or_(blocks.c.until.is_(None), blocks.c.until > now)
