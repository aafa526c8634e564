"""Deliver a batch's undelivered results again, in the channel in which their requester asks for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, or_, select, update

from bot.database.row_locks import lock_batch_if_any
from bot.database.rows import RESET
from bot.database.tables import deliveries, requests, runs
from bot.domain.requests import Origin
from bot.domain.results.deliveries import OUTCOME_PURPOSES, DeliveryState, MessageRef, Purpose
from bot.domain.results.showing import is_spoiler
from bot.store.rules import read_rules

_member = runs.alias("member")


def deliver_again(connection: Connection, key: str, origin: Origin, due_at: datetime) -> bool:
    """Queue a batch's undelivered results for the channel of `origin`; return False if there are none."""
    batch = lock_batch_if_any(connection, key)
    undelivered = (connection.execute(_undelivered_of(key))).all()
    if not undelivered:
        return False
    for row in undelivered:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == row.id)
            .values(**RESET, due_at=due_at, earlier_messages=_replaced(row))
        )
    rules = read_rules(connection, origin.guild_id)
    spoiler = is_spoiler(rules, age_restricted=origin.age_restricted)
    columns = _destination_columns(origin, private=batch[0].private)
    connection.execute(update(requests).where(requests.c.key == key).values(**columns, spoiler=spoiler))
    return True


def _replaced(row: Row[Any]) -> list[MessageRef]:
    """Return the messages that a new delivery of a result replaces.

    Messages that only an interaction can reach are left out, because the bot can't delete them.
    """
    sent = [*row.earlier_messages, *row.messages]
    if row.user_install or row.private:
        return [message for message in sent if message.channel_id != row.channel_id]
    status = MessageRef(row.channel_id, row.status_message_id)
    is_ours = row.status_message_id is not None and status not in row.messages
    return [*sent, *([status] if is_ours else [])]


def _undelivered_of(key: str) -> Select[Any]:
    """Select the undelivered outcomes of a batch, except those whose results have all been deleted."""
    left = exists().where(
        _member.c.request_key == runs.c.request_key,
        _member.c.deleted_at.is_(None),
        or_(deliveries.c.purpose == Purpose.OUTCOME, _member.c.key == runs.c.key),
    )
    return (
        select(
            deliveries.c.id,
            deliveries.c.messages,
            deliveries.c.earlier_messages,
            requests.c.channel_id,
            requests.c.status_message_id,
            requests.c.user_install,
            requests.c.private,
        )
        .join(runs, runs.c.key == deliveries.c.run_key)
        .join(requests, requests.c.key == runs.c.request_key)
        .where(
            runs.c.request_key == key,
            deliveries.c.purpose.in_(OUTCOME_PURPOSES),
            deliveries.c.state == DeliveryState.UNDELIVERED,
            left,
        )
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )


def _destination_columns(origin: Origin, *, private: bool) -> dict[str, object]:
    """Return the columns that move an undelivered result to another channel.

    The channel of a user install can't be read later, so its mark is stored.

    The server's id stays the same, because that server's budget paid for the result, and its moderators are
    responsible for it. The token of the `/runs` interaction is stored only if nothing else can show the
    result in the channel. This is the case for a private result and for a user install.
    """
    by_interaction = origin.user_install or private
    marked = {"channel_age_restricted": True} if origin.user_install and origin.age_restricted else {}
    token, expires = origin.interaction_token, origin.interaction_expires_at
    return {
        "channel_id": origin.channel_id,
        "upload_limit": origin.upload_limit,
        "user_install": origin.user_install,
        "interaction_token": token if by_interaction else None,
        "interaction_expires_at": expires if by_interaction else None,
        "status_message_id": None,
        **marked,
    }
