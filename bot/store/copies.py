"""Create copies of results for their requesters: a single result of a batch, or a share in the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, or_, select, update

from bot.database.engine import Database, reads, writes
from bot.database.row_locks import lock_run
from bot.database.rows import RESET, create_delivery, create_or_reopen_delivery
from bot.database.tables import deliveries
from bot.domain.errors import RefusedError
from bot.domain.moderation.audit import AuditAction, AuditEntry
from bot.domain.results.deliveries import COPY_PURPOSES, Delivery, DeliveryState, MessageRef, Purpose
from bot.domain.results.sharing import (
    CopyRequest,
    ResultDelivery,
    check_available,
    check_copy_stands,
    check_first_copy,
    copy_in,
)
from bot.domain.runs import Run
from bot.store.audit import add_entries, run_entry
from bot.store.blocks import block_of


class CopyStore:
    """The copies of results. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def request(self, connection: Connection, copy: CopyRequest, now: datetime) -> None:
        """Create the copy's delivery. Raises RefusedError, or AlreadyPosted if the copy was posted before.

        A result has at most one copy of each kind. If a copy is requested again, the messages of the earlier
        one are deleted later.
        """
        run = lock_run(connection, copy.key)
        # Checked under the lock: a deletion removes only the copies that exist by then, and an erasure
        # waits only for those.
        check_available(run)
        found = _deliveries_of(connection, run)
        check_first_copy(run, copy, found)
        # An undelivered result may be posted in another channel while this copy is pending.
        channel_id = copy.shared_to or run.channel_id
        columns: dict[str, object] = {"shared_to": channel_id, "with_prompt": copy.with_prompt}
        before = next((each for each in found if each.purpose is copy.purpose), None)
        if before is not None:
            _request_again(connection, before, now, columns)
        else:
            create_delivery(connection, run.key, copy.purpose, now, now, **columns)

    @reads
    def check(self, connection: Connection, run: Run, copy: CopyRequest) -> None:
        """Raise RefusedError if the copy can't be requested now, or AlreadyPosted if it was posted before."""
        found = _deliveries_of(connection, run)
        check_first_copy(run, copy, found)

    @reads
    def shown_in(self, connection: Connection, run: Run, message: MessageRef) -> bool:
        """Return whether a message belongs to a copy of the run's result, and not to the result itself."""
        return copy_in(message, _deliveries_of(connection, run)) is not None

    @writes
    def delete(
        self, connection: Connection, key: str, message: MessageRef, user_id: int, now: datetime
    ) -> None:
        """Mark the copy with this message as deleted, and create the delivery that removes its messages.

        The result and its other copies stay. A moderator's deletion replaces the requester's. Raises
        RefusedError if the copy was already deleted, or if the run doesn't exist any more.
        """
        run = lock_run(connection, key)
        copy = copy_in(message, _deliveries_of(connection, run))
        if copy is None:
            raise RefusedError("already_deleted")
        check_copy_stands(run, copy, message, user_id)
        connection.execute(update(deliveries).where(deliveries.c.id == copy.id).values(deleted_by=user_id))
        create_or_reopen_delivery(connection, run.key, Purpose.REMOVAL, now)
        channel = f"<#{message.channel_id}>"
        add_entries(connection, run_entry(run, AuditAction.DELETE_COPY, user_id, now, channel=channel))

    @writes
    def finish(
        self, connection: Connection, delivery: Delivery, owner: str, now: datetime, failed: str | None = None
    ) -> None:
        """Mark the copy as posted or, with `failed`, as undelivered, and record that in the audit log.

        `failed` is the code of the sentence that says why the copy failed. If the copy or its result was
        deleted before anything was posted, there is no audit entry. Does nothing if the lease was lost.
        """
        state = DeliveryState.SENT if failed is None else DeliveryState.UNDELIVERED
        finished = connection.execute(
            update(deliveries)
            .where(
                deliveries.c.id == delivery.id,
                deliveries.c.lease_owner == owner,
                deliveries.c.tries == delivery.tries,
            )
            .values(state=state, done_at=now, last_error=failed, lease_owner=None, lease_until=None)
            .returning(deliveries.c.messages)
        )
        row = finished.first()
        # Nothing was posted if the result had been deleted. The deletion has an entry of its own.
        if row is not None and (failed is not None or row.messages):
            add_entries(connection, _entry(delivery, now, failed))

    @reads
    def is_blocked(self, connection: Connection, run: Run, now: datetime) -> bool:
        """Return whether a moderator has blocked the requester on the run's server."""
        return block_of(connection, run, now) is not None


def _deliveries_of(connection: Connection, run: Run) -> Sequence[ResultDelivery]:
    """Return the deliveries that show the run's result: its batch's outcome, its late success, its copies."""
    own = and_(deliveries.c.run_key == run.key, deliveries.c.purpose.in_({Purpose.LATE, *COPY_PURPOSES}))
    outcome = and_(deliveries.c.run_key == run.request_key, deliveries.c.purpose == Purpose.OUTCOME)
    columns = (
        deliveries.c.id,
        deliveries.c.purpose,
        deliveries.c.state,
        deliveries.c.shared_to,
        deliveries.c.messages,
        deliveries.c.earlier_messages,
        deliveries.c.attempted,
        deliveries.c.deleted_by,
    )
    query = select(*columns).where(or_(own, outcome)).order_by(deliveries.c.id)
    return [
        ResultDelivery(
            id=row.id,
            purpose=Purpose(row.purpose),
            state=DeliveryState(row.state),
            channel_id=row.shared_to or run.channel_id,
            messages=row.messages,
            earlier=row.earlier_messages,
            attempted=row.attempted,
            deleted_by=row.deleted_by,
        )
        for row in connection.execute(query)
    ]


def _request_again(
    connection: Connection, before: ResultDelivery, now: datetime, columns: dict[str, object]
) -> None:
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == before.id)
        .values(**RESET, due_at=now, earlier_messages=[*before.earlier, *before.messages], **columns)
    )


def _entry(delivery: Delivery, now: datetime, failed: str | None) -> AuditEntry:
    run, is_share = delivery.run, delivery.purpose is Purpose.SHARE
    return run_entry(
        run,
        AuditAction.SHARE if is_share else AuditAction.POST,
        run.requester_id,
        now,
        outcome=failed,
        channel=f"<#{delivery.destination}>",
    )
