"""A run's change: the lock before it, its conditional UPDATE, and the message it owes.

Several runs of one request owe one outcome, when the last of them ends. Whoever changes one of them holds the
lead's lock, so of two that end at once one is the last. Rows are locked in the order of their keys, and the
lead's is the lowest.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BindParameter, RowMapping, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.tables import create_delivery, deliveries, nothing_posted, run_columns, runs, to_run
from bot.domain.records import AuditAction, AuditEntry
from bot.domain.runs import FINAL, REVIVABLE, DeliveryState, Purpose, Run, RunState
from bot.domain.transitions import REASON_GRACE, Change
from bot.store.audit import note

_WANTED: BindParameter[str] = bindparam("wanted")

_self = runs.alias("self")
_LEAD = select(_self.c.batch_key).where(_self.c.key == _WANTED).scalar_subquery()
# Built once: putting forty columns together takes longer than the query.
_ONE = (
    select(*run_columns())
    .where(or_(runs.c.key == _WANTED, runs.c.key == _LEAD))
    .order_by(runs.c.key)
    .with_for_update()
)
_TOGETHER = (
    select(*run_columns())
    .where(or_(runs.c.key == _WANTED, runs.c.batch_key == _LEAD))
    .order_by(runs.c.key)
    .with_for_update()
)


async def locked_row(connection: AsyncConnection, key: str) -> RowMapping:
    """The run's row, locked until the transaction ends; of several, the lead's with it. Raises KeyError."""
    found = (await connection.execute(_ONE, {"wanted": key})).mappings()
    row = next((row for row in found if row["key"] == key), None)
    if row is None:
        raise KeyError(key)
    return row


async def lock_batch(connection: AsyncConnection, key: str) -> list[Run]:
    """All runs of the request that `key` belongs to, locked, in their order. Raises KeyError."""
    found = [to_run(row) for row in (await connection.execute(_TOGETHER, {"wanted": key})).mappings()]
    if not found:
        raise KeyError(key)
    return found


async def apply_change(
    connection: AsyncConnection, run: Run, change: Change, values: dict[str, object], now: datetime
) -> None:
    """The conditional UPDATE, and the message it owes. Its row is locked by one of the above."""
    values["state"] = change.state
    if change.visible:
        values["rev"] = runs.c.rev + 1
    result = await connection.execute(
        update(runs).where(runs.c.key == run.key, runs.c.state == run.state).values(values)
    )
    if result.rowcount != 1 or not change.owed:
        return
    await _record_outcome(connection, run, change, now)
    if run.leads and run.state is RunState.AWAITING_APPROVAL and change.state is not RunState.REJECTED:
        # Nobody pressed a button on the card, so nobody's press changes it.
        await create_delivery(connection, run.key, Purpose.CARD, now, now)
    due_at = change.owed_at or now
    if run.state in REVIVABLE:
        await _owe_late(connection, run, due_at, now)
    elif run.batch_key is None:
        await create_delivery(connection, run.key, Purpose.OUTCOME, due_at, now)
    elif await _all_ended(connection, run.batch_key):
        due_at = max(due_at, await _reasons_known_at(connection, run.batch_key) or due_at)
        await create_delivery(connection, run.batch_key, Purpose.OUTCOME, due_at, now)


async def _owe_late(connection: AsyncConnection, run: Run, due_at: datetime, now: datetime) -> None:
    """A success after our verdict."""
    outcome = (deliveries.c.run_key == run.lead_key) & (deliveries.c.purpose == Purpose.OUTCOME)
    # The verdict that nobody has seen yet is simply replaced: the courier shows the run as it is then.
    if await connection.scalar(select(deliveries.c.id).where(outcome, nothing_posted())) is not None:
        return
    if run.batch_key is None:
        await _close_verdict(connection, run.key, now)
    elif await connection.scalar(select(deliveries.c.id).where(outcome)) is None:
        return  # the others are still on their way, and it will be shown among them
    await create_delivery(connection, run.key, Purpose.LATE, due_at, now)


async def _all_ended(connection: AsyncConnection, batch_key: str) -> bool:
    left = select(func.count()).where(runs.c.batch_key == batch_key, runs.c.state.not_in(FINAL))
    return await connection.scalar(left) == 0


async def _reasons_known_at(connection: AsyncConnection, batch_key: str) -> datetime | None:
    """When the answers to queue calls will have explained the failures that came before them."""
    early: datetime | None = await connection.scalar(
        select(func.max(runs.c.ended_at)).where(
            runs.c.batch_key == batch_key, runs.c.state == RunState.FAILED, runs.c.started_at.is_(None)
        )
    )
    return early + REASON_GRACE if early is not None else None


async def _close_verdict(connection: AsyncConnection, key: str, now: datetime) -> None:
    """A verdict seen in part or under way is done with: its next try would show the success a second time."""
    await connection.execute(
        update(deliveries)
        .where(
            deliveries.c.run_key == key,
            deliveries.c.purpose == Purpose.OUTCOME,
            deliveries.c.state == DeliveryState.PENDING,
        )
        .values(state=DeliveryState.SENT, done_at=now, lease_owner=None, lease_until=None)
    )


async def _record_outcome(connection: AsyncConnection, run: Run, change: Change, now: datetime) -> None:
    expired = change.state is RunState.EXPIRED
    await note(
        connection,
        AuditEntry(
            at=now,
            guild_id=run.guild_id,
            subject_id=run.requester_id,
            action=AuditAction.EXPIRE if expired else AuditAction.OUTCOME,
            run_key=run.key,
            deployment=run.deployment,
            outcome=change.state,
        ),
    )
