"""Rows of messages: read them as records, and have them shown or changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    insert,
    or_,
    select,
    update,
)

from bot.database.rows import set_columns
from bot.database.tables import messages, requests, runs
from bot.domain.messages.records import COPIES, Attempt, Form, Kind, Message, Part, Place, Shows
from bot.domain.runs import FINAL, Run

Messages = Mapping[tuple[Kind, int], Message]
# The last edit through an interaction is made this long before the interaction ends. It says what happens
# next.
FAREWELL = timedelta(seconds=60)
is_pending = messages.c.wanted_rev > messages.c.shown_rev
# A message that starts again: with all its files, at the first place.
FRESH: Mapping[str, object] = {"form": 0, "place": 0, "failures": 0, "offered": False, "deleted_by": None}
_OF_REQUESTS = (
    select(messages)
    .where(messages.c.request_key.in_(bindparam("keys", expanding=True)))
    .order_by(messages.c.kind, messages.c.number)
)
_SETTLE = (
    update(messages)
    .where(messages.c.request_key == bindparam("of_request"), messages.c.kind == Kind.ANSWER)
    .values(shown_rev=messages.c.wanted_rev, farewell_at=None)
)
_INSERT = insert(messages)


def add_answer(connection: Connection, first: Run, now: datetime) -> None:
    """Create the row of a request's status message, into which the answer to the command is edited."""
    ends = first.interaction_expires_at if first.needs_interaction else None
    farewell = ends - FAREWELL if ends is not None else None
    key = message_key(first.request_key, Kind.ANSWER, 0)
    _insert(connection, {**key, "due_at": now, "since": now, "farewell_at": farewell})


def settle_answer(connection: Connection, request_key: str) -> None:
    """Stop editing a request's status message, because its outcome takes over."""
    connection.execute(_SETTLE, {"of_request": request_key})


def want(
    connection: Connection,
    request_key: str,
    kind: Kind,
    number: int,
    now: datetime,
    values: Mapping[str, object] | None = None,
) -> None:
    """Have a message of a locked request shown or changed: create its row, or bump its revision."""
    values = {"due_at": now, "since": now, **(values or {})}
    key = message_key(request_key, kind, number)
    if not set_columns(connection, messages, key, values, {"wanted_rev": 1}):
        _insert(connection, {**key, **values})


def _insert(connection: Connection, values: Mapping[str, object]) -> None:
    connection.execute(_INSERT, {"posted": [], "stale": [], **values})


def bump(connection: Connection, request_key: str, now: datetime, which: ColumnElement[bool]) -> None:
    """Have those messages of a locked request changed that exist and match."""
    own = update(messages).where(messages.c.request_key == request_key, which)
    connection.execute(own.values(wanted_rev=messages.c.wanted_rev + 1, due_at=now, since=now))


def about_result(run: Run) -> ColumnElement[bool]:
    """Match the messages of a request that show the result of one of its runs, or link to it."""
    number = messages.c.number == run.index
    return or_(
        messages.c.kind == Kind.OUTCOME,
        and_(messages.c.kind.in_({Kind.LATE, Kind.REPORT, *COPIES}), number),
        and_(messages.c.kind.in_({Kind.REPORT, Kind.REVIEW}), messages.c.number == 0),
    )


def is_untouched() -> ColumnElement[bool]:
    """Match messages of which nothing was posted and no attempt may have posted something."""
    return and_(is_pending, messages.c.attempt.is_(None), cast(messages.c.posted, Text) == "[]")


def nothing_pending() -> ColumnElement[bool]:
    """Match the requests that have ended and have no message to post or change."""
    own = messages.c.request_key == requests.c.key
    active = exists().where(runs.c.request_key == requests.c.key, runs.c.state.not_in(FINAL))
    pending = exists().where(own, is_pending, messages.c.kind != Kind.ANSWER)
    return and_(~active.correlate(requests), ~pending.correlate(requests))


def read_messages(
    connection: Connection, keys: Collection[str]
) -> dict[str, dict[tuple[Kind, int], Message]]:
    """Return the messages of these requests."""
    found: dict[str, dict[tuple[Kind, int], Message]] = defaultdict(dict)
    for row in connection.execute(_OF_REQUESTS, {"keys": list(keys)}):
        message = to_message(row)
        found[row.request_key][message.kind, message.number] = message
    return found


def to_message(row: Row[Any]) -> Message:
    """Build a Message from a row."""
    return Message(
        request_key=row.request_key,
        kind=Kind(row.kind),
        number=row.number,
        wanted_rev=row.wanted_rev,
        shown_rev=row.shown_rev,
        posted=tuple(_part(each) for each in row.posted),
        stale=row.stale,
        attempt=_attempt(row.attempt),
        form=Form(row.form),
        place=Place(row.place),
        failures=row.failures,
        channel_id=row.channel_id,
        with_prompt=row.with_prompt,
        offered=row.offered,
        deleted_by=row.deleted_by,
    )


def _part(stored: Mapping[str, Any]) -> Part:
    kinds = {"shows": Shows, "form": Form, "place": Place, "files": tuple}
    return Part(**{name: kinds[name](value) if name in kinds else value for name, value in stored.items()})


def _attempt(stored: Mapping[str, Any] | None) -> Attempt | None:
    return Attempt(datetime.fromisoformat(stored["at"]), _part(stored["part"])) if stored else None


def pack_attempt(attempt: Attempt) -> dict[str, object]:
    return {"at": attempt.at.isoformat(), "part": asdict(attempt.part)}


def message_key(request_key: str, kind: Kind, number: int) -> dict[str, object]:
    """Return the columns that identify a message, as `set_columns` takes them."""
    return {"request_key": request_key, "kind": kind, "number": number}
