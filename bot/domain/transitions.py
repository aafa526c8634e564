"""Decide how an event changes a run: from (run, event, now) to the columns to write.

ComfyDeploy repeats, reorders and drops its events, so their order isn't trusted: final states don't
change, progress only grows, and a success counts only with its outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.runs import FINAL, IN_FLIGHT, Output, Run, RunReport, RunState

S = RunState

_ENDS = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT})
# Our own verdicts about runs that may still be executing and are paid for: a late success is delivered.
REVIVABLE = frozenset({S.UNCONFIRMED, S.TIMED_OUT})

TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    S.AWAITING_APPROVAL: frozenset({S.WAITING, S.REFUSED, S.REJECTED, S.EXPIRED, S.CANCELLED}),
    # A webhook for a run in WAITING proves that its queue call was accepted although it seemed to fail.
    S.WAITING: frozenset({S.SUBMITTING, S.REFUSED, S.QUEUED, S.RUNNING, S.UPLOADING, *_ENDS}),
    # Back to WAITING only if the backend can't have accepted the call.
    S.SUBMITTING: frozenset({S.WAITING, S.QUEUED, S.RUNNING, S.UPLOADING, S.REFUSED, S.UNCONFIRMED, *_ENDS}),
    S.QUEUED: frozenset({S.RUNNING, S.UPLOADING, *_ENDS}),
    S.RUNNING: frozenset({S.UPLOADING, *_ENDS}),
    S.UPLOADING: _ENDS,
    S.UNCONFIRMED: frozenset({S.SUCCEEDED}),
    S.TIMED_OUT: frozenset({S.SUCCEEDED}),
    **{s: frozenset[RunState]() for s in FINAL - REVIVABLE},
}


def sources(target: RunState) -> frozenset[RunState]:
    """Return the states from which `target` may be entered."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)


