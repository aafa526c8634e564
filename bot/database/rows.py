"""Rows of requests, runs and messages: read them as records, write new ones, and change them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    Row,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    case,
    exists,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bot.database.tables import is_any, messages, queues, requests, runs
from bot.domain.messages import CARDS, COPIES, Message, Messages, Place, Purpose, Rendering
from bot.domain.picture_check import Verdict, numbers_with
from bot.domain.runs import FINAL, Output, Run, RunState


def earlier(column: Column[Any], at: datetime, tie: ColumnElement[bool]) -> ColumnElement[bool]:
    """Match the rows that come after one of the time `at`, if the newest come first.

    `tie` matches those of the same time. Only the first condition can use an index.
    """
    return and_(column <= at, or_(column < at, tie))


# What keeps a waiting run from starting: a rule about this run, or one about its whole queue.
_is_held = runs.c.waiting_code.is_not(None)
_REASON = {
    "waiting_code": case((_is_held, runs.c.waiting_code), else_=queues.c.waits_for),
    "waiting_params": case((_is_held, runs.c.waiting_params), else_=queues.c.waits_params),
}
_RUN_COLUMNS = tuple(
    _REASON[field.name].label(field.name)
    if field.name in _REASON
    else runs.c[field.name]
    if field.name in runs.c
    else requests.c[field.name]
    for field in fields(Run)
)
_LISTED_COLUMNS = tuple(
    null().label("outputs") if column is runs.c.outputs else column for column in _RUN_COLUMNS
)
_RUN_FIELDS = tuple(column.name for column in _RUN_COLUMNS)
# A run with its request.
WITH_REQUEST = runs.join(requests, requests.c.key == runs.c.request_key)
_WITH_QUEUE = WITH_REQUEST.outerjoin(
    queues, and_(queues.c.deployment == runs.c.deployment, runs.c.state == RunState.WAITING)
)


def select_runs() -> Select[Any]:
    return select(*_RUN_COLUMNS).select_from(_WITH_QUEUE)


_BY_KEYS = select_runs().where(runs.c.key.in_(bindparam("keys", expanding=True)))
_OF_REQUESTS = (
    select_runs().where(runs.c.request_key.in_(bindparam("keys", expanding=True))).order_by(runs.c.index)
)
_LISTED_OF_REQUESTS = _OF_REQUESTS.with_only_columns(*_LISTED_COLUMNS)
_INSERTS = {table: insert(table) for table in (requests, runs)}


def to_run(row: Row[Any]) -> Run:
    values: dict[str, Any] = dict(zip(_RUN_FIELDS, row, strict=True))
    values["outputs"] = tuple(Output(**item) for item in values["outputs"] or ())
    values["state"] = RunState(values["state"])
    if numbers_with(values["verdicts"], Verdict.SPOILER):
        values["spoiler"] = True
    values["file_deployments"] = tuple(values["file_deployments"])
    if values["index"]:
        # The answer shows the whole request, so only its first run may be shown there.
        values["status_message_id"] = values["interaction_token"] = None
    if values["waiting_code"] is not None:
        values["queue_position"] = None  # the message shows what the run waits for instead
    if values["requester_roles"] is not None:
        values["requester_roles"] = tuple(values["requester_roles"])
    return Run(**values)


def read_runs(connection: Connection, keys: Collection[str]) -> list[Run]:
    """Return the runs with these keys that are still stored, in no particular order."""
    return [to_run(row) for row in connection.execute(_BY_KEYS, {"keys": list(keys)})]


def runs_of(connection: Connection, request_key: str) -> list[Run]:
    """Return the runs of a request in their order. There are none if it doesn't exist."""
    return list(read_batches(connection, [request_key])[request_key])


def read_batches(
    connection: Connection, keys: Collection[str], *, listed: bool = False
) -> Mapping[str, Sequence[Run]]:
    """Return the runs of each of these requests in their order. There are none of one that doesn't exist.

    If `listed`, they lack their outputs, which may hold a megabyte of text.
    """
    found = {key: list[Run]() for key in keys}
    for row in connection.execute(_LISTED_OF_REQUESTS if listed else _OF_REQUESTS, {"keys": list(keys)}):
        run = to_run(row)
        found[run.request_key].append(run)
    return found


def new_row(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in _RUN_FIELDS}


