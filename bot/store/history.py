"""Looking back: a person's own runs, newest first, and what became of their messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from bot.request import Origin
from bot.runs import Run
from bot.store.database import Database
from bot.store.rows import OUTCOMES, DeliveryState, run_columns, to_run
from bot.store.tables import deliveries, runs


@dataclass(frozen=True, slots=True)
class Entry:
    """A run and its newest message: `kept` when no way was open, `place` (channel, message) when it was."""

    run: Run
    kept: bool
    place: tuple[int, int] | None


class HistoryStore:
    """Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_person(self, requester_id: int, *, limit: int, offset: int = 0) -> Sequence[Entry]:
        async with self._database.read() as connection:
            found = await connection.execute(
                select(*run_columns())
                .where(runs.c.requester_id == requester_id)
                .order_by(runs.c.created_at.desc(), runs.c.key)
                .limit(limit)
                .offset(offset)
            )
            listed = [to_run(row) for row in found.mappings()]
            messages = await connection.execute(
                select(deliveries.c.run_key, deliveries.c.state, deliveries.c.messages)
                .where(
                    deliveries.c.run_key.in_([run.key for run in listed]),
                    deliveries.c.purpose.in_(OUTCOMES),
                )
                .order_by(deliveries.c.id)
            )
            last = {row.run_key: row for row in messages}
        return [_entry(run, last.get(run.key)) for run in listed]

    async def reopen(self, key: str, origin: Origin, now: datetime) -> bool:
        """A kept message is owed again, in the place it is now asked for; False when it is not kept."""
        async with self._database.write() as connection:
            reopened = await connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.run_key == key,
                    deliveries.c.purpose.in_(OUTCOMES),
                    deliveries.c.state == DeliveryState.KEPT,
                )
                .values(
                    state=DeliveryState.PENDING,
                    due_at=now,
                    tries=0,
                    rung=0,
                    attempted=False,
                    attempted_at=None,
                    done_at=None,
                )
            )
            if reopened.rowcount == 0:
                return False
            await connection.execute(update(runs).where(runs.c.key == key).values(**_place(origin)))
            return True


def _place(origin: Origin) -> dict[str, object]:
    """Where to post. The answer to the command that asks is its own, so it is not there to be edited."""
    return {
        "guild_id": origin.guild_id,
        "channel_id": origin.channel_id,
        "upload_limit": origin.upload_limit,
        "interaction_token": None,
        "interaction_expires_at": None,
        "status_message_id": None,
    }


def _entry(run: Run, row: Any) -> Entry:
    if row is None:
        return Entry(run, kept=False, place=None)
    place = tuple(row.messages[0]) if row.messages else None
    return Entry(run, kept=row.state == DeliveryState.KEPT, place=place)
