"""What a block does to the requests that its person has not got out yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.runs import Purpose, Run, RunState
from bot.domain.transitions import barred
from bot.store.changing import apply_change
from bot.store.rows import owe, run_columns, to_run
from bot.store.tables import blocks, runs

_member = runs.alias("member")
# SUBMITTING too: whoever is putting such a run back into the queue has its row locked, so it is seen here
# afterwards, as one that waits.
_NOT_OUT = (RunState.AWAITING_APPROVAL, RunState.WAITING, RunState.SUBMITTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Barring:
    """Who ends somebody's requests, and what the person is told."""

    by: int
    reason: str | None
    now: datetime


async def end_waiting(connection: AsyncConnection, guild_id: int, user_id: int, barring: Barring) -> int:
    """Ends what waits or awaits approval, in the transaction that blocks its person; returns how many.

    Each owes its outcome, and its card where it had one. One of them owes the reason, as a direct message.
    """
    theirs = (runs.c.guild_id == guild_id, runs.c.requester_id == user_id, runs.c.state.in_(_NOT_OUT))
    # The first of several is locked with any of them, also where it has gone out (see bot.store.changing).
    leads = select(_member.c.batch_key).where(
        _member.c.guild_id == guild_id, _member.c.requester_id == user_id, _member.c.state.in_(_NOT_OUT)
    )
    found = await connection.execute(
        select(*run_columns())
        .where(or_(and_(*theirs), runs.c.key.in_(leads)))
        .order_by(runs.c.key)
        .with_for_update()
    )
    ended = [run for row in found.mappings() if await end_barred(connection, run := to_run(row), barring)]
    if ended:
        newest = max(ended, key=lambda run: (run.created_at, run.key))
        await owe(connection, newest.key, Purpose.NOTICE, barring.now, barring.now)
    return len(ended)


async def end_barred(connection: AsyncConnection, run: Run, barring: Barring) -> bool:
    """Ends a locked run, unless its queue call may have gone out."""
    change = barred(run, barring.by, barring.reason, barring.now)
    if change is None:
        return False
    await apply_change(connection, run, change, dict(change.values), barring.now)
    if change.state is RunState.REJECTED and run.leads:
        await owe(connection, run.key, Purpose.CARD, barring.now, barring.now)
    return True


async def block_of(connection: AsyncConnection, run: Run, now: datetime) -> Barring | None:
    """The block that stands against a run's requester on its server."""
    query = select(blocks.c.created_by, blocks.c.reason).where(
        blocks.c.guild_id == run.guild_id, blocks.c.user_id == run.requester_id, stands(now)
    )
    row = (await connection.execute(query)).first()
    return Barring(by=row.created_by, reason=row.reason, now=now) if row is not None else None


def stands(now: datetime) -> ColumnElement[bool]:
    """A block that has not run out."""
    return or_(blocks.c.until.is_(None), blocks.c.until > now)