def insert_rows(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert runs from rows with the columns of both tables, and the requests of the first ones."""
    firsts = [{**row, "key": row["request_key"]} for row in rows if not row.get("index")]
    for table, found in ((requests, firsts), (runs, rows)):
        if found:
            values = [{name: row[name] for name in row if name in table.c} for row in found]
            connection.execute(_INSERTS[table], values)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, except those that exist, because another transaction may have inserted them."""
    connection.execute(_create(table, connection.dialect.name).on_conflict_do_nothing(), rows)


def _create(table: Table, dialect: str) -> Any:
    return (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)


Change = tuple[Mapping[str, object], Mapping[str, object]]
"""Which rows to change, by their columns, and the new values of others."""


def set_columns(
    connection: Connection,
    table: Table,
    which: Mapping[str, object],
    values: Mapping[str, object],
    add: Mapping[str, float] = {},
) -> int:
    """Update the rows whose columns equal `which`, and return their number.

    `values` are set, and the numbers in `add` added. None in `which` matches nothing.
    """
    statement = _update(table, tuple(which), tuple(values), tuple(add))
    return connection.execute(statement, _parameters(which, values, add)).rowcount


def set_each(
    connection: Connection, table: Table, changes: Iterable[Change], add: Mapping[str, float] = {}
) -> None:
    """Make several changes, each as `set_columns` would, with one statement for all with the same columns."""
    alike = defaultdict[tuple[tuple[str, ...], tuple[str, ...]], list[Change]](list)
    for which, values in changes:
        alike[tuple(which), tuple(values)].append((which, values))
    for (of, names), found in alike.items():
        statement = _update(table, of, names, tuple(add))
        connection.execute(statement, [_parameters(which, values, add) for which, values in found])


def _parameters(
    which: Mapping[str, object], values: Mapping[str, object], add: Mapping[str, float]
) -> dict[str, object]:
    of = {f"of_{name}": value for name, value in which.items()}
    new = {f"new_{name}": value for name, value in values.items()}
    return {**of, **new, **{f"more_{name}": value for name, value in add.items()}}


# Cached, because building a statement takes longer than executing it.
@cache
def _update(table: Table, of: tuple[str, ...], set_: tuple[str, ...], add: tuple[str, ...]) -> Update:
    columns = table.c
    new = {name: bindparam(f"new_{name}", type_=columns[name].type) for name in set_}
    more = {name: columns[name] + bindparam(f"more_{name}", type_=columns[name].type) for name in add}
    which = (columns[name] == bindparam(f"of_{name}", type_=columns[name].type) for name in of)
    return update(table).where(*which).values(new | more)


is_pending = messages.c.wanted_rev > messages.c.shown_rev
# A message that starts again: with all its files, at the first place.
FRESH = {"rendering": 0, "place": None, "failures": 0, "offered": False, "deleted_by": None}
_MESSAGES_OF = (
    select(*(messages.c[name] for name in Message.__slots__))
    .where(messages.c.request_key.in_(bindparam("keys", expanding=True)))
    .order_by(messages.c.purpose, messages.c.number)
)
_STATUS_OF = update(messages).where(
    messages.c.request_key == bindparam("of_request"), messages.c.purpose == Purpose.STATUS
)
_REVISE = _STATUS_OF.values(wanted_rev=messages.c.wanted_rev + 1)
# Stops the edits of a status message, because the outcome is shown.
SETTLE_STATUS = _STATUS_OF.values(shown_rev=messages.c.wanted_rev)


def revise(connection: Connection, keys: Collection[str]) -> None:
    """Have the status messages of these locked requests edited."""
    connection.execute(_REVISE, [{"of_request": key} for key in sorted(keys)])


def want(
    connection: Connection,
    request_key: str,
    purpose: Purpose,
    number: int,
    now: datetime,
    values: Mapping[str, object] | None = None,
) -> None:
    """Have a message of a locked request shown or changed: create its row, or bump its revision."""
    values = {"due_at": now, "since": now, **(values or {})}
    row = {"posted": (), "stale": (), **message_key(request_key, purpose, number), **values}
    connection.execute(_want(connection.dialect.name, tuple(values)), row)


@cache
def _want(dialect: str, names: tuple[str, ...]) -> Executable:
    insert = _create(messages, dialect)
    changed = {name: insert.excluded[name] for name in names}
    bumped = {**changed, "wanted_rev": messages.c.wanted_rev + 1}
    statement: Executable = insert.on_conflict_do_update(
        index_elements=list(messages.primary_key), set_=bumped
    )
    return statement


def bump(connection: Connection, request_key: str, now: datetime, which: ColumnElement[bool]) -> None:
    """Have those messages of a locked request changed that exist and match."""
    own = update(messages).where(messages.c.request_key == request_key, which)
    connection.execute(own.values(wanted_rev=messages.c.wanted_rev + 1, due_at=now, since=now))


def about_result(run: Run) -> ColumnElement[bool]:
    """Match the messages of a request that show the result of one of its runs, or link to it."""
    number = messages.c.number == run.index
    return or_(
        messages.c.purpose == Purpose.OUTCOME,
        and_(is_any(messages.c.purpose, {Purpose.LATE, Purpose.REPORT, *COPIES}), number),
        and_(is_any(messages.c.purpose, CARDS), messages.c.number == 0),
    )


def nothing_pending() -> ColumnElement[bool]:
    """Match the requests that have ended, wait for no moderator, and have no message to post or change."""
    own = messages.c.request_key == requests.c.key
    is_unsettled = runs.c.state.not_in(FINAL) | runs.c.held_until.is_not(None)
    active = exists().where(runs.c.request_key == requests.c.key, is_unsettled)
    pending = exists().where(own, is_pending, messages.c.purpose != Purpose.STATUS)
    return and_(~active.correlate(requests), ~pending.correlate(requests))


def read_messages(connection: Connection, keys: Collection[str]) -> Mapping[str, Messages]:
    """Return the messages of these requests. A request without messages has an empty mapping."""
    found: dict[str, dict[tuple[Purpose, int], Message]] = defaultdict(dict)
    for row in connection.execute(_MESSAGES_OF, {"keys": list(keys)}):
        values: dict[str, Any] = dict(zip(Message.__slots__, row, strict=True))
        purpose = values["purpose"] = Purpose(values["purpose"])
        values["rendering"] = Rendering(values["rendering"])
        if values["place"] is not None:
            values["place"] = Place(values["place"])
        found[values["request_key"]][purpose, values["number"]] = Message(**values)
    return found


def messages_of(connection: Connection, request_key: str) -> Messages:
    return read_messages(connection, [request_key])[request_key]


def message_key(request_key: str, purpose: Purpose, number: int) -> dict[str, object]:
    """Return the columns that identify a message, as `set_columns` takes them."""
    return {"request_key": request_key, "purpose": purpose, "number": number}
