"""Read, end and cancel runs, and record updates and progress.

Each change is one transaction, so if the process is killed, either the whole change is stored or nothing. A
conditional UPDATE decides which of two concurrent changes wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from bot.database.engine import Repository, reads, writes, writes_unsynced
from bot.database.row_locks import lock_batch, lock_requests, lock_requests_of, lock_run
from bot.database.rows import (
    FRESH,
    bump,
    messages_of,
    read_runs,
    revise,
    runs_of,
    set_columns,
    set_each,
    want,
)
from bot.database.rows import Change as RowChange
from bot.database.tables import is_any, messages, requests, runs
from bot.domain.errors import BotError, RefusedForNow
from bot.domain.messages import Purpose
from bot.domain.moderation import AuditAction
from bot.domain.requests import Origin
from bot.domain.run_timing import NO_TURN, SETTLE_AFTER, billed_seconds, next_settling, poll_after_update
from bot.domain.runs import FINAL, IN_FLIGHT, NOT_SUBMITTED, Run, RunState, RunUpdate
from bot.domain.text.run_log import failure_code
from bot.domain.transitions import REVIVABLE, Change, apply_update, end, is_progress
from bot.store.audit import add_entries, record_end, request_entry
from bot.store.ledger import by_day, post
from bot.store.rules import read_rules


class ForeignRunUpdate(BotError):
    """An update has a run's key, but the id of another run of ComfyDeploy."""


