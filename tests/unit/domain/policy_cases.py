"""People, places and usage for tests of the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.errors import RefusedError
from bot.domain.policy import Usage
from bot.domain.requests import Actor, ChannelState, Member, Origin

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY_END = datetime(2026, 5, 5, tzinfo=UTC)
PERSON = Member(id=4, created_at=NOW - timedelta(days=100), joined_at=NOW - timedelta(days=10))
USAGE = Usage(now=NOW)
ARTISTS, STAFF, REVIEWERS = 11, 12, 13
# The bot can't post in this channel.
CLOSED = 14


def place(guild_id: int | None = 7, **changes: Any) -> Origin:
    """Return the origin of a request."""
    plain = {
        "channel_id": 2,
        "interaction_token": "hush",
        "interaction_expires_at": NOW + timedelta(minutes=15),
        "upload_limit": 1,
    }
    return Origin(guild_id=guild_id, **{**plain, **changes})


def having(*roles: int, **more: Any) -> Member:
    return replace(PERSON, role_ids=frozenset(roles), **more)


def actor(person: Member = PERSON, origin: Origin | None = None, **more: Any) -> Actor:
    """Return the user of an interaction; the bot can post in every channel but `CLOSED`."""
    return Actor(
        person, origin or place(), frozenset(), lambda number: ChannelState(exists=number != CLOSED), **more
    )


def refused(check: Callable[..., object], *args: Any, **options: Any) -> RefusedError | None:
    """Return the error that a check raises, or None if it raises none."""
    try:
        check(*args, **options)
    except RefusedError as error:
        return error
    return None


def code_of(check: Callable[..., object], *args: Any, **options: Any) -> str | None:
    error = refused(check, *args, **options)
    return error.code if error else None
