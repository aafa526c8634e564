"""Who may not generate on a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, select

from bot.domain.records import AuditAction, AuditEntry, BlockedPerson
from bot.store.audit import note
from bot.store.blocked_runs import Barring, end_waiting, stands
from bot.store.database import Database
from bot.store.tables import blocks


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
            ended = await end_waiting(connection, guild_id, user_id, Barring(by=by, reason=reason, now=now))
            details: dict[str, object] = {"reason": reason, "until": until.isoformat() if until else None}
            details["ended"] = ended or None
            await note(
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
                delete(blocks).where(_one(guild_id, user_id), stands(now)).returning(blocks.c.user_id)
            )
            if lifted.first() is None:
                return False
            entry = AuditEntry(
                at=now, guild_id=guild_id, action=AuditAction.UNBLOCK, actor_id=by, subject_id=user_id
            )
            await note(connection, entry)
            return True

    async def list(
        self, guild_id: int, now: datetime, *, limit: int, offset: int = 0
    ) -> Sequence[BlockedPerson]:
        """The newest first, without those that have run out."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(blocks)
                .where(blocks.c.guild_id == guild_id, stands(now))
                .order_by(blocks.c.created_at.desc(), blocks.c.user_id)
                .limit(limit)
                .offset(offset)
            )
            return [
                BlockedPerson(
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
