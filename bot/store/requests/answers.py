"""Find requests whose interaction may not have been answered. They wait until Discord has been asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from bot.database.commits import repeat_if_unknown
from bot.database.engine import Database
from bot.database.row_locks import lock_batch_if_any
from bot.database.tables import run_columns, runs, to_run
from bot.domain.runs import NOT_SUBMITTED, Run, RunState
from bot.domain.transitions import end
from bot.store.outcomes import apply_change

_MIN_PAUSE = timedelta(seconds=5)
# Discord can be asked only for 15 minutes, so a longer pause would save no calls.
_MAX_PAUSE = timedelta(minutes=5)


class AnswerStore:
    """The requests that are not released yet. Every method raises StoreUnavailable if the database doesn't
    answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, now: datetime) -> Run | None:
        """Claim the first run of a batch whose answer has to be looked up; it is due again after a pause.

        The pause grows with the age of the request, so that a Discord outage doesn't end in a burst of calls.
        """
        due = (
            select(*run_columns())
            .where(runs.c.answer_due_at <= now, runs.c.batch_index == 0, runs.c.state.in_(NOT_SUBMITTED))
            .order_by(runs.c.answer_due_at)
            .limit(1)
        )
        async with self._database.read() as connection:
            # Usually no request is due, and a read takes no locks.
            if (await connection.execute(due)).first() is None:
                return None
        async with self._database.write() as connection:
            row = (await connection.execute(due.with_for_update(skip_locked=True))).mappings().first()
            if row is None:
                return None
            run = to_run(row)
            later = now + min(max(_MIN_PAUSE, (now - run.created_at) / 2), _MAX_PAUSE)
            await connection.execute(update(runs).where(runs.c.key == run.key).values(answer_due_at=later))
            return run

    @repeat_if_unknown
    async def refuse(self, key: str, code: str, now: datetime) -> bool:
        """End a batch that may not start; return False if it has been released or withdrawn."""
        async with self._database.write() as connection:
            batch = await lock_batch_if_any(connection, key)
            due_at = await connection.scalar(select(runs.c.answer_due_at).where(runs.c.key == key))
            if due_at is None:
                return False
            for run in batch:
                change = end(run, RunState.REFUSED, now, code, {})
                if change is not None and run.state in NOT_SUBMITTED:
                    await apply_change(connection, run, change, now)
            return True
