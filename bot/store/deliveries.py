"""The messages owed: claimed under a lease, the attempt marked before the send, the sending after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.engine import Database
from bot.database.tables import deliveries, run_columns, runs, to_run
from bot.domain.policy import is_spoiler
from bot.domain.requests import Origin
from bot.domain.runs import OUTCOMES, Delivery, DeliveryState, Purpose, Run, RunState, SentMessages
from bot.store.rules import read_rules

_OWN = (
    deliveries.c.id.label("delivery_id"),
    deliveries.c.purpose,
    deliveries.c.tries,
    deliveries.c.route,
    deliveries.c.attempted,
    deliveries.c.attempted_at,
    deliveries.c.messages,
)
_member = runs.alias("member")
_is_late = exists().where(deliveries.c.run_key == runs.c.key, deliveries.c.purpose == Purpose.LATE)
# Built once: compiling a statement of forty columns takes longer than running it.
_BATCH = (
    select(*run_columns(), _is_late.label("is_late"))
    .where(runs.c.batch_key == bindparam("batch"))
    .order_by(runs.c.batch_index)
)


class DeliveryStore:
    """Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, owner: str, now: datetime, lease: timedelta) -> Delivery | None:
        """The longest owed message that nobody else is sending."""
        async with self._database.write(urgent=True) as connection:
            free = or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < now)
            found = await connection.scalar(
                select(deliveries.c.id)
                .where(deliveries.c.state == DeliveryState.PENDING, deliveries.c.due_at <= now, free)
                .order_by(deliveries.c.due_at, deliveries.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
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
                messages=tuple((channel, message) for channel, message in row["messages"]),
            )

    async def extend(self, delivery_id: int, owner: str, until: datetime) -> bool:
        """Keeps the lease while a long transfer runs; False when it was lost to another."""
        async with self._database.write() as connection:
            result = await connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery_id, deliveries.c.lease_owner == owner)
                .values(lease_until=until)
            )
            return result.rowcount == 1

    async def mark_attempt(
        self, delivery: Delivery, owner: str, now: datetime, lease: timedelta, route: int
    ) -> bool:
        """Marks that the next part may reach Discord from here on.

        False when the lease is lost or the run changed since it was claimed (a late success replaced the
        verdict): then nothing may be sent. Locks the run first, as `record` does. `tries` tells this claim
        from a later one by the same process.
        """
        async with self._database.write(urgent=True) as connection:
            states = {run.key: run.state for run in delivery.batch}
            found = await connection.execute(
                select(runs.c.key, runs.c.state)
                .where(runs.c.key.in_(list(states)))
                .order_by(runs.c.key)
                .with_for_update()
            )
            if {row.key: RunState(row.state) for row in found} != states:
                return False
            result = await connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.id == delivery.id,
                    deliveries.c.lease_owner == owner,
                    deliveries.c.tries == delivery.tries,
                )
                .values(attempted=True, attempted_at=now, route=route, lease_until=now + lease)
            )
            return result.rowcount == 1

    async def clear_attempt(self, delivery_id: int) -> tuple[tuple[int, int], ...]:
        """The attempt is known to have left nothing behind; returns what was sent before it."""
        async with self._database.write() as connection:
            sent = await connection.scalar(
                update(deliveries)
                .where(deliveries.c.id == delivery_id)
                .values(attempted=False, attempted_at=None)
                .returning(deliveries.c.messages)
            )
            return tuple((channel, message) for channel, message in sent or ())

    async def mark_sent(self, delivery_id: int, messages: Sequence[tuple[int, int]]) -> None:
        """The parts sent so far."""
        await self._set(
            delivery_id, attempted=False, attempted_at=None, messages=[list(place) for place in messages]
        )

    async def complete(self, delivery_id: int, now: datetime) -> None:
        """Everything is in the channel."""
        await self._set(
            delivery_id, state=DeliveryState.SENT, done_at=now, lease_owner=None, lease_until=None
        )

    async def postpone(self, delivery_id: int, owner: str, due_at: datetime, *, error: str = "") -> None:
        """Another try later; changes nothing when the lease has gone to another."""
        await self._give_back(delivery_id, owner, due_at=due_at, last_error=error[:500])

    async def keep(self, delivery_id: int, owner: str, now: datetime, error: str) -> None:
        """The end of the ladder: kept for `/runs`; changes nothing when the lease has gone to another."""
        await self._give_back(
            delivery_id, owner, state=DeliveryState.UNDELIVERED, done_at=now, last_error=error[:500]
        )

    async def told(self, key: str, purpose: Purpose) -> SentMessages:
        """What of a message owed for a run is in Discord; nothing when none was owed."""
        query = select(
            deliveries.c.messages,
            deliveries.c.earlier_messages,
            deliveries.c.attempted,
            deliveries.c.attempted_at,
        ).where(deliveries.c.run_key == key, deliveries.c.purpose == purpose)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return SentMessages()
        messages = tuple((channel, message) for channel, message in row.messages)
        # Soon after the first time the nonce gives the very same message once more.
        earlier = tuple(
            (channel, message)
            for channel, message in row.earlier_messages
            if [channel, message] not in row.messages
        )
        return SentMessages(messages, row.attempted_at if row.attempted else None, earlier)

    async def is_pending(self, key: str, purposes: Collection[Purpose]) -> bool:
        """Whether one of these messages is still to be sent, or on its way."""
        query = select(deliveries.c.id).where(
            deliveries.c.run_key == key,
            deliveries.c.purpose.in_(purposes),
            deliveries.c.state == DeliveryState.PENDING,
        )
        async with self._database.read() as connection:
            return await connection.scalar(query) is not None

    async def release_leases(self) -> None:
        """Release every lease when the only process starts: the process that held it is dead.

        Another process may still be bringing the schema up to date, so this waits as long as that may take.
        """
        async with self._database.changing_schema() as connection:
            await connection.execute(update(deliveries).values(lease_owner=None, lease_until=None))

    async def pending(self) -> int:
        async with self._database.read() as connection:
            found = await connection.scalar(
                select(func.count())
                .select_from(deliveries)
                .where(deliveries.c.state == DeliveryState.PENDING)
            )
            return found or 0

    async def _give_back(self, delivery_id: int, owner: str, **values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery_id, deliveries.c.lease_owner == owner)
                .values(lease_owner=None, lease_until=None, **values)
            )

    async def _set(self, delivery_id: int, **values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(deliveries).where(deliveries.c.id == delivery_id).values(**values)
            )

    async def redeliver(self, key: str, origin: Origin, due_at: datetime) -> bool:
        """A kept message is owed again, whole, where it is now asked for; False when it is not kept.

        It hides behind a click where the server's rules say so for this channel.
        """
        async with self._database.write() as connection:
            kept = (await connection.execute(undelivered_of(key))).all()
            if not kept:
                return False
            for row in kept:
                await connection.execute(
                    update(deliveries)
                    .where(deliveries.c.id == row.id)
                    .values(**RESET, due_at=due_at, earlier_messages=[*row.earlier_messages, *row.messages])
                )
            rules = await read_rules(connection, origin.guild_id)
            spoiler = is_spoiler(rules, age_restricted=origin.age_restricted)
            await connection.execute(
                update(runs)
                .where(runs.c.batch_key == key)
                .values(**destination_columns(origin), spoiler=spoiler)
            )
            return True

    async def answered(self, key: str, message_id: int | None, now: datetime) -> None:
        """The message is there that becomes what `redeliver` has made owed."""
        async with self._database.write() as connection:
            await connection.execute(
                update(runs).where(runs.c.key == key).values(status_message_id=message_id)
            )
            await connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.run_key == key,
                    deliveries.c.purpose.in_(OUTCOMES),
                    deliveries.c.state == DeliveryState.PENDING,
                )
                .values(due_at=now)
            )


