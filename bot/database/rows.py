"""Rows of requests and runs: read them as records, write new ones, and update any table's rows by key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    case,
    insert,
    or_,
    select,
    update,
)

from bot.database.tables import messages, queues, requests, runs
from bot.domain.messages.records import Kind
from bot.domain.requests import GenerationRequest
from bot.domain.runs import Output, Run, RunState

# In both functions, only the first condition can use an index. The second one applies `tie`.


def earlier(column: Column[Any], at: datetime, tie: ColumnElement[bool]) -> ColumnElement[bool]:
    """Match the rows on the pages after a row of the time `at`, if the newest rows come first."""
    return and_(column <= at, or_(column < at, tie))


def later(column: Column[Any], at: datetime, tie: ColumnElement[bool]) -> ColumnElement[bool]:
    """Match the rows on the pages after a row of the time `at`, if the oldest rows come first."""
    return and_(column >= at, or_(column > at, tie))


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
_LISTED_COLUMNS = tuple(column for column in _RUN_COLUMNS if column is not runs.c.outputs)
_RUN_FIELDS = tuple(column.name for column in _RUN_COLUMNS)
_LISTED_FIELDS = tuple(column.name for column in _LISTED_COLUMNS)
_REVISE = (
    update(messages)
    .where(messages.c.request_key == bindparam("changed"), messages.c.kind == Kind.ANSWER)
    .values(wanted_rev=messages.c.wanted_rev + 1)
)
# A run with its request.
WITH_REQUEST = runs.join(requests, requests.c.key == runs.c.request_key)
_WITH_QUEUE = WITH_REQUEST.outerjoin(
    queues, and_(queues.c.deployment == runs.c.deployment, runs.c.state == RunState.WAITING)
)


def select_runs(*more: Any) -> Select[Any]:
    """Select runs with their requests, as `to_run` needs them, and `more` columns."""
    return select(*_RUN_COLUMNS, *more).select_from(_WITH_QUEUE)


_BY_KEYS = select_runs().where(runs.c.key.in_(bindparam("keys", expanding=True)))
_OF_REQUEST = select_runs().where(runs.c.request_key == bindparam("request")).order_by(runs.c.index)
REQUEST_OF = select(runs.c.request_key).where(runs.c.key == bindparam("of")).scalar_subquery()
_WITH_RUN = select_runs().where(runs.c.request_key == REQUEST_OF).order_by(runs.c.index)
_INSERTS = {table: insert(table) for table in (requests, runs)}


def select_listed_runs() -> Select[Any]:
    """Select runs with their requests, as `to_listed_run` needs them.

    The outputs are left out, because they may hold a megabyte of text.
    """
    return select(*_LISTED_COLUMNS).select_from(_WITH_QUEUE)


def to_run(row: Row[Any]) -> Run:
    """Build a Run from a row of `select_runs`."""
    values = dict(zip(_RUN_FIELDS, row, strict=False))
    values["outputs"] = tuple(Output(**item) for item in values["outputs"])
    return _run(values)


def to_listed_run(row: Row[Any]) -> Run:
    """Build a Run without its outputs from a row of `select_listed_runs`."""
    return _run(dict(zip(_LISTED_FIELDS, row, strict=False)))


def _run(values: dict[str, Any]) -> Run:
    values["state"] = RunState(values["state"])
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
    return [to_run(row) for row in connection.execute(_OF_REQUEST, {"request": request_key})]


def runs_with(connection: Connection, key: str) -> list[Run]:
    """Return the runs of the request that the run `key` belongs to. There are none if it doesn't exist."""
    return [to_run(row) for row in connection.execute(_WITH_RUN, {"of": key})]


def new_row(request: GenerationRequest, now: datetime) -> dict[str, object]:
    """Return the columns of a new request and of its run that the run's request determines."""
    return {
        **request.model_dump(exclude={"origin", "offers_gpus"}),
        **request.origin.model_dump(exclude={"age_restricted"}),
        "channel_age_restricted": request.origin.age_restricted,
        "created_at": now,
        "outputs": [],
        "failure_params": {},
    }


def insert_rows(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert runs from rows with the columns of both tables, and the requests of the first ones."""
    firsts = [{**row, "key": row["request_key"]} for row in rows if not row.get("index")]
    for table, found in ((requests, firsts), (runs, rows)):
        if found:
            values = [{name: row[name] for name in row if name in table.c} for row in found]
            connection.execute(_INSERTS[table], values)


def revise(connection: Connection, keys: Collection[str]) -> None:
    """Have the status messages of these locked requests edited."""
    connection.execute(_REVISE, [{"changed": key} for key in sorted(keys)])


def set_columns(
    connection: Connection,
    table: Table,
    which: Mapping[str, object],
    values: Mapping[str, object],
    add: Mapping[str, int] = {},
) -> int:
    """Update the rows whose columns equal `which`, and return their number.

    `values` are set, and the numbers in `add` added. None in `which` matches nothing.
    """
    statement = _update(table, tuple(which), tuple(values), tuple(add))
    of = {f"of_{name}": value for name, value in which.items()}
    new = {f"new_{name}": value for name, value in values.items()}
    more = {f"more_{name}": value for name, value in add.items()}
    return connection.execute(statement, {**of, **new, **more}).rowcount


# Cached, because building a statement takes longer than executing it.
@cache
def _update(table: Table, of: tuple[str, ...], set_: tuple[str, ...], add: tuple[str, ...]) -> Update:
    columns = table.c
    new = {name: bindparam(f"new_{name}", type_=columns[name].type) for name in set_}
    more = {name: columns[name] + bindparam(f"more_{name}", type_=columns[name].type) for name in add}
    which = (columns[name] == bindparam(f"of_{name}", type_=columns[name].type) for name in of)
    return update(table).where(*which).values(new | more)
