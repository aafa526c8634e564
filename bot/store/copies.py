"""Create copies of results for their requesters: a single result of a batch, or a share in the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.commits import repeat_if_unknown
from bot.database.engine import Database
from bot.database.row_locks import lock_run
from bot.database.tables import create_delivery, deliveries
from bot.domain.errors import AlreadyPosted, RefusedError
from bot.domain.records import AuditAction, AuditEntry
from bot.domain.runs import CopyRequest, Delivery, DeliveryState, MessageRef, Purpose, Run
from bot.domain.text import message_url
from bot.store.audit import add_entries, run_entry
from bot.store.blocks import block_of
from bot.store.deliveries import RESET


class CopyStore:
    """The copies of results. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeat_if_unknown
    async def request(self, copy: CopyRequest, now: datetime, *, may_be_stored: bool = False) -> None:
        """Create the copy's delivery. Raises RefusedError, or AlreadyPosted if the copy was posted before.

        A result has at most one copy of each kind. A copy that couldn't be posted may be requested again; the
        messages that the earlier attempt posted are deleted later.
        """
        async with self._database.write() as connection:
            try:
                run = await lock_run(connection, copy.key)
            except KeyError:
                raise RefusedError("run_gone") from None
            # Checked under the lock: a deletion removes only the copies that exist by then, and an erasure
            # waits only for those.
            if not run.is_shown:
                raise RefusedError("already_deleted" if run.deleted_at is not None else "no_result")
            if not run.outputs:  # its requester has erased them
                raise RefusedError("copy_file_gone")
            rows = await _messages_of(connection, copy)
            if _exists(rows):
                if may_be_stored:
                    return
                raise _refused(run, rows)
            columns: dict[str, object] = {"shared_to": copy.shared_to, "with_prompt": copy.with_prompt}
            if rows:
                await _request_again(connection, rows[0], now, columns)
            else:
                await create_delivery(connection, run.key, copy.purpose, now, now, **columns)

    async def check(self, run: Run, copy: CopyRequest) -> None:
        """Raise RefusedError if the copy is already requested, or AlreadyPosted if it was posted before."""
        async with self._database.read() as connection:
            rows = await _messages_of(connection, copy)
        if _exists(rows):
            raise _refused(run, rows)

    @repeat_if_unknown
    async def finish(self, delivery: Delivery, owner: str, now: datetime, failed: str | None = None) -> None:
        """Mark the copy as posted, or as undelivered if it `failed`, and record that in the audit log.

        `failed` is the code of the sentence that its requester was told. Does nothing if the lease was lost.
        """
        state = DeliveryState.SENT if failed is None else DeliveryState.UNDELIVERED
        async with self._database.write() as connection:
            finished = await connection.execute(
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
                await add_entries(connection, _entry(delivery, now, failed))

    @repeat_if_unknown
    async def withdraw(self, delivery: Delivery, lost: Sequence[MessageRef]) -> tuple[MessageRef, ...] | None:
        """Record that the copy failed, and return the messages that have to be deleted.

        `lost` are messages whose ids weren't stored. Returns None if the delivery was claimed again.
        """
        async with self._database.write() as connection:
            ours = (deliveries.c.id == delivery.id, deliveries.c.tries == delivery.tries)
            columns = (deliveries.c.messages, deliveries.c.earlier_messages)
            row = (await connection.execute(select(*columns).where(*ours).with_for_update())).first()
            if row is None:
                return None
            stored = [tuple(message) for message in (*row.earlier_messages, *row.messages)]
            withdrawn = [*dict.fromkeys([*stored, *lost])]
            await connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery.id)
                .values(attempted=False, attempted_at=None, messages=[], earlier_messages=withdrawn)
            )
            return tuple(MessageRef(*message) for message in withdrawn)

    async def is_blocked(self, run: Run, now: datetime) -> bool:
        """Return whether a moderator has blocked the requester on the run's server."""
        async with self._database.read() as connection:
            return await block_of(connection, run, now) is not None


async def _messages_of(connection: AsyncConnection, copy: CopyRequest) -> Sequence[Any]:
    """Return the row of the copy's own delivery, if there is one.

    For a single result, also return that of a late success whose messages show the same result.
    """
    purposes = {copy.purpose, Purpose.LATE} if copy.purpose is Purpose.SINGLE else {copy.purpose}
    query = select(
        deliveries.c.id,
        deliveries.c.purpose,
        deliveries.c.state,
        deliveries.c.messages,
        deliveries.c.earlier_messages,
    ).where(deliveries.c.run_key == copy.key, deliveries.c.purpose.in_(sorted(purposes)))
    found = (await connection.execute(query.order_by(deliveries.c.id))).all()
    # An undelivered late success doesn't rule out a copy.
    is_failed = DeliveryState.UNDELIVERED
    return [row for row in found if row.purpose == copy.purpose or row.state != is_failed]


def _exists(rows: Sequence[Any]) -> bool:
    """Return whether a copy is requested or posted. A failed one may be requested again."""
    return any(row.state != DeliveryState.UNDELIVERED for row in rows)


async def _request_again(
    connection: AsyncConnection, row: Any, now: datetime, columns: dict[str, object]
) -> None:
    earlier = [*row.earlier_messages, *row.messages]
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.id == row.id)
        .values(**RESET, due_at=now, earlier_messages=earlier, **columns)
    )


def _refused(run: Run, rows: Sequence[Any]) -> RefusedError:
    messages = next((row.messages for row in rows if row.state == DeliveryState.SENT and row.messages), None)
    if messages is None:
        return RefusedError("copy_pending")
    channel_id, message_id = messages[0]
    return AlreadyPosted(message_url(run.guild_id, channel_id, message_id), channel_id, message_id)


def _entry(delivery: Delivery, now: datetime, failed: str | None) -> AuditEntry:
    run, is_share = delivery.run, delivery.purpose is Purpose.SHARE
    details = {"with_prompt": delivery.with_prompt} if is_share else {}
    return run_entry(
        run,
        AuditAction.SHARE if is_share else AuditAction.POST,
        run.requester_id,
        now,
        outcome=failed,
        channel=str(delivery.destination),
        **details,
    )
