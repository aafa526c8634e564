"""Block users on a server, and end their waiting runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, or_, select, update

from bot.database.engine import Database, reads, writes
from bot.database.message_rows import want
from bot.database.postgres import lock
from bot.database.row_locks import lock_accepting, lock_requests
from bot.database.rows import select_runs, to_run
from bot.database.tables import blocks, requests, runs
from bot.domain.messages.records import Kind
from bot.domain.moderation.audit import AuditAction, AuditEntry
from bot.domain.moderation.blocks import ActiveBlock
from bot.domain.runs import NOT_SUBMITTED, Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED, BlockVerdict, end_for_block
from bot.store.audit import add_entries
from bot.store.ledger import by_day
from bot.store.outcomes import apply_change


class BlockStore:
    """The blocks of servers. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def block(
        self,
        connection: Connection,
        guild_id: int,
        user_id: int,
        *,
        by: int,
        reason: str | None,
        until: datetime | None,
        now: datetime,
    ) -> int:
        """Block a user, replacing any earlier block. End their waiting runs and return how many ended."""
        lock(connection, f"block {guild_id} {user_id}")
        # A request that is accepted at the same time either is ended here or is refused by the block.
        lock_accepting(connection, guild_id)
        connection.execute(delete(blocks).where(_one(guild_id, user_id)))
        connection.execute(
            insert(blocks).values(
                guild_id=guild_id,
                user_id=user_id,
                reason=reason,
                until=until,
                created_at=now,
                created_by=by,
            )
        )
        ended = end_waiting_runs(
            connection, guild_id, user_id, BlockVerdict(by=by, reason=reason, until=until, now=now)
        )
        details: dict[str, object] = {"reason": reason, "until": until.isoformat() if until else None}
        details["ended"] = ended or None
        add_entries(
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

    @writes
    def unblock(
        self,
        connection: Connection,
        guild_id: int,
        user_id: int,
        *,
        by: int,
        now: datetime,
        since: datetime | None = None,
    ) -> bool:
        """Lift a user's block. With `since`, lift it only if it was stored at that time.

        Returns False if there is no such block, or if it has expired.
        """
        which = _one(guild_id, user_id) & is_active(now)
        if since is not None:
            which &= blocks.c.created_at == since
        lock(connection, f"block {guild_id} {user_id}")
        lifted = connection.execute(delete(blocks).where(which).returning(blocks.c.user_id))
        if lifted.first() is None:
            return False
        entry = AuditEntry(
            at=now, guild_id=guild_id, action=AuditAction.UNBLOCK, actor_id=by, subject_id=user_id
        )
        add_entries(connection, entry)
        return True

    @reads
    def ended_requests(self, connection: Connection, run: Run) -> int:
        """Return how many requests were ended by the block that ended `run`, including the run's own."""
        if run.guild_id is None or run.ended_at is None:
            return 0
        query = _ended(run.guild_id, run.requester_id, run.ended_at)
        return connection.scalar(query.with_only_columns(_REQUESTS)) or 0

    @reads
    def list(
        self, connection: Connection, guild_id: int, now: datetime, *, limit: int, offset: int = 0
    ) -> Sequence[ActiveBlock]:
        """Return a server's active blocks, newest first."""
        found = connection.execute(
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


_REQUESTS = func.count(runs.c.request_key.distinct())


def _one(guild_id: int, user_id: int) -> ColumnElement[bool]:
    return (blocks.c.guild_id == guild_id) & (blocks.c.user_id == user_id)


def _ended(guild_id: int, user_id: int, now: datetime) -> Select[Any]:
    """Select the number of runs that were ended by the block stored at the time `now`."""
    return (
        select(func.count())
        .select_from(runs.join(requests, requests.c.key == runs.c.request_key))
        .where(
            requests.c.guild_id == guild_id,
            requests.c.requester_id == user_id,
            runs.c.failure_code == REQUESTER_BLOCKED,
            runs.c.ended_at == now,
        )
    )


# SUBMITTING is included because a worker may be putting such a run back into the queue. That worker holds the
# row's lock, so the query below waits and sees the new state.
_MAY_WAIT = NOT_SUBMITTED | {RunState.SUBMITTING}


def end_waiting_runs(connection: Connection, guild_id: int, user_id: int, verdict: BlockVerdict) -> int:
    """End a blocked user's waiting runs, in the transaction that stores the block; return how many ended.

    This also creates their outcomes, updates their cards, and creates one direct message with the reason. In
    each channel, one outcome is posted as a message that reports all public requests that ended. The outcomes
    of the other public requests are silent edits of their status messages. Each private request has its own
    outcome.
    """
    waiting = (
        select(requests.c.key)
        .join(runs, runs.c.request_key == requests.c.key)
        .where(
            requests.c.guild_id == guild_id,
            requests.c.requester_id == user_id,
            runs.c.state.in_(_MAY_WAIT),
        )
    )
    keys = lock_requests(connection, connection.execute(waiting.distinct()).scalars().all())
    found = connection.execute(select_runs().where(runs.c.request_key.in_(keys)).order_by(runs.c.key))
    members = [to_run(row) for row in found.mappings()]
    ended = [run for run in by_day(members) if end_blocked_run(connection, run, verdict)]
    _announce_once(connection, members, {run.key for run in ended}, verdict)
    if ended:
        newest = max(ended, key=lambda run: (run.created_at, run.key))
        want(connection, newest.request_key, Kind.NOTICE, newest.index, verdict.now)
    return len(ended)


def _announce_once(
    connection: Connection, members: Sequence[Run], ended: Set[str], verdict: BlockVerdict
) -> None:
    """Store, for each channel, which outcome reports all public requests that the block has ended there.

    `members` are all runs of the affected batches. A batch with a run that continues gets its outcome later.
    A private request has its own outcome, because only its requester may learn of it.
    """
    batches: dict[str, list[Run]] = defaultdict(list)
    for run in members:
        batches[run.request_key].append(run)
    channels: dict[int, list[list[Run]]] = defaultdict(list)
    for batch in batches.values():
        if not batch[0].private and all(run.key in ended or run.final for run in batch):
            channels[batch[0].channel_id].append(batch)
    for over in channels.values():
        *quiet, told = sorted(over, key=lambda batch: (batch[0].created_at, batch[0].request_key))
        for batch in over if quiet else ():
            more = {"others": len(quiet)} if batch is told else {"quiet": True}
            keys = [run.key for run in batch if run.key in ended]
            connection.execute(
                update(runs).where(runs.c.key.in_(keys)).values(failure_params={**verdict.params, **more})
            )


def end_blocked_run(connection: Connection, run: Run, verdict: BlockVerdict) -> bool:
    """End a locked run, unless ComfyDeploy may have it; return whether it ended."""
    change = end_for_block(run, verdict)
    if change is None:
        return False
    apply_change(connection, run, change, verdict.now)
    return True


def block_of(connection: Connection, run: Run, now: datetime) -> BlockVerdict | None:
    """Return the active block of a run's requester on the run's server, or None."""
    query = select(blocks.c.created_by, blocks.c.reason, blocks.c.until).where(
        blocks.c.guild_id == run.guild_id, blocks.c.user_id == run.requester_id, is_active(now)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return BlockVerdict(by=row.created_by, reason=row.reason, until=row.until, now=now)


def is_active(now: datetime) -> ColumnElement[bool]:
    """Match blocks that have not expired."""
    return or_(blocks.c.until.is_(None), blocks.c.until > now)