# The 400 that explains a `failed` webhook arrives about 0.15 s after it, so the outcome waits for it.
REASON_GRACE = timedelta(seconds=3)
_GPU_NAME = 32
# The failure code of a run that ended because its requester was blocked.
REQUESTER_BLOCKED = "requester_blocked"
# The states that ComfyDeploy reports; only the bot sets the others.
REPORTED = (IN_FLIGHT - {RunState.SUBMITTING}) | {
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Change:
    """The columns to write. A change that ends the run says from when its outcome may be posted.

    `visible` changes make the status message out of date.
    """

    state: RunState
    values: Mapping[str, object] = field(default_factory=dict)
    outcome_due_at: datetime | None = None
    visible: bool = False

    @property
    def ends_run(self) -> bool:
        return self.outcome_due_at is not None


def belongs(run: Run, report: RunReport) -> bool:
    """Return whether a report names this run; any report does while the run's `run_id` is unknown."""
    return run.run_id is None or run.run_id == report.run_id


def apply_report(run: Run, report: RunReport, now: datetime, *, asked: bool = False) -> Change | None:
    """Return what a report changes, or None. `asked`: it is the reply of GET /run, which is complete."""
    if run.state is RunState.AWAITING_APPROVAL:
        return None  # the run was never sent to ComfyDeploy, and a report can't approve it
    values = _run_id(run, report, now)
    target = report.state
    if target is RunState.SUCCEEDED and not report.outputs and not asked:
        # Late "Executing …" events say success without outputs: ask GET /run before believing them.
        target = RunState.UPLOADING
        if run.state not in FINAL - REVIVABLE:
            values["due_at"] = now
    elif run.state in REVIVABLE and target in FINAL - {RunState.SUCCEEDED}:
        values["due_at"] = None  # it has ended at ComfyDeploy as well, so there is nothing to ask any more
    elif run.state is RunState.WAITING and target not in REPORTED:
        target = RunState.QUEUED  # an unknown status, but ComfyDeploy has the run: no second queue call
    if target not in REPORTED or target not in TRANSITIONS[run.state]:
        return _without_transition(run, report, values)
    values |= _transition(run, report, target, now)
    if target in IN_FLIGHT:
        values |= _progress(run, report)
        return Change(target, values, visible=True)
    early_failure = target is RunState.FAILED and run.state is RunState.SUBMITTING
    due_at = now + REASON_GRACE if early_failure else now
    return Change(target, values, outcome_due_at=due_at, visible=True)


def _run_id(run: Run, report: RunReport, now: datetime) -> dict[str, object]:
    """Return the columns that change because the report is the first to name the run's id."""
    if run.run_id is not None:
        return {}
    # A cancellation may have waited for an id to cancel.
    cancelling = {"due_at": now} if run.cancel_requested_at is not None else {}
    # The run was requeued although its call had been accepted: its deadline counts from here.
    resubmitted = {"submitted_at": now} if run.state is RunState.WAITING else {}
    return {"run_id": report.run_id, **cancelling, **resubmitted}


def end(run: Run, target: RunState, now: datetime, code: str, params: Mapping[str, object]) -> Change | None:
    """Return our own verdict, such as refused or timed out; None if the run's state forbids it."""
    if target not in TRANSITIONS[run.state]:
        return None
    values = {"failure_code": code, "failure_params": dict(params), "ended_at": now, "due_at": None}
    if run.started_at is not None and run.run_duration is None:
        # No report will tell the duration, but it is billed and counts against the daily limit.
        values["run_duration"] = (now - run.started_at).total_seconds()
    return Change(target, values, outcome_due_at=now, visible=True)


def end_for_block(run: Run, moderator_id: int, reason: str | None, now: datetime) -> Change | None:
    """End a run whose requester was blocked; return None if ComfyDeploy may have it already."""
    if run.state not in (RunState.AWAITING_APPROVAL, RunState.WAITING) or run.run_id is not None:
        return None
    # REJECTED instead of REFUSED hides inputs that no moderator approved from the channel.
    unapproved = run.state is RunState.AWAITING_APPROVAL
    target = RunState.REJECTED if unapproved else RunState.REFUSED
    change = end(run, target, now, REQUESTER_BLOCKED, {"reason": reason} if reason else {})
    if change is None or not unapproved:
        return change
    return replace(change, values={**change.values, "decided_by": moderator_id, "decided_at": now})


def _without_transition(run: Run, report: RunReport, values: dict[str, object]) -> Change | None:
    if run.state in IN_FLIGHT and report.state is run.state:
        values |= _progress(run, report)
    if not values:
        return None
    return Change(run.state, values, visible=bool(values.keys() - {"due_at", "run_id"}))


def _progress(run: Run, report: RunReport) -> dict[str, object]:
    """Return new progress, phase and position; nothing if a newer report has overtaken this one."""
    values: dict[str, object] = {}
    if (report.progress or 0) < (run.progress or 0):
        return values
    if report.progress and report.progress != run.progress:
        values["progress"] = report.progress
    if report.live_status and report.live_status != run.live_status:
        values["live_status"] = report.live_status
    if report.queue_position != run.queue_position and report.state is RunState.QUEUED:
        values["queue_position"] = report.queue_position
    return values


def _transition(run: Run, report: RunReport, target: RunState, now: datetime) -> dict[str, object]:
    values: dict[str, object] = {}
    if target in IN_FLIGHT:
        if target is not RunState.QUEUED:
            values["queue_position"] = None
            if run.started_at is None:
                values["started_at"] = now
        return values
    values = {"ended_at": now, "due_at": None, "queue_position": None}
    values |= _cost(run, report, now)
    if target is RunState.SUCCEEDED:
        values |= {"outputs": pack_outputs(report.outputs), "failure_code": None, "failure_params": {}}
    elif run.failure_code is None:
        asked_for = target is RunState.CANCELLED and run.cancel_requested_at is not None
        values["failure_code"] = run.cancel_code if asked_for else f"run_{target.value}"
    return values


def _cost(run: Run, report: RunReport, now: datetime) -> dict[str, object]:
    values: dict[str, object] = {}
    if report.gpu:
        values["gpu_used"] = report.gpu[:_GPU_NAME]
    if report.run_duration is not None:
        values["run_duration"] = report.run_duration
    elif run.started_at is not None:
        values["run_duration"] = (now - run.started_at).total_seconds()
    return values


def pack_outputs(outputs: tuple[Output, ...]) -> list[dict[str, str | None]]:
    """Return outputs as JSON for the store."""
    return [{"kind": o.kind, "url": o.url, "filename": o.filename, "text": o.text} for o in outputs]