class RunStore(Repository):
    @reads
    def get(self, connection: Connection, key: str) -> Run | None:
        return next(iter(read_runs(connection, [key])), None)

    @reads
    def batch(self, connection: Connection, run: Run) -> Sequence[Run]:
        return runs_of(connection, run.request_key)

    @reads
    def several(self, connection: Connection, keys: Set[str]) -> Sequence[Run]:
        return read_runs(connection, keys)

    @writes_unsynced
    def record_update(
        self,
        connection: Connection,
        key: str,
        run_update: RunUpdate,
        now: datetime,
        next_check: datetime,
        *,
        asked: bool = False,
    ) -> Change | None:
        """Record an update from a webhook or a poll, and return the change that it makes, with all columns.

        Returns None if nothing changes, or nothing of an ended run that a message shows. `asked` marks a
        reply to GET /run. Unless the change sets another time, the run is polled at `next_check` or its
        deadline. Raises RunGone, and ForeignRunUpdate if the key belongs to another run of ComfyDeploy.
        """
        run = lock_run(connection, key)
        if run.run_id not in (None, run_update.run_id):
            raise ForeignRunUpdate(f"run {key} is {run.run_id}, not {run_update.run_id}")
        change = apply_update(run, run_update, now, asked=asked)
        if asked and run.final and run_update.state in FINAL and (change is None or not change.ends_run):
            return _settle(connection, run, run_update, now)
        if change is None:
            return None
        values = _with_next_poll(run, change, now, next_check)
        if change.state in FINAL:
            values |= _weight_of_used(connection, run, run_update)
            is_over = change.ends_run or change.state not in REVIVABLE
            if is_over and change.values.get("due_at") is None:
                values["due_at"] = next_settling(run, run_update, now) if asked else now + SETTLE_AFTER
        apply_change(connection, run, change, now, **values)
        return replace(change, values=values)

    @writes
    def finish(
        self,
        connection: Connection,
        key: str,
        target: RunState,
        now: datetime,
        *,
        code: str,
        params: Mapping[str, object] | None = None,
    ) -> bool:
        """End a run without an update from ComfyDeploy, or a whole batch that awaits approval.

        Returns False if the run's state no longer allows `target`.
        """
        batch = lock_batch(connection, key)
        if all(run.state is not RunState.AWAITING_APPROVAL for run in batch):
            batch = [run for run in batch if run.key == key]
        for each in batch:
            change = end(each, target, now, code, params or {})
            if change is None:
                return False
            # It is polled again for its real duration, unless ComfyDeploy may not have it.
            polled = {"due_at": now + SETTLE_AFTER, "checks": 0} if each.run_id is not None else {}
            apply_change(connection, each, change, now, **polled)
        return True

    @writes
    def request_cancel(
        self, connection: Connection, key: str, now: datetime, *, by: int, answer_by: Origin | None = None
    ) -> bool:
        """Cancel the active runs of a batch; return False if none is active.

        Waiting runs end at once, the others once ComfyDeploy has stopped them. If `answer_by` is set, the
        status message is edited through that interaction from now on.
        """
        batch = lock_batch(connection, key)
        if answer_by is not None:
            token, expires = answer_by.interaction_token, answer_by.interaction_expires_at
            answer = {"interaction_token": token, "interaction_expires_at": expires}
            set_columns(connection, requests, {"key": batch[0].request_key}, answer)
        active = [run for run in batch if not run.final]
        cancelled = [run for run in by_day(active) if run.is_cancellable]
        if cancelled:
            add_entries(connection, request_entry(cancelled, AuditAction.CANCEL, by, now))
        for run in cancelled:
            own = replace(run, cancel_requested_at=now, cancelled_by=by)
            change = end(own, RunState.CANCELLED, now, own.cancel_code, {})
            if run.state not in NOT_SUBMITTED or change is None:
                change = Change(run.state, {"due_at": now} if run.run_id else {}, visible=True)
            apply_change(connection, run, change, now, cancel_requested_at=now, cancelled_by=by)
        return bool(active)

    @writes
    def stop_checking(self, connection: Connection, claimed: Run) -> None:
        """Stop polling a run that was claimed for a check, unless it was reported or claimed again since."""
        set_columns(connection, runs, {"key": claimed.key, "checks": claimed.checks + 1}, {"due_at": None})

    @writes
    def refuse_cancel(self, connection: Connection, cancelled: Run) -> None:
        """Withdraw a cancellation that ComfyDeploy can't carry out, and say so. A later one stays."""
        same = runs.c.cancel_requested_at == cancelled.cancel_requested_at
        lock_requests(connection, [cancelled.request_key])
        withdrawn = connection.execute(
            update(runs)
            .where(runs.c.key == cancelled.key, same, runs.c.state.not_in(FINAL))
            .values(cancel_requested_at=None, cancelled_by=None)
        )
        if withdrawn.rowcount:
            noted = {"status_note": "not_cancellable"}
            set_columns(connection, requests, {"key": cancelled.request_key}, noted)
            revise(connection, [cancelled.request_key])

    @writes
    def note_deadline(self, connection: Connection, key: str, code: str) -> None:
        """Store the failure code of a run before it is cancelled at its deadline.

        The webhook about the cancellation may arrive before the reply to the cancel call.
        """
        own = update(runs).where(runs.c.key == key, is_any(runs.c.state, IN_FLIGHT))
        connection.execute(own.values(failure_code=code))

    @writes_unsynced
    def save_progress(
        self,
        connection: Connection,
        run_updates: Mapping[str, tuple[RunUpdate, datetime]],
        next_check: datetime,
    ) -> None:
        """Record those of these updates that only tell the progress of their run, as of their times."""
        changes, visible = list[RowChange](), set[str]()
        lock_requests_of(connection, run_updates.keys())
        for run in read_runs(connection, run_updates.keys()):
            run_update, now = run_updates[run.key]
            if not is_progress(run.state, run_update.state) or run.run_id != run_update.run_id:
                continue
            change = apply_update(run, run_update, now, asked=False)
            if change is not None:
                values = _with_next_poll(run, change, now, next_check)
                changes.append(({"key": run.key}, {"state": change.state, **values}))
                visible |= {run.request_key} if change.visible else set()
        set_each(connection, runs, changes)
        if visible:
            revise(connection, visible)


def _with_next_poll(run: Run, change: Change, now: datetime, next_check: datetime) -> dict[str, object]:
    """Return the columns of a change, with the time of the next poll unless the change sets it."""
    if isinstance(started_at := change.values.get("started_at"), datetime):
        run = replace(run, started_at=started_at)
    poll_at = poll_after_update(run, now, next_check)
    later = {"due_at": poll_at, "checks": 0} if poll_at is not None else {}
    return {**later, **change.values}


