"""What a report, a person or a worker does to a run. Pure: (run, event, now) -> the columns that change.

ComfyDeploy repeats, reorders and forgets its events, so nothing here trusts their order: final states
absorb, progress only grows, and a success is believed only together with its outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.runs import FINAL, IN_FLIGHT, REVIVABLE, TRANSITIONS, Output, Run, RunReport, RunState

# The 400 that explains a `failed` webhook arrives about 0.15 s after it: the outcome waits for it.
REASON_GRACE = timedelta(seconds=3)
_GPU_NAME = 32
# The failure code of a request that ended because its requester was blocked.
REQUESTER_BLOCKED = "requester_blocked"
# What ComfyDeploy can say; the other states are ours alone to enter.
REPORTED = (IN_FLIGHT - {RunState.SUBMITTING}) | {
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Change:
    """The columns to write; `owed` when a message about an end is now due, at `owed_at`."""

    state: RunState
    values: Mapping[str, object] = field(default_factory=dict)
    owed: bool = False
    owed_at: datetime | None = None
    visible: bool = False


def belongs(run: Run, report: RunReport) -> bool:
    """Whether the report is about this run, or about one whose id is not known yet."""
    return run.run_id is None or run.run_id == report.run_id


def apply_report(run: Run, report: RunReport, now: datetime, *, asked: bool = False) -> Change | None:
    """What a report changes; None when nothing does. `asked`: it answers GET /run, so it is whole."""
    if run.state is RunState.AWAITING_APPROVAL:
        return None  # never sent to ComfyDeploy: whatever this is about, it approves nothing
    values = _learned(run, report, now)
    target = report.state
    if target is RunState.SUCCEEDED and not report.outputs and not asked:
        # A late "Executing …" event says success without outputs: ask instead of believing it.
        target = RunState.UPLOADING
        if run.state not in FINAL - REVIVABLE:
            values["due_at"] = now
    elif run.state in REVIVABLE and target in FINAL - {RunState.SUCCEEDED}:
        values["due_at"] = None  # it has ended upstream too: nothing is left to ask about
    elif run.state is RunState.WAITING and target not in REPORTED:
        target = RunState.QUEUED  # a word yet to come, but ComfyDeploy has it: no other call may be made
    if target not in REPORTED or target not in TRANSITIONS[run.state]:
        return _progress(run, report, values)
    values |= _entering(run, report, target, now)
    if target in IN_FLIGHT:
        values |= _news(run, report)
        return Change(target, values, visible=True)
    early_failure = target is RunState.FAILED and run.state is RunState.SUBMITTING
    return Change(
        target, values, owed=True, owed_at=now + REASON_GRACE if early_failure else now, visible=True
    )


def _learned(run: Run, report: RunReport, now: datetime) -> dict[str, object]:
    """The run's id, where the report is the first to name it."""
    if run.run_id is not None:
        return {}
    # A wish to cancel may have waited for an id to cancel.
    waited = {"due_at": now} if run.cancel_requested_at is not None else {}
    # It was put back, and yet its call had been taken: its time counts from here.
    already_sent = {"submitted_at": now} if run.state is RunState.WAITING else {}
    return {"run_id": report.run_id, **waited, **already_sent}


def end(run: Run, target: RunState, now: datetime, code: str, params: Mapping[str, object]) -> Change | None:
    """Our own verdict: refused, unconfirmed, timed out, cancelled … None when the run can't end so."""
    if target not in TRANSITIONS[run.state]:
        return None
    values = {"failure_code": code, "failure_params": dict(params), "ended_at": now, "due_at": None}
    if run.started_at is not None and run.run_duration is None:
        # Nobody tells what it took, but it was paid for and counts against the daily limit.
        values["run_duration"] = (now - run.started_at).total_seconds()
    return Change(target, values, owed=True, owed_at=now, visible=True)


def end_for_block(run: Run, by: int, why: str | None, now: datetime) -> Change | None:
    """Its requester was blocked: what has not gone out ends. None for what may be at ComfyDeploy."""
    if run.state not in (RunState.AWAITING_APPROVAL, RunState.WAITING) or run.run_id is not None:
        return None
    # Nobody has agreed to what awaits approval, so the channel goes on seeing nothing of it.
    unread = run.state is RunState.AWAITING_APPROVAL
    target = RunState.REJECTED if unread else RunState.REFUSED
    change = end(run, target, now, REQUESTER_BLOCKED, {"reason": why} if why else {})
    if change is None or not unread:
        return change
    return replace(change, values={**change.values, "decided_by": by, "decided_at": now})


def _progress(run: Run, report: RunReport, values: dict[str, object]) -> Change | None:
    if run.state in IN_FLIGHT and report.state is run.state:
        values |= _news(run, report)
    if not values:
        return None
    return Change(run.state, values, visible=bool(values.keys() - {"due_at", "run_id"}))


def _news(run: Run, report: RunReport) -> dict[str, object]:
    """Progress, phase and position, unless the report is an older one that was overtaken."""
    news: dict[str, object] = {}
    if (report.progress or 0) < (run.progress or 0):
        return news
    if report.progress and report.progress != run.progress:
        news["progress"] = report.progress
    if report.live_status and report.live_status != run.live_status:
        news["live_status"] = report.live_status
    if report.queue_position != run.queue_position and report.state is RunState.QUEUED:
        news["queue_position"] = report.queue_position
    return news


def _entering(run: Run, report: RunReport, target: RunState, now: datetime) -> dict[str, object]:
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
    """Outputs as JSON for the store."""
    return [{"kind": o.kind, "url": o.url, "filename": o.filename, "text": o.text} for o in outputs]
