"""Whether the whole bot is paused, and why: one note, which the intake reads with every request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert

from bot.domain.records import AuditAction, AuditEntry
from bot.store.audit import note
from bot.store.database import Database
from bot.store.tables import notes

PAUSE_NOTE = "pause"


class PauseStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(self, reason: str, *, by: int, now: datetime) -> None:
        """Nothing is accepted from here on; a second pause changes the reason."""
        async with self._database.exclusive(f"note {PAUSE_NOTE}") as connection:
            await connection.execute(delete(notes).where(notes.c.name == PAUSE_NOTE))
            await connection.execute(insert(notes).values(name=PAUSE_NOTE, value=reason, updated_at=now))
            await note(connection, _entry(AuditAction.PAUSE, by, now, reason))

    async def resume(self, *, by: int, now: datetime) -> bool:
        """False when the bot is not paused."""
        async with self._database.exclusive(f"note {PAUSE_NOTE}") as connection:
            lifted = await connection.execute(
                delete(notes).where(notes.c.name == PAUSE_NOTE).returning(notes.c.value)
            )
            reason = lifted.scalar()
            if reason is None:
                return False
            await note(connection, _entry(AuditAction.RESUME, by, now, reason))
            return True


def _entry(action: AuditAction, by: int, now: datetime, reason: str) -> AuditEntry:
    return AuditEntry(at=now, guild_id=None, action=action, actor_id=by, details={"reason": reason})
