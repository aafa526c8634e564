"""Apply a change to a run, and have the outcome shown when the batch's last run ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, Update, bindparam, exists, select, update

from bot.database.message_rows import FRESH, bump, is_untouched, settle_answer, want
from bot.database.rows import revise
from bot.database.tables import messages, requests, runs
from bot.domain.messages.records import Kind
from bot.domain.queue.fair_queue import NO_TURN, gives_turn_back
from bot.domain.runs import FINAL, Run, RunState
from bot.domain.transitions import Change
from bot.store.audit import record_end
from bot.store.ledger import post

# Whether another run of the request is still active.
_GOES_ON = select(
    exists().where(
        runs.c.request_key == bindparam("batch"),
        runs.c.key != bindparam("except"),
        runs.c.state.not_in(FINAL),
    )
)


def apply_change(connection: Connection, run: Run, change: Change, now: datetime, **more: object) -> None:
    """Write a change to a run that `bot.database.row_locks` has locked, with `more` columns.

    If the change ends the run, this also writes the audit entry and bumps the messages that follow. What
    the change makes of the run's cost is posted to the ledger, so several runs are changed in the order of
    `ledger.by_day`.
    """
    values = _columns(run, change) | more
    if not _write(connection, run, values, visible=change.visible):
        return
    if change.ends_run:
        _end(connection, run, now)
    post(connection, run, values)


def _end(connection: Connection, run: Run, now: datetime) -> None:
    record_end(connection, run, now)
    if run.is_first_in_batch and run.state is RunState.AWAITING_APPROVAL:
        bump(connection, run.request_key, now, messages.c.kind == Kind.REVIEW)
    if run.final:
        _show_late(connection, run, now)
    elif not connection.scalar(_GOES_ON, {"batch": run.request_key, "except": run.key}):
        settle_answer(connection, run.request_key)
        want(connection, run.request_key, Kind.OUTCOME, 0, now, {"channel_id": run.channel_id})


def _columns(run: Run, change: Change) -> dict[str, object]:
    columns: dict[str, object] = {**change.values, "state": change.state}
    if change.state is not run.state and gives_turn_back(run.state, change.state):
        columns["queue_tag"] = NO_TURN
    return columns


def _write(connection: Connection, run: Run, values: Mapping[str, object], *, visible: bool) -> bool:
    """Write columns of the run and its request; return whether the run had its old state."""
    own = {name: value for name, value in values.items() if name in runs.c}
    which = {"of_key": run.key, "old_state": run.state}
    if connection.execute(_update_run(frozenset(own)), {**which, **_as_new(own)}).rowcount != 1:
        return False
    if of_request := {name: value for name, value in values.items() if name not in runs.c}:
        statement = _update_request(frozenset(of_request))
        connection.execute(statement, {"of_key": run.request_key, **_as_new(of_request)})
    if visible:
        revise(connection, [run.request_key])
    return True


# Cached, because building a statement takes longer than executing it.
@cache
def _update_run(names: frozenset[str]) -> Update:
    """Return an update of these columns of a run, if the run is in a certain state."""
    old = (runs.c.key == bindparam("of_key"), runs.c.state == bindparam("old_state"))
    return update(runs).where(*old).values(_new(runs, names))


@cache
def _update_request(names: frozenset[str]) -> Update:
    """Return an update of these columns of a request."""
    return update(requests).where(requests.c.key == bindparam("of_key")).values(_new(requests, names))


def _new(table: Table, names: frozenset[str]) -> dict[str, Any]:
    return {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}


def _as_new(values: Mapping[str, object]) -> dict[str, object]:
    return {f"new_{name}": value for name, value in values.items()}


def _show_late(connection: Connection, run: Run, now: datetime) -> None:
    """Have a result shown that came after the run's end.

    If the run's earlier, partial result was deleted, the new one isn't shown, either. A batch's outcome that
    may have been posted stays as it is, so the result has a message of its own. If other runs of the batch
    are still active, their outcome will show this one, too.
    """
    if run.deleted_at is not None:
        return
    outcome = (messages.c.request_key == run.request_key, messages.c.kind == Kind.OUTCOME)
    found = connection.execute(select(is_untouched().label("untouched")).where(*outcome)).first()
    if found is not None:
        alone = run.count > 1 and not found.untouched
        kind, number = (Kind.LATE, run.index) if alone else (Kind.OUTCOME, 0)
        want(connection, run.request_key, kind, number, now, {**FRESH, "channel_id": run.channel_id})