def _settle(connection: Connection, run: Run, run_update: RunUpdate, now: datetime) -> Change | None:
    """Store the GPU, duration and log that were fetched for an ended run, and when to poll it next.

    If the log changes what the outcome says, have that edited, and return a change.
    """
    values: dict[str, object] = {"due_at": next_settling(run, run_update, now)}
    if run_update.log and run.erased_at is None:
        values["failure_log"] = run_update.log
    if run_update.gpu:
        values["gpu_used"] = run_update.gpu
    duration = billed_seconds(run, run_update, now)
    if duration is not None:
        values |= {"run_duration": duration, **_weight_of_used(connection, run, run_update)}
    set_columns(connection, runs, {"key": run.key}, values)
    post(connection, run, values)
    # What only the interaction could edit stays as it is.
    is_other = "failure_log" in values and failure_code(run_update.log) != failure_code(run.failure_log)
    if not is_other or run.needs_interaction:
        return None
    bump(connection, run.request_key, now, messages.c.purpose == Purpose.OUTCOME)
    return Change(run.state, values, visible=True)


def _weight_of_used(connection: Connection, run: Run, run_update: RunUpdate) -> dict[str, object]:
    """Return the column with the weight of the GPU that ComfyDeploy reported, if that isn't the run's own."""
    if not run_update.gpu or run_update.gpu == run.gpu:
        return {}
    try:
        return {"weight": read_rules(connection, run.guild_id).budgets.weight_of(run_update.gpu)}
    except RefusedForNow:
        # Rules that can't be read forbid new requests; they must not keep a finished run from being shown.
        return {}


def apply_change(connection: Connection, run: Run, change: Change, now: datetime, **more: object) -> None:
    """Write a change to a run that `bot.database.row_locks` has locked, with `more` columns.

    This also writes the audit entry of an end, bumps the messages that follow, and posts the cost to the
    ledger, so several runs are changed in the order of `ledger.by_day`.
    """
    values: dict[str, Any] = {**change.values, "state": change.state, **more}
    if change.state in FINAL and (run.state in NOT_SUBMITTED or change.state is RunState.REFUSED):
        values["queue_tag"] = NO_TURN  # it wasn't started, so it costs its user no turn
    own = {name: value for name, value in values.items() if name in runs.c}
    if "outputs" in own:
        own |= {"verdicts": None, "held_until": None}  # a late success made others, which have to be checked
    if not set_columns(connection, runs, {"key": run.key, "state": run.state}, own):
        return
    if of_request := {name: value for name, value in values.items() if name not in runs.c}:
        set_columns(connection, requests, {"key": run.request_key}, of_request)
    if "outputs" in own and run.held:
        bump(connection, run.request_key, now, messages.c.purpose == Purpose.PICTURES)
    is_over = False
    if change.ends_run:
        partial, code = own.get("partial", run.partial), own.get("failure_code", run.failure_code)
        ended = replace(run, state=change.state, partial=partial, failure_code=code)
        is_over = record_end(connection, run, ended, now)
    if change.ends_run and run.index == 0 and run.state is RunState.AWAITING_APPROVAL:
        bump(connection, run.request_key, now, messages.c.purpose == Purpose.REVIEW)
    if is_over and not run.final:
        want(connection, run.request_key, Purpose.OUTCOME, 0, now, {"channel_id": run.channel_id})
    if change.visible:
        revise(connection, [run.request_key])
    if change.ends_run and run.final:
        _show_late(connection, run, now)
    if not {run.state, change.state} <= IN_FLIGHT:  # progress costs nothing
        post(connection, run, values)


def _show_late(connection: Connection, run: Run, now: datetime) -> None:
    """Have a result shown that came after the run's end, unless its earlier, partial result was deleted.

    A batch's outcome that may have been posted isn't posted again, so the result has a message of its own. If
    other runs of the batch are still active, their outcome will show this one, too.
    """
    if run.deleted_at is not None:
        return
    outcome = messages_of(connection, run.request_key).get((Purpose.OUTCOME, 0))
    if outcome is not None:
        is_touched = outcome.posted or outcome.attempt or outcome.deleted_by is not None
        alone = run.count > 1 and is_touched
        purpose, number = (Purpose.LATE, run.index) if alone else (Purpose.OUTCOME, 0)
        want(connection, run.request_key, purpose, number, now, {**FRESH, "channel_id": run.channel_id})
