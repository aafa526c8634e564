"""Hold requests until Discord is known to have their answers, then release, withdraw or refuse them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from bot.database.engine import Database, writes
from bot.database.message_rows import FRESH, read_messages, want
from bot.database.row_locks import lock_batch_if_any
from bot.database.rows import select_runs, to_run
from bot.database.tables import messages, requests, runs
from bot.domain.messages.records import Kind
from bot.domain.requests import Release
from bot.domain.runs import NOT_SUBMITTED, Run, RunState
from bot.domain.transitions import end
from bot.store.ledger import by_day, release
from bot.store.outcomes import apply_change

_MIN_PAUSE = timedelta(seconds=5)
# Discord can be asked only for 15 minutes, so a longer pause would save no calls.
_MAX_PAUSE = timedelta(minutes=5)


_DUE = (
    select(requests.c.key)
    .join(runs, runs.c.key == requests.c.key)
    .where(requests.c.answer_due_at <= bindparam("now"), runs.c.state.in_(NOT_SUBMITTED))
    .order_by(requests.c.answer_due_at)
    .limit(1)
)
_FIRST_RUN = select_runs().where(runs.c.key == bindparam("request"))


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
        # Usually no request is due, and a read takes no locks.
        if await self._database.read(_next_due, now) is None:
            return None
        return await self._database.write(_claim, now)

    @writes
    def release(
        self, connection: Connection, key: str, status_message_id: int | None, now: datetime
    ) -> Release:
        """Let a request be submitted, or its review card be posted, because its interaction was answered.

        `status_message_id` is None if the answer isn't the status message. A request may have ended before,
        because its requester sees the message earlier than the bot knows. If its outcome was posted
        elsewhere, the message is obsolete. Otherwise the outcome edits or removes it, even if it counted as
        undelivered before there was this message.
        """
        batch = lock_batch_if_any(connection, key)
        if not batch:
            return Release.WITHDRAWN
        is_over = all(run.final for run in batch)
        held = update(requests).where(requests.c.key == key, requests.c.answer_due_at.is_not(None))
        outcome = read_messages(connection, [key])[key].get((Kind.OUTCOME, 0)) if is_over else None
        told = [ref.message_id for ref in outcome.refs] if outcome is not None else []
        if told:
            connection.execute(held.values(answer_due_at=None))
            return Release.KEPT if status_message_id in told else Release.OBSOLETE
        released = connection.execute(held.values(status_message_id=status_message_id, answer_due_at=None))
        if outcome is not None and outcome.offered:
            want(connection, key, Kind.OUTCOME, 0, now, FRESH)
        elif not is_over and released.rowcount:
            waiting = (runs.c.request_key == key, runs.c.state == RunState.WAITING)
            connection.execute(update(runs).where(*waiting).values(due_at=now))
            connection.execute(
                update(messages)
                .where(messages.c.request_key == key, messages.c.kind == Kind.REVIEW)
                .values(due_at=now)
            )
        return Release.KEPT

    @writes
    def withdraw(self, connection: Connection, key: str) -> bool:
        """Delete a request whose interaction wasn't answered.

        Returns False if the request no longer exists, has ended, or was released: then its requester has seen
        the answer, even if Discord refused a repetition of it.
        """
        batch = lock_batch_if_any(connection, key)
        if not batch or any(run.state not in NOT_SUBMITTED for run in batch):
            return False
        held = select(requests.c.answer_due_at).where(requests.c.key == key)
        if connection.scalar(held) is None:
            return False
        connection.execute(requests.delete().where(requests.c.key == key))
        release(connection, batch)
        return True

    @writes
    def refuse(self, connection: Connection, key: str, code: str, now: datetime) -> bool:
        """End a batch that may not start; return False if it has been released or withdrawn."""
        batch = lock_batch_if_any(connection, key)
        due_at = connection.scalar(select(requests.c.answer_due_at).where(requests.c.key == key))
        if due_at is None:
            return False
        for run in by_day(batch):
            change = end(run, RunState.REFUSED, now, code, {})
            if change is not None and run.state in NOT_SUBMITTED:
                apply_change(connection, run, change, now)
        return True


def _next_due(connection: Connection, now: datetime, *, lock: bool = False) -> str | None:
    query = _DUE.with_for_update(of=requests, skip_locked=True) if lock else _DUE
    key: str | None = connection.scalar(query, {"now": now})
    return key


def _claim(connection: Connection, now: datetime) -> Run | None:
    key = _next_due(connection, now, lock=True)
    if key is None:
        return None
    run = to_run(connection.execute(_FIRST_RUN, {"request": key}).mappings().one())
    later = now + min(max(_MIN_PAUSE, (now - run.created_at) / 2), _MAX_PAUSE)
    connection.execute(update(requests).where(requests.c.key == key).values(answer_due_at=later))
    return run