async def _batch(connection: AsyncConnection, batch_key: str) -> tuple[tuple[Run, ...], frozenset[str]]:
    """Return the runs of a batch in their order, and the keys of those that have a late success delivered."""
    found = (await connection.execute(_BATCH, {"batch": batch_key})).mappings().all()
    return tuple(to_run(row) for row in found), frozenset(row["key"] for row in found if row["is_late"])


# A message owed as if nothing of it had been tried.
RESET = {
    "state": DeliveryState.PENDING,
    "tries": 0,
    "route": 0,
    "messages": [],
    "attempted": False,
    "attempted_at": None,
    "done_at": None,
}


def undelivered_of(key: str) -> Select[Any]:
    """Select the undelivered results of a batch, unless all that they would show has been deleted."""
    left = exists().where(
        _member.c.batch_key == runs.c.batch_key,
        _member.c.deleted_at.is_(None),
        or_(deliveries.c.purpose == Purpose.OUTCOME, _member.c.key == runs.c.key),
    )
    return (
        select(deliveries.c.id, deliveries.c.messages, deliveries.c.earlier_messages)
        .join(runs, runs.c.key == deliveries.c.run_key)
        .where(
            runs.c.batch_key == key,
            deliveries.c.purpose.in_(OUTCOMES),
            deliveries.c.state == DeliveryState.UNDELIVERED,
            left,
        )
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )


def destination_columns(origin: Origin) -> dict[str, object]:
    """Where to post. The server stays: its budget has paid, and its moderators answer for it. The answer to
    the command that asks is its own, so it is not there to be edited; but for a place that nothing else
    reaches."""
    token, expires = origin.interaction_token, origin.interaction_expires_at
    return {
        "channel_id": origin.channel_id,
        "upload_limit": origin.upload_limit,
        "user_install": origin.user_install,
        "interaction_token": token if origin.user_install else None,
        "interaction_expires_at": expires if origin.user_install else None,
        "status_message_id": None,
    }
