"""Apply a change to a run, and have the outcome shown when the batch's last run ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from bot.database.message_rows import FRESH, bump, is_untouched, settle_answer, want
from bot.database.rows import revise, set_columns
from bot.database.tables import messages, requests, runs
from bot.domain.fair_queue import NO_TURN, gives_turn_back
from bot.domain.messages.records import Kind
from bot.domain.runs import Run, RunState
from bot.domain.transitions import Change
from bot.store.audit import record_end
from bot.store.ledger import post


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
    is_over = record_end(connection, run, now)
    if run.is_first_in_batch and run.state is RunState.AWAITING_APPROVAL:
        bump(connection, run.request_key, now, messages.c.kind == Kind.REVIEW)
    if run.final:
        _show_late(connection, run, now)
    elif is_over:
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
    if not set_columns(connection, runs, {"key": run.key, "state": run.state}, own):
        return False
    if of_request := {name: value for name, value in values.items() if name not in runs.c}:
        set_columns(connection, requests, {"key": run.request_key}, of_request)
    if visible:
        revise(connection, [run.request_key])
    return True


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
