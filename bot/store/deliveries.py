"""Claim deliveries under a lease, mark each attempt before it is made, and store each message once sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.commits import repeat_if_unknown
from bot.database.engine import Database
from bot.database.row_locks import lock_batch_if_any
from bot.database.tables import RESET, deliveries, run_columns, runs, to_run
from bot.domain.policy import is_spoiler
from bot.domain.requests import Origin
from bot.domain.runs import (
    OUTCOME_PURPOSES,
    Delivery,
    DeliveryState,
    MessageRef,
    Purpose,
    Run,
    RunState,
    SentMessages,
)
from bot.store.rules import read_rules

_OWN = (
    deliveries.c.id.label("delivery_id"),
    deliveries.c.purpose,
    deliveries.c.tries,
    deliveries.c.route,
    deliveries.c.attempted,
    deliveries.c.attempted_at,
    deliveries.c.messages,
    deliveries.c.done_at,
    deliveries.c.shared_to,
    deliveries.c.with_prompt,
    deliveries.c.deleted_by,
)
_PENDING = select(func.count()).where(deliveries.c.state == DeliveryState.PENDING)
_member = runs.alias("member")
_is_late = exists().where(deliveries.c.run_key == runs.c.key, deliveries.c.purpose == Purpose.LATE)
# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
_BATCH = (
    select(*run_columns(), _is_late.label("is_late"))
    .where(runs.c.batch_key == bindparam("batch"))
    .order_by(runs.c.batch_index)
)
# The same as `Delivery.destination`, in SQL.
_DESTINATION = func.coalesce(
    case(
        (deliveries.c.purpose.in_((Purpose.REVIEW, Purpose.CARD)), runs.c.review_channel_id),
        (deliveries.c.purpose == Purpose.REPORT, runs.c.report_channel_id),
        (deliveries.c.purpose == Purpose.NOTICE, runs.c.requester_id),
        (deliveries.c.purpose.in_((Purpose.SINGLE, Purpose.SHARE)), deliveries.c.shared_to),
    ),
    runs.c.channel_id,
)


class DeliveryStore:
    """The deliveries. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self,
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
        async with self._database.write(urgent=True) as connection:
            found = await connection.scalar(_oldest_pending(now, full, own))
            if found is None:
                return None
            await connection.execute(
                update(deliveries)
                .where(deliveries.c.id == found)
                .values(lease_owner=owner, lease_until=now + lease, tries=deliveries.c.tries + 1)
            )
            result = await connection.execute(
                select(*_OWN, *run_columns())
                .join(runs, runs.c.key == deliveries.c.run_key)
                .where(deliveries.c.id == found)
            )
            row = result.mappings().one()
            run, purpose = to_run(row), Purpose(row["purpose"])
            batch: tuple[Run, ...] = (run,)
            late = frozenset[str]()
            if purpose is Purpose.OUTCOME:
                batch, late = await _batch(connection, run.batch_key)
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
                messages=_refs(row["messages"]),
                all_sent=row["done_at"] is not None,
                shared_to=row["shared_to"],
                with_prompt=row["with_prompt"],
                deleted_by=row["deleted_by"],
            )

    @repeat_if_unknown
    async def extend(self, delivery_id: int, owner: str, until: datetime) -> bool:
        """Extend the lease during a long transfer. Return False if `owner` no longer holds it."""
        async with self._database.write() as connection:
            result = await connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery_id, deliveries.c.lease_owner == owner)
                .values(lease_until=until)
            )
            return result.rowcount == 1

    @repeat_if_unknown
    async def mark_attempt(
        self, delivery: Delivery, owner: str, now: datetime, lease: timedelta, route: int
    ) -> bool:
        """Store that a message is about to be sent on `route` and may reach Discord; renew the lease.

        Returns False if nothing may be sent, because the lease is lost or a run's state has changed since the
        claim. Locks the runs first, as `record_report` does. The delivery's `tries` distinguishes this claim
        from a later one by the same process.
        """
        async with self._database.write(urgent=True) as connection:
            states = {run.key: (run.state, run.partial) for run in delivery.batch}
            found = await connection.execute(
                select(runs.c.key, runs.c.state, runs.c.partial)
                .where(runs.c.key.in_(list(states)))
                .order_by(runs.c.key)
                .with_for_update()
            )
            if {row.key: (RunState(row.state), row.partial) for row in found} != states:
                return False
            result = await connection.execute(
                update(deliveries)
                .where(_is_held(delivery, owner))
                .values(attempted=True, attempted_at=now, route=route, lease_until=now + lease)
            )
            return result.rowcount == 1

    @repeat_if_unknown
    async def clear_attempt(self, delivery_id: int) -> tuple[MessageRef, ...]:
        """Clear an attempt that certainly sent nothing; return the messages sent before it."""
        async with self._database.write() as connection:
            sent = await connection.scalar(
                update(deliveries)
                .where(deliveries.c.id == delivery_id)
                .values(attempted=False, attempted_at=None)
                .returning(deliveries.c.messages)
            )
            return _refs(sent or ())

    async def mark_sent(
        self, delivery_id: int, messages: Sequence[MessageRef], all_at: datetime | None = None
    ) -> None:
        """Store all messages sent so far. With `all_at`, no others will follow, so a retry only cleans up."""
        await self._set(delivery_id, attempted=False, attempted_at=None, messages=messages, done_at=all_at)

    @repeat_if_unknown
    async def complete(self, delivery_id: int, now: datetime, *, tries: int | None = None) -> None:
        """Mark the delivery as sent. With `tries`, a delivery reopened since that try stays pending."""
        released: dict[str, object] = {"lease_owner": None, "lease_until": None}
        sent = {"state": DeliveryState.SENT, "done_at": now}
        own = update(deliveries).where(deliveries.c.id == delivery_id)
        async with self._database.write() as connection:
            ours = own if tries is None else own.where(deliveries.c.tries == tries)
            result = await connection.execute(ours.values(**released, **sent))
            if result.rowcount == 0:
                # It has zero tries until it is claimed again, which this lease would delay.
                await connection.execute(own.where(deliveries.c.tries == 0).values(**released))

    async def postpone(
        self, delivery: Delivery, owner: str, due_at: datetime, *, error: str = "", counted: bool = True
    ) -> None:
        """Release a claim for a retry at `due_at`, unless the lease was lost.

        Only `counted` attempts count towards the limit at which the courier gives up.
        """
        tries = delivery.tries if counted else delivery.tries - 1
        await self._give_back(delivery, owner, due_at=due_at, last_error=error[:500], tries=tries)

    async def mark_undelivered(self, delivery: Delivery, owner: str, now: datetime, error: str) -> None:
        """Mark a delivery as undelivered, unless the lease was lost. `/runs` offers undelivered outcomes."""
        await self._give_back(
            delivery, owner, state=DeliveryState.UNDELIVERED, done_at=now, last_error=error[:500]
        )

    async def sent(self, key: str, purpose: Purpose) -> SentMessages:
        """Return the messages that were posted for a run and purpose."""
        query = select(
            deliveries.c.messages,
            deliveries.c.earlier_messages,
            deliveries.c.attempted,
            deliveries.c.attempted_at,
            deliveries.c.deleted_by,
        ).where(deliveries.c.run_key == key, deliveries.c.purpose == purpose)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return SentMessages()
        messages = _refs(row.messages)
        # Within minutes, Discord answers a repeated nonce with the message of the earlier delivery.
        earlier = tuple(message for message in _refs(row.earlier_messages) if message not in messages)
        return SentMessages(messages, row.attempted_at if row.attempted else None, earlier, row.deleted_by)

    async def is_pending(self, key: str, purposes: Collection[Purpose]) -> bool:
        """Return whether a delivery for one of these purposes is pending."""
        query = select(deliveries.c.id).where(
            deliveries.c.run_key == key,
            deliveries.c.purpose.in_(purposes),
            deliveries.c.state == DeliveryState.PENDING,
        )
        async with self._database.read() as connection:
            return await connection.scalar(query) is not None

    async def release_leases(self) -> None:
        """Release every lease. Call this only if no other process sends deliveries.

        Another process may still be bringing the schema up to date, so this waits as long as that may take.
        """
        async with self._database.changing_schema() as connection:
            await connection.execute(update(deliveries).values(lease_owner=None, lease_until=None))

    async def pending(self) -> int:
        """Return the number of pending deliveries."""
        async with self._database.read() as connection:
            return await connection.scalar(_PENDING) or 0

    @repeat_if_unknown
    async def _give_back(self, delivery: Delivery, owner: str, **values: object) -> None:
        async with self._database.write() as connection:
            held = update(deliveries).where(_is_held(delivery, owner))
            await connection.execute(held.values(lease_owner=None, lease_until=None, **values))

    @repeat_if_unknown
    async def _set(self, delivery_id: int, **values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(deliveries).where(deliveries.c.id == delivery_id).values(**values)
            )

    @repeat_if_unknown
    async def redeliver(
        self, key: str, origin: Origin, due_at: datetime, *, may_be_stored: bool = False
    ) -> bool:
        """Queue a batch's undelivered results again, for the channel of `origin`; return False if there are
        none.

        The server's rules decide again whether the results are spoilers. The courier later deletes earlier
        messages with parts of the results, and the status message that mentioned `/runs`.
        """
        async with self._database.write() as connection:
            batch = await lock_batch_if_any(connection, key)
            undelivered = (await connection.execute(undelivered_of(key))).all()
            if not undelivered:
                return may_be_stored
            for row in undelivered:
                await connection.execute(
                    update(deliveries)
                    .where(deliveries.c.id == row.id)
                    .values(**RESET, due_at=due_at, earlier_messages=_replaced(row))
                )
            rules = await read_rules(connection, origin.guild_id)
            spoiler = is_spoiler(rules, age_restricted=origin.age_restricted)
            columns = destination_columns(origin, private=batch[0].private)
            await connection.execute(
                update(runs).where(runs.c.batch_key == key).values(**columns, spoiler=spoiler)
            )
            return True

    @repeat_if_unknown
    async def confirm_placeholder(self, key: str, message_id: int | None, now: datetime) -> None:
        """Let the courier edit the posted placeholder `message_id` into the redelivered result."""
        async with self._database.write() as connection:
            await lock_batch_if_any(connection, key)
            await connection.execute(
                update(runs).where(runs.c.key == key).values(status_message_id=message_id)
            )
            await connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.run_key == key,
                    deliveries.c.purpose.in_(OUTCOME_PURPOSES),
                    deliveries.c.state == DeliveryState.PENDING,
                )
                .values(due_at=now)
            )


