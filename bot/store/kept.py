"""Results that found no way: which of them may be owed again, and what changes when they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from bot.domain.requests import Origin
from bot.domain.runs import OUTCOMES, DeliveryState, Purpose
from bot.store.tables import deliveries, runs

# A message owed as if nothing of it had been tried.
AFRESH = {
    "state": DeliveryState.PENDING,
    "tries": 0,
    "rung": 0,
    "messages": [],
    "attempted": False,
    "attempted_at": None,
    "done_at": None,
}


def of_request(key: str) -> ColumnElement[bool]:
    """A run by itself, or all that began with it."""
    return or_(runs.c.key == key, runs.c.batch_key == key)


def kept_of(key: str) -> Select[Any]:
    """What may be owed again of a request. A deleted result stays deleted; of several, those that are left
    come without it."""
    left = or_(
        runs.c.deleted_at.is_(None),
        and_(runs.c.batch_key.is_not(None), deliveries.c.purpose == Purpose.OUTCOME),
    )
    return (
        select(deliveries.c.id, deliveries.c.messages, deliveries.c.earlier)
        .join(runs, runs.c.key == deliveries.c.run_key)
        .where(
            of_request(key),
            deliveries.c.purpose.in_(OUTCOMES),
            deliveries.c.state == DeliveryState.KEPT,
            left,
        )
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )


def place_of(origin: Origin) -> dict[str, object]:
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
