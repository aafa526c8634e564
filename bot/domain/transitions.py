"""Decide how an event changes a run, and return the columns to write.

ComfyDeploy repeats, reorders and drops its events, so their order isn't trusted. Progress only grows. A
webhook ends a run only if it is a success with outputs; any other end is decided by GET /run, which has all
outputs and the duration. A final state doesn't change, except that `unconfirmed`, `timed_out` and `refused`
may become `succeeded`. Outputs that arrive after an unsuccessful end are added to a run that has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.moderation import Block
from bot.domain.run_timing import AFTER_LAST_NODE, SETTLE_AFTER, billed_seconds, same_outputs, silence_at_end
from bot.domain.runs import FINAL, IN_FLIGHT, NOT_SUBMITTED, REQUESTER_BLOCKED, Run, RunState, RunUpdate

S = RunState

UNSUCCESSFUL = frozenset({S.FAILED, S.CANCELLED, S.TIMED_OUT})
_ENDS = UNSUCCESSFUL | {S.SUCCEEDED}
# The ends of runs that the bot gave up on, that may still be executing and are paid for: a late success is
# delivered. ComfyDeploy may even start a run whose queue call it refused.
REVIVABLE = frozenset({S.UNCONFIRMED, S.TIMED_OUT, S.REFUSED})

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
    S.REFUSED: frozenset({S.SUCCEEDED}),
    **{s: frozenset[RunState]() for s in FINAL - REVIVABLE},
}


# The queue call's 400, which explains a `failed` webhook, arrives about 0.15 s after the webhook, so GET /run
# is asked later.
REASON_GRACE = timedelta(seconds=3)
_GPU_NAME = 32
# The failure codes that name an end as ComfyDeploy reports it. A run in flight has one if a webhook did.
BACKEND_ENDS: Mapping[str | None, RunState] = {f"run_{state}": state for state in UNSUCCESSFUL}
# The failure codes of a run at the bot's deadline: the bot cancels it, it can't be cancelled, or its updates
# can't be read. The first is stored before the cancel call, so that the update that follows isn't taken for
# someone else's cancellation.
DEADLINE = "deadline"
DEADLINE_RUNNING = "deadline_running"
DEADLINE_UNREADABLE = "deadline_unreadable"
# The states that ComfyDeploy reports; only the bot sets the others.
BACKEND_STATES = (IN_FLIGHT - {S.SUBMITTING}) | _ENDS


@dataclass(frozen=True, slots=True)
class Change:
    """The columns to write. If `ends_run`, there is an outcome, or a late result, to post.

    A `visible` change makes the status message out of date.
    """

    state: RunState
    values: Mapping[str, object] = field(default_factory=dict)
    ends_run: bool = False
    visible: bool = False


def apply_update(run: Run, update: RunUpdate, now: datetime, *, asked: bool) -> Change | None:
    """Return the change that an update makes, or None. `asked` marks a reply to GET /run."""
    never_sent = run.state is RunState.REFUSED and run.claim_id is None
    if run.state is RunState.AWAITING_APPROVAL or never_sent:
        return None  # no update can approve it
    values: dict[str, object] = {}
    if run.run_id is None:
        values["run_id"] = update.run_id
        if run.cancel_requested_at is not None:
            values["due_at"] = now  # the cancel call needs the id
        if run.state is RunState.WAITING:
            values["submitted_at"] = now  # requeued although its call had been accepted
    if run.erased_at is not None:
        return Change(run.state, values) if values else None  # outputs would undo the erasure
    if not asked and update.state in _ENDS and not (update.state is RunState.SUCCEEDED and update.outputs):
        return _to_be_asked(run, update, values, now)
    target = _target(run, update)
    if target in BACKEND_STATES and target in TRANSITIONS[run.state]:
        return _moved(run, update, target, values, now, asked=asked)
    if run.final and update.state in _ENDS:
        return _after_the_end(run, update, values, now)
    if run.state in IN_FLIGHT and update.state is run.state:
        values |= _progress(run, update, now)
    # A run that the bot gave up on may make everything, too, without ever reporting its end.
    may_finish = run.state in IN_FLIGHT or (was_given_up(run) and not run.partial)
    if may_finish and update.state in IN_FLIGHT:
        values |= _seen_outputs(run, update, now)
    return Change(run.state, values, visible=bool(values.keys() - _INVISIBLE)) if values else None


def _to_be_asked(run: Run, update: RunUpdate, values: dict[str, object], now: datetime) -> Change | None:
    """Make a run due because a webhook reports an end that GET /run has to decide.

    How a run in flight is said to have ended is noted in its failure code, in case GET /run fails.
    """
    if run.final:
        is_settled = run.ended_at is None or now >= run.ended_at + SETTLE_AFTER
        if run.state in REVIVABLE:
            values["due_at"] = now
        elif _may_gain(run) and is_settled and (update.progress or 0) > (run.progress or 0):
            # The machine continued after the run's end and its last poll.
            values |= {"progress": update.progress, "due_at": now + SETTLE_AFTER}
        return Change(run.state, values) if values else None
    values["due_at"] = now
    if update.state is RunState.SUCCEEDED:
        if RunState.UPLOADING in TRANSITIONS[run.state]:
            return _moved(run, update, RunState.UPLOADING, values, now, asked=False)
        return Change(run.state, values)
    if update.state is RunState.FAILED and run.state is RunState.SUBMITTING:
        values["due_at"] = now + REASON_GRACE
    if run.failure_code is None and update.state is not None:
        values["failure_code"] = f"run_{update.state.value}"
    if run.state is RunState.WAITING:
        return Change(RunState.QUEUED, values, visible=True)  # ComfyDeploy has it: no second queue call
    return Change(run.state, values)


def is_progress(state: RunState, told: RunState | None) -> bool:
    """Return whether an update only tells that a run goes on at ComfyDeploy: its state, or a later one."""
    follows = told is state or told in TRANSITIONS[state]
    return follows and {state, told} <= IN_FLIGHT - {S.SUBMITTING}


def _target(run: Run, update: RunUpdate) -> RunState | None:
    """Return the state that the run should enter, which may differ from the state in the update."""
    target = update.state
    if run.state is RunState.WAITING and target not in BACKEND_STATES:
        return RunState.QUEUED  # an unknown status, but ComfyDeploy has the run: no second queue call
    if target not in UNSUCCESSFUL:
        return target
    if run.failure_code == DEADLINE:
        target = RunState.TIMED_OUT  # it ended because the bot cancelled it
    # ComfyDeploy cancels a run on its own when a GPU's session ends.
    cancelled = target is RunState.CANCELLED and run.cancel_requested_at is None
    on_its_own = target is RunState.TIMED_OUT or cancelled
    return RunState.SUCCEEDED if on_its_own and update.made_everything else target


def _moved(
    run: Run, update: RunUpdate, target: RunState, values: dict[str, object], now: datetime, *, asked: bool
) -> Change:
    """Return the change of a run that enters the state `target`."""
    if target in IN_FLIGHT:
        if target is not RunState.QUEUED:
            values["queue_position"] = None
            if run.started_at is None:
                values["started_at"] = now
        values |= _progress(run, update, now) | _seen_outputs(run, update, now)
        return Change(target, values, visible=True)
    values |= {"ended_at": now, "due_at": None, "queue_position": None}
    # A run whose outputs were complete before had ended earlier, without an update.
    noticed_late = asked or run.outputs_since is not None
    values |= _measured_cost(run, now, noticed_late=noticed_late) | _billed(run, update, now)
    outputs = [asdict(each) for each in update.outputs or run.outputs]
    if target is RunState.SUCCEEDED:
        values |= {"outputs": outputs, "failure_code": None, "failure_params": {}}
        values |= {"partial": False} if run.partial else {}
        return Change(target, values, ends_run=True, visible=True)
    if outputs:
        values |= {"outputs": outputs, "partial": True}
    if run.failure_code is None or run.failure_code in BACKEND_ENDS:
        asked_for = target is RunState.CANCELLED and run.cancel_requested_at is not None
        values["failure_code"] = run.cancel_code if asked_for else f"run_{target.value}"
    if target is RunState.FAILED and update.live_status:
        values["live_status"] = update.live_status  # the node that failed
    return Change(target, values, ends_run=True, visible=True)


def _may_gain(run: Run) -> bool:
    """Return whether outputs of a run that has ended are still added."""
    return run.state in UNSUCCESSFUL | REVIVABLE and not run.partial


def _after_the_end(run: Run, update: RunUpdate, values: dict[str, object], now: datetime) -> Change | None:
    """Add outputs to a run that ended without any."""
    if _may_gain(run) and update.outputs:
        values |= {"outputs": [asdict(each) for each in update.outputs], "partial": True, "due_at": None}
        values |= _billed(run, update, now)
        if was_given_up(run) and run.failure_code != DEADLINE and update.state is not None:
            # The code's sentence promises a late result; replace it with how the run ended.
            values |= {"failure_code": f"run_{update.state.value}", "failure_params": {}}
        return Change(run.state, values, ends_run=True, visible=True)
    return Change(run.state, values) if values else None


def end(run: Run, target: RunState, now: datetime, code: str, params: Mapping[str, object]) -> Change | None:
    """Return the change that ends a run without an update from ComfyDeploy, if its state allows that."""
    if target not in TRANSITIONS[run.state]:
        return None
    values = {"failure_code": code, "failure_params": dict(params), "ended_at": now, "due_at": None}
    if run.run_duration is None:
        # No update will tell the duration, but it is billed and counts against the daily limit.
        # Only a run that the bot has cancelled is known to end now.
        values |= _measured_cost(run, now, noticed_late=target is not RunState.CANCELLED)
    if run.outputs:
        values["partial"] = True
    return Change(target, values, ends_run=True, visible=True)


def was_given_up(run: Run) -> bool:
    """Return whether the bot gave up on the run, which may still be executing at ComfyDeploy."""
    return run.state in REVIVABLE and run.failure_code not in BACKEND_ENDS


def end_for_block(run: Run, block: Block, now: datetime) -> Change | None:
    """Return the change that ends the run of a blocked user, unless ComfyDeploy may have it."""
    if run.state not in NOT_SUBMITTED or run.run_id is not None:
        return None
    # REJECTED instead of REFUSED hides inputs that no moderator approved from the channel.
    unapproved = run.state is RunState.AWAITING_APPROVAL
    target = RunState.REJECTED if unapproved else RunState.REFUSED
    change = end(run, target, now, REQUESTER_BLOCKED, block.params)
    if change is None or not unapproved:
        return change
    return replace(change, values={**change.values, "decided_by": block.created_by, "decided_at": now})


_INVISIBLE = frozenset({"due_at", "run_id", "outputs", "outputs_since"})


def _progress(run: Run, update: RunUpdate, now: datetime) -> dict[str, object]:
    """Return the columns for new progress, phase and queue position.

    An update with less progress than the run is outdated and changes nothing.
    """
    values: dict[str, object] = {}
    if (update.progress or 0) < (run.progress or 0):
        return values
    if update.progress and update.progress != run.progress:
        values["progress"] = update.progress
        if update.progress >= 1:
            values["due_at"] = now + AFTER_LAST_NODE
    if update.live_status and update.live_status != run.live_status:
        values["live_status"] = update.live_status
    if update.queue_position != run.queue_position and update.state is RunState.QUEUED:
        values["queue_position"] = update.queue_position
    return values


def _seen_outputs(run: Run, update: RunUpdate, now: datetime) -> dict[str, object]:
    """Return the columns for new outputs, which are shown if the run's end is never reported."""
    values: dict[str, object] = {}
    if update.outputs and not same_outputs(run.outputs, update.outputs):
        values["outputs"] = [asdict(each) for each in update.outputs]
    if update.made_everything and (values or run.outputs_since is None):
        values |= {"outputs_since": now, "due_at": now + silence_at_end(update.outputs)}
    return values


def _measured_cost(run: Run, now: datetime, *, noticed_late: bool) -> dict[str, object]:
    """Return the columns for how long a run has executed by the bot's clock, which may have been set back.

    If the end was noticed late, this time is charged but not shown, until ComfyDeploy reports the duration.
    """
    if run.started_at is None or now < run.started_at:
        return {}
    seconds = (now - run.started_at).total_seconds()
    if noticed_late:
        return {"reserved_seconds": max(run.reserved_seconds, seconds)}
    return {"run_duration": seconds}


def _billed(run: Run, update: RunUpdate, now: datetime) -> dict[str, object]:
    """Return the columns that only a reply to GET /run tells: the GPU, the duration and the log."""
    values: dict[str, object] = {"failure_log": update.log} if update.log else {}
    if update.gpu:
        values["gpu_used"] = update.gpu[:_GPU_NAME]
    seconds = billed_seconds(run, update, now)
    return values if seconds is None else values | {"run_duration": seconds}
