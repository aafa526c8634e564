"""Apply a change to a run, and create the outcome's delivery when the batch's last run ends."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.tables import create_delivery, deliveries, nothing_posted, runs
from bot.domain.records import AuditAction, AuditEntry
from bot.domain.runs import FINAL, DeliveryState, Purpose, Run, RunState
from bot.domain.transitions import REASON_GRACE, REVIVABLE, Change
from bot.store.audit import add_entries

# The batch's other runs: how many are active, and when the last one failed without a reason. The answer to
# its queue call may still give one.
_unexplained = (runs.c.state == RunState.FAILED) & runs.c.started_at.is_(None)
_OTHERS = select(
    func.count(case((runs.c.state.not_in(FINAL), 1))),
    func.max(case((_unexplained, runs.c.ended_at))),
).where(runs.c.batch_key == bindparam("batch"), runs.c.key != bindparam("one"))


async def apply_change(
    connection: AsyncConnection, run: Run, change: Change, values: dict[str, object], now: datetime
) -> None:
    """Update a run that `bot.store.locks` has locked, and create the delivery that follows."""
    values["state"] = change.state
    if change.visible:
        values["rev"] = runs.c.rev + 1
    result = await connection.execute(
        update(runs).where(runs.c.key == run.key, runs.c.state == run.state).values(values)
    )
    if result.rowcount != 1 or change.outcome_due_at is None:
        return
    await _record_outcome(connection, run, change, now)
    in_review = run.state is RunState.AWAITING_APPROVAL
    if run.is_first_in_batch and in_review and change.state is not RunState.REJECTED:
        # No moderator pressed a button on the card, so the bot has to change it.
        await create_delivery(connection, run.key, Purpose.CARD, now, now)
    due_at = change.outcome_due_at
    if run.state in REVIVABLE:
        await _deliver_late(connection, run, due_at, now)
        return
    others = await connection.execute(_OTHERS, {"batch": run.batch_key, "one": run.key})
    active, unexplained_at = others.one()
    if not active:
        due_at = max(due_at, unexplained_at + REASON_GRACE) if unexplained_at is not None else due_at
        await create_delivery(connection, run.batch_key, Purpose.OUTCOME, due_at, now)


async def _deliver_late(connection: AsyncConnection, run: Run, due_at: datetime, now: datetime) -> None:
    """Create the delivery of a success that came after our verdict, unless the verdict's will show it."""
    outcome = (deliveries.c.run_key == run.batch_key) & (deliveries.c.purpose == Purpose.OUTCOME)
    # The courier renders the run as it is when it posts, so a verdict not yet posted becomes the result.
    if await connection.scalar(select(deliveries.c.id).where(outcome, nothing_posted())) is not None:
        return
    if run.batch_size == 1:
        await _close_verdict(connection, run.key, now)
    elif await connection.scalar(select(deliveries.c.id).where(outcome)) is None:
        return  # other runs of the batch go on: the outcome to come will show this one too
    await create_delivery(connection, run.key, Purpose.LATE, due_at, now)


async def _close_verdict(connection: AsyncConnection, key: str, now: datetime) -> None:
    """Mark the verdict as sent: if it were still posted, it would show the success a second time."""
    await connection.execute(
        update(deliveries)
        .where(
            deliveries.c.run_key == key,
            deliveries.c.purpose == Purpose.OUTCOME,
            deliveries.c.state != DeliveryState.SENT,
        )
        .values(state=DeliveryState.SENT, done_at=now, lease_owner=None, lease_until=None)
    )


async def _record_outcome(connection: AsyncConnection, run: Run, change: Change, now: datetime) -> None:
    expired = change.state is RunState.EXPIRED
    await add_entries(
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
