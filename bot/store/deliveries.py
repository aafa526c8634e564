"""Claim deliveries under a lease, mark each attempt before it is made, and store each message once sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from bot.database.engine import Database, reads, writes
from bot.database.row_locks import lock_batch_if_any
from bot.database.rows import select_runs, to_run
from bot.database.tables import deliveries, requests, runs
from bot.domain.requests import Origin
from bot.domain.results.deliveries import (
    OUTCOME_PURPOSES,
    Delivery,
    DeliveryState,
    MessageRef,
    Purpose,
    SentMessages,
)
from bot.domain.runs import Run
from bot.store.requests.redelivery import deliver_again

_OWN = (
    deliveries.c.id.label("delivery_id"),
    deliveries.c.purpose,
    deliveries.c.tries,
    deliveries.c.route,
    deliveries.c.attempted,
    deliveries.c.attempted_at,
    deliveries.c.messages,
    deliveries.c.earlier_messages,
    deliveries.c.done_at,
    deliveries.c.shared_to,
    deliveries.c.with_prompt,
    deliveries.c.deleted_by,
)
_PENDING = select(func.count()).where(deliveries.c.state == DeliveryState.PENDING)
_is_late = exists().where(deliveries.c.run_key == runs.c.key, deliveries.c.purpose == Purpose.LATE)
# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
_BATCH = (
    select_runs(_is_late.label("is_late"))
    .where(runs.c.request_key == bindparam("batch"))
    .order_by(runs.c.index)
)
_SENT_BEFORE = (
    select(deliveries.c.earlier_messages, deliveries.c.messages)
    .where(deliveries.c.id == bindparam("id"))
    .with_for_update()
)
# The same as `Delivery.destination`, in SQL.
DESTINATION = func.coalesce(
    case(
        (deliveries.c.purpose.in_({Purpose.REVIEW, Purpose.CARD}), requests.c.review_channel_id),
        (deliveries.c.purpose == Purpose.REPORT, runs.c.report_channel_id),
        (deliveries.c.purpose == Purpose.NOTICE, requests.c.requester_id),
        (deliveries.c.purpose.in_({Purpose.SINGLE, Purpose.SHARE}), deliveries.c.shared_to),
    ),
    requests.c.channel_id,
)


class DeliveryStore:
    """The deliveries. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def claim(
        self,
        connection: Connection,
        owner: str,
        now: datetime,
        lease: timedelta,
        *,
        full: Collection[int] = (),
        own: Collection[int] = (),
    ) -> Delivery | None:
        """Claim the pending delivery that has been due for the longest time, or return None.

        Deliveries under another lease, to destinations in `full` and with an id in `own` are skipped.
        """
        found = connection.scalar(_oldest_pending(now, full, own))
        if found is None:
            return None
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == found)
            .values(lease_owner=owner, lease_until=now + lease, tries=deliveries.c.tries + 1)
        )
        result = connection.execute(
            select_runs(*_OWN)
            .join(deliveries, deliveries.c.run_key == runs.c.key)
            .where(deliveries.c.id == found)
        )
        row = result.mappings().one()
        run, purpose = to_run(row), Purpose(row["purpose"])
        batch: tuple[Run, ...] = (run,)
        late = frozenset[str]()
        if purpose is Purpose.OUTCOME:
            batch, late = _batch(connection, run.request_key)
        return Delivery(
            id=row["delivery_id"],
            run=run,
            purpose=purpose,
            batch=batch,
            late=late,
            tries=row["tries"],
            route=row["route"],
            attempted=row["attempted"],
            attempted_at=row["attempted_at"],
            messages=row["messages"],
            earlier=row["earlier_messages"],
            all_sent=row["done_at"] is not None,
            shared_to=row["shared_to"],
            with_prompt=row["with_prompt"],
            deleted_by=row["deleted_by"],
        )

    @writes
    def extend(self, connection: Connection, delivery_id: int, owner: str, until: datetime) -> None:
        """Extend the lease during a long transfer, unless `owner` has lost it."""
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery_id, deliveries.c.lease_owner == owner)
            .values(lease_until=until)
        )

    @writes
    def mark_attempt(
        self,
        connection: Connection,
        delivery: Delivery,
        owner: str,
        now: datetime,
        lease: timedelta,
        route: int,
    ) -> bool:
        """Store that a message is about to be sent on `route` and may reach Discord; renew the lease.

        Returns False if nothing may be sent, because the lease is lost or a run's state has changed since the
        claim. Locks the runs first, as `record_report` does. The delivery's `tries` distinguishes this claim
        from a later one by the same process.
        """
        states = {run.key: (run.state, run.partial) for run in delivery.batch}
        now_stored = lock_batch_if_any(connection, delivery.run.key)
        if {run.key: (run.state, run.partial) for run in now_stored if run.key in states} != states:
            return False
        result = connection.execute(
            update(deliveries)
            .where(_is_held(delivery, owner))
            .values(attempted=True, attempted_at=now, route=route, lease_until=now + lease)
        )
        return result.rowcount == 1

    @writes
    def clear_attempt(self, connection: Connection, delivery: Delivery) -> tuple[MessageRef, ...] | None:
        """Clear an attempt that certainly sent nothing; return the messages sent before it.

        Returns None if the delivery was reopened or claimed again since its claim.
        """
        sent: tuple[MessageRef, ...] | None = connection.scalar(
            update(deliveries)
            .where(_is_same_try(delivery))
            .values(attempted=False, attempted_at=None)
            .returning(deliveries.c.messages)
        )
        return sent

    @writes
    def mark_sent(
        self,
        connection: Connection,
        delivery: Delivery,
        messages: Sequence[MessageRef],
        all_at: datetime | None = None,
    ) -> bool:
        """Store all messages sent so far. With `all_at`, no others will follow, so a retry only cleans up.

        Returns False if the delivery was reopened or claimed again since its claim. The messages then become
        earlier ones, which the next attempt replaces.
        """
        sent = {"attempted": False, "attempted_at": None, "messages": messages, "done_at": all_at}
        result = connection.execute(update(deliveries).where(_is_same_try(delivery)).values(**sent))
        if result.rowcount == 1:
            return True
        row = connection.execute(_SENT_BEFORE, {"id": delivery.id}).first()
        if row is not None:
            new = {*messages}.difference(row.messages)
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery.id)
                .values(earlier_messages=_joined(row.earlier_messages, sorted(new)))
            )
        return False

    @writes
    def withdraw(
        self, connection: Connection, delivery: Delivery, lost: Sequence[MessageRef] = ()
    ) -> tuple[MessageRef, ...] | None:
        """Store all messages of a delivery as earlier ones, which are to be deleted, and return them.

        `lost` are messages whose ids weren't stored before. Returns None if the delivery was reopened or
        claimed again since its claim.
        """
        found = connection.execute(
            _SENT_BEFORE.where(deliveries.c.tries == delivery.tries), {"id": delivery.id}
        )
        row = found.first()
        if row is None:
            return None
        withdrawn = _joined(*row, lost)
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery.id)
            .values(attempted=False, attempted_at=None, messages=[], earlier_messages=withdrawn)
        )
        return withdrawn

    @writes
    def complete(self, connection: Connection, delivery: Delivery, now: datetime) -> bool:
        """Mark the delivery as sent; return False if it was reopened or claimed again since its claim."""
        result = connection.execute(
            update(deliveries)
            .where(_is_same_try(delivery))
            .values(state=DeliveryState.SENT, done_at=now, lease_owner=None, lease_until=None)
        )
        return result.rowcount == 1

    @writes
    def postpone(
        self,
        connection: Connection,
        delivery: Delivery,
        owner: str,
        due_at: datetime,
        *,
        error: str = "",
        counted: bool = True,
    ) -> None:
        """Release a claim for a retry at `due_at`, unless the lease was lost.

        Only `counted` attempts count towards the limit at which the courier gives up.
        """
        tries = delivery.tries if counted else delivery.tries - 1
        _give_back(connection, delivery, owner, {"due_at": due_at, "last_error": error[:500], "tries": tries})

    @writes
    def mark_undelivered(
        self, connection: Connection, delivery: Delivery, owner: str, now: datetime, error: str
    ) -> None:
        """Mark a delivery as undelivered, unless the lease was lost. `/runs` offers undelivered outcomes."""
        undelivered = {"state": DeliveryState.UNDELIVERED, "done_at": now, "last_error": error[:500]}
        _give_back(connection, delivery, owner, undelivered)

    @reads
    def sent(self, connection: Connection, key: str, purpose: Purpose) -> SentMessages:
        """Return the messages that were posted for a run and purpose."""
        query = select(
            deliveries.c.messages,
            deliveries.c.earlier_messages,
            deliveries.c.attempted,
            deliveries.c.attempted_at,
            deliveries.c.deleted_by,
        ).where(deliveries.c.run_key == key, deliveries.c.purpose == purpose)
        row = connection.execute(query).first()
        if row is None:
            return SentMessages()
        messages: tuple[MessageRef, ...] = row.messages
        # An edit of the command's answer is the same message as before.
        earlier = tuple(message for message in row.earlier_messages if message not in messages)
        return SentMessages(messages, row.attempted_at if row.attempted else None, earlier, row.deleted_by)

    @reads
    def is_pending(self, connection: Connection, key: str, purposes: Collection[Purpose]) -> bool:
        """Return whether a delivery for one of these purposes is pending."""
        query = select(deliveries.c.id).where(
            deliveries.c.run_key == key,
            deliveries.c.purpose.in_(purposes),
            deliveries.c.state == DeliveryState.PENDING,
        )
        return connection.scalar(query) is not None

    async def release_leases(self) -> None:
        """Release every lease. Call this only if no other process sends deliveries.

        Another process may still be bringing the schema up to date, so this waits as long as that may take.
        """
        await self._database.migrate(
            lambda connection: connection.execute(
                update(deliveries).values(lease_owner=None, lease_until=None)
            )
        )

    @reads
    def pending(self, connection: Connection) -> int:
        """Return the number of pending deliveries."""
        return connection.scalar(_PENDING) or 0

    @writes
    def redeliver(self, connection: Connection, key: str, origin: Origin, due_at: datetime) -> bool:
        """Queue a batch's undelivered results again, for the channel of `origin`; return False if there are
        none.

        The server's rules decide again whether the results are spoilers. The courier later deletes earlier
        messages with parts of the results, and the status message that mentioned `/runs`.
        """
        return deliver_again(connection, key, origin, due_at)

    @writes
    def confirm_placeholder(
        self, connection: Connection, key: str, message_id: int | None, now: datetime
    ) -> None:
        """Let the courier edit the posted placeholder `message_id` into the redelivered result."""
        lock_batch_if_any(connection, key)
        placed = update(requests).where(requests.c.key == key).values(status_message_id=message_id)
        connection.execute(placed)
        connection.execute(
            update(deliveries)
            .where(
                deliveries.c.run_key == key,
                deliveries.c.purpose.in_(OUTCOME_PURPOSES),
                deliveries.c.state == DeliveryState.PENDING,
            )
            .values(due_at=now)
        )