def _is_held(delivery: Delivery, owner: str) -> ColumnElement[bool]:
    """Match a delivery while the claim that returned it still holds the lease."""
    same_claim = deliveries.c.tries == delivery.tries
    return and_(deliveries.c.id == delivery.id, deliveries.c.lease_owner == owner, same_claim)


def _oldest_pending(now: datetime, full: Collection[int], own: Collection[int]) -> Select[Any]:
    free = or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < now)
    query = (
        select(deliveries.c.id)
        .where(deliveries.c.state == DeliveryState.PENDING, deliveries.c.due_at <= now, free)
        .where(deliveries.c.id.not_in(sorted(own)))
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    if not full:
        return query
    return query.join(runs, runs.c.key == deliveries.c.run_key).where(_DESTINATION.not_in(sorted(full)))


def _replaced(row: Row[Any]) -> list[Sequence[int]]:
    """Return the messages that a new delivery of a result replaces.

    Messages that only an interaction can reach are left out, because the bot can't delete them.
    """
    sent = [*row.earlier_messages, *row.messages]
    if row.user_install or row.private:
        return [message for message in sent if message[0] != row.channel_id]
    status = [row.channel_id, row.status_message_id]
    is_ours = row.status_message_id is not None and status not in row.messages
    return [*sent, *([status] if is_ours else [])]


def _refs(pairs: Iterable[Sequence[int]]) -> tuple[MessageRef, ...]:
    return tuple(MessageRef(*pair) for pair in pairs)


async def _batch(connection: AsyncConnection, batch_key: str) -> tuple[tuple[Run, ...], frozenset[str]]:
    """Return a batch's runs, ordered by `batch_index`, and the keys of those whose late success has its own
    delivery.
    """
    found = (await connection.execute(_BATCH, {"batch": batch_key})).mappings().all()
    return tuple(to_run(row) for row in found), frozenset(row["key"] for row in found if row["is_late"])


def undelivered_of(key: str) -> Select[Any]:
    """Select the undelivered outcomes of a batch, except those whose results have all been deleted."""
    left = exists().where(
        _member.c.batch_key == runs.c.batch_key,
        _member.c.deleted_at.is_(None),
        or_(deliveries.c.purpose == Purpose.OUTCOME, _member.c.key == runs.c.key),
    )
    return (
        select(
            deliveries.c.id,
            deliveries.c.messages,
            deliveries.c.earlier_messages,
            runs.c.channel_id,
            runs.c.status_message_id,
            runs.c.user_install,
            runs.c.private,
        )
        .join(runs, runs.c.key == deliveries.c.run_key)
        .where(
            runs.c.batch_key == key,
            deliveries.c.purpose.in_(OUTCOME_PURPOSES),
            deliveries.c.state == DeliveryState.UNDELIVERED,
            left,
        )
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )


def destination_columns(origin: Origin, *, private: bool = False) -> dict[str, object]:
    """Return the columns that move an undelivered result to another channel.

    The server's id stays the same, because that server's budget paid for the result, and its moderators are
    responsible for it. The token of the `/runs` interaction is stored only if nothing else can show the
    result in the channel. This is the case for a private result and for a user install.
    """
    by_interaction = origin.user_install or private
    token, expires = origin.interaction_token, origin.interaction_expires_at
    return {
        "channel_id": origin.channel_id,
        "upload_limit": origin.upload_limit,
        "user_install": origin.user_install,
        "interaction_token": token if by_interaction else None,
        "interaction_expires_at": expires if by_interaction else None,
        "status_message_id": None,
    }
