"""Block users on a server, and end their waiting runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from bot.database.row_locks import lock, lock_accepting, lock_requests
from bot.database.rows import runs_of
from bot.database.tables import UtcDateTime, blocks, is_any, requests, runs
from bot.domain.moderation import AuditAction, AuditEntry, Block
from bot.domain.runs import NOT_SUBMITTED, Run, RunState
from bot.domain.transitions import end_for_block
from bot.store.audit import add_entries
from bot.store.ledger import by_day
from bot.store.runs import apply_change

_IS_ACTIVE = or_(blocks.c.until.is_(None), blocks.c.until > bindparam("now", type_=UtcDateTime()))
_ACTIVE = select(blocks).where(blocks.c.guild_id == bindparam("guild"), _IS_ACTIVE)
_OWN = _ACTIVE.where(blocks.c.user_id == bindparam("person"))
# For a statement that reads something else about a person, too.
IS_BLOCKED = _OWN.exists()


def add(connection: Connection, block: Block) -> int:
    """Block a user, replacing any earlier block. End what waits and return how many requests that were."""
    lock(connection, f"block {block.guild_id} {block.user_id}")
    # A request that is accepted at the same time either is ended here or is refused by the block.
    lock_accepting(connection, block.guild_id)
    connection.execute(
        delete(blocks).where(blocks.c.guild_id == block.guild_id, blocks.c.user_id == block.user_id)
    )
    connection.execute(insert(blocks).values({name: getattr(block, name) for name in Block.__slots__}))
    ended = _end_waiting_runs(connection, block)
    # An export of the audit log can't show it in the reader's time zone.
    until = f"{block.until.day} {block.until:%B %Y, %H:%M} UTC" if block.until else "somebody unblocks them"
    details = {"reason": block.reason, "until": until, "ended requests": ended or None}
    entry = AuditEntry(
        at=block.created_at,
        guild_id=block.guild_id,
        action=AuditAction.BLOCK,
        actor_id=block.created_by,
        subject_id=block.user_id,
        details={name: value for name, value in details.items() if value is not None},
    )
    add_entries(connection, entry)
    return ended


def lift(connection: Connection, guild_id: int, user_id: int, *, by: int, now: datetime) -> bool:
    """Lift a user's block. Returns False if there is none, or if it has expired."""
    lock(connection, f"block {guild_id} {user_id}")
    one = delete(blocks).where(blocks.c.guild_id == guild_id, blocks.c.user_id == user_id, _IS_ACTIVE)
    if not connection.execute(one, {"now": now}).rowcount:
        return False
    entry = AuditEntry(at=now, guild_id=guild_id, action=AuditAction.UNBLOCK, actor_id=by, subject_id=user_id)
    add_entries(connection, entry)
    return True


def active(
    connection: Connection, guild_id: int, now: datetime, *, limit: int, offset: int = 0
) -> Sequence[Block]:
    """Return a server's active blocks, newest first."""
    query = _ACTIVE.order_by(blocks.c.created_at.desc(), blocks.c.user_id).limit(limit).offset(offset)
    return [Block(**row) for row in connection.execute(query, {"guild": guild_id, "now": now}).mappings()]


def active_block(connection: Connection, guild_id: int | None, user_id: int, now: datetime) -> Block | None:
    """Return the block that keeps a user from generating on a server, if there is one."""
    if guild_id is None:
        return None
    row = connection.execute(_OWN, {"guild": guild_id, "person": user_id, "now": now}).mappings().first()
    return Block(**row) if row is not None else None


# SUBMITTING is included because a worker may be putting such a run back into the queue. That worker holds the
# row's lock, so the query below waits and sees the new state.
_MAY_WAIT = NOT_SUBMITTED | {RunState.SUBMITTING}


def _end_waiting_runs(connection: Connection, block: Block) -> int:
    """End a blocked user's waiting runs, and return of how many requests they were.

    One message tells of all public requests that ended as a whole. Each private one has its own, because the
    others are reported in public if its direct message fails. A batch with a run that was started has its own
    outcome.
    """
    waiting = (
        select(requests.c.key)
        .join(runs, runs.c.request_key == requests.c.key)
        .where(
            requests.c.guild_id == block.guild_id,
            requests.c.requester_id == block.user_id,
            is_any(runs.c.state, _MAY_WAIT),
        )
    )
    keys = lock_requests(connection, connection.execute(waiting.distinct()).scalars().all())
    batches = [runs_of(connection, key) for key in keys]
    members = [run for batch in batches for run in batch]
    ended = [run for run in by_day(members) if end_blocked_run(connection, run, block, block.created_at)]
    over = [batch for batch in batches if not batch[0].private and all(run in ended for run in batch)]
    over.sort(key=lambda batch: (batch[0].created_at, batch[0].request_key))
    for batch in over if len(over) > 1 else ():
        # The newest outcome reports all of them.
        more = {"others": len(over) - 1} if batch is over[-1] else {"quiet": True}
        own = update(runs).where(runs.c.key.in_([run.key for run in batch]))
        connection.execute(own.values(failure_params={**block.params, **more}))
    return len({run.request_key for run in ended})


def end_blocked_run(connection: Connection, run: Run, block: Block, now: datetime) -> bool:
    """End a locked run, unless ComfyDeploy may have it; return whether it ended."""
    change = end_for_block(run, block, now)
    if change is None:
        return False
    apply_change(connection, run, change, now)
    return True