def _give_back(connection: Connection, delivery: Delivery, owner: str, values: Mapping[str, object]) -> None:
    """Release a claim and store these values, unless the lease was lost."""
    released: dict[str, object] = {"lease_owner": None, "lease_until": None}
    held = update(deliveries).where(_is_held(delivery, owner))
    result = connection.execute(held.values({**released, **values}))
    if result.rowcount == 0:
        # A reopened delivery has zero tries until it is claimed again, which this lease would delay.
        own = and_(deliveries.c.id == delivery.id, deliveries.c.lease_owner == owner)
        connection.execute(update(deliveries).where(own, deliveries.c.tries == 0).values(released))


def _is_same_try(delivery: Delivery) -> ColumnElement[bool]:
    """Match a delivery until it is reopened or claimed again, even if its lease has expired."""
    return and_(deliveries.c.id == delivery.id, deliveries.c.tries == delivery.tries)


def _is_held(delivery: Delivery, owner: str) -> ColumnElement[bool]:
    """Match a delivery while the claim that returned it still holds the lease."""
    return and_(_is_same_try(delivery), deliveries.c.lease_owner == owner)


def _oldest_pending(now: datetime, full: Collection[int], own: Collection[int]) -> Select[Any]:
    free = or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < now)
    query = (
        select(deliveries.c.id)
        .where(deliveries.c.state == DeliveryState.PENDING, deliveries.c.due_at <= now, free)
        .where(deliveries.c.id.not_in(own))
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    if not full:
        return query
    return (
        query.join(runs, runs.c.key == deliveries.c.run_key)
        .join(requests, requests.c.key == runs.c.request_key)
        .where(DESTINATION.not_in(full))
    )


def _joined(*lists: Iterable[MessageRef]) -> tuple[MessageRef, ...]:
    """Return the messages of all lists, each once."""
    return tuple(dict.fromkeys(message for each in lists for message in each))


def _batch(connection: Connection, request_key: str) -> tuple[tuple[Run, ...], frozenset[str]]:
    """Return a batch's runs, ordered by `index`, and the keys of those whose late success has its own
    delivery.
    """
    found = connection.execute(_BATCH, {"batch": request_key}).mappings().all()
    return tuple(to_run(row) for row in found), frozenset(row["key"] for row in found if row["is_late"])
