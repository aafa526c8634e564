"""What updates, verdicts and blocks change in a run, and that any sequence of them ends a run once."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from bot.domain.run_timing import AFTER_LAST_NODE, SETTLE_AFTER, silence_at_end
from bot.domain.runs import NOT_SUBMITTED, REQUESTER_BLOCKED, Output, Run, RunState, RunUpdate
from bot.domain.transitions import (
    BACKEND_ENDS,
    DEADLINE,
    REASON_GRACE,
    Change,
    apply_update,
    end,
    end_for_block,
    is_progress,
    was_given_up,
)
from tests.unit.factories import made_block, made_run

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
S = RunState
PICTURE = Output("images", url="https://x/a.png")


class Told(NamedTuple):
    """An update, by a webhook or as the reply to GET /run."""

    update: RunUpdate
    asked: bool


def webhook(state: RunState | None = None, *outputs: Output, **more: Any) -> Told:
    return Told(RunUpdate("r", state, outputs=outputs, **more), asked=False)


def reply(state: RunState | None = None, *outputs: Output, **more: Any) -> Told:
    return Told(RunUpdate("r", state, outputs=outputs, **more), asked=True)


def told(run: Run, told: Told, now: datetime = NOW) -> Change | None:
    return apply_update(run, told.update, now, asked=told.asked)


def run(state: RunState, code: str | None = None, **more: Any) -> Run:
    """Return a run that was submitted once, and whose id is known."""
    return made_run(state, **{"run_id": "r", "claim_id": "c", "failure_code": code, **more})


def shown(state: RunState, **columns: Any) -> Change:
    return Change(state, columns, visible=True)


def ended(state: RunState, code: str | None = None, **columns: Any) -> Change:
    values = {"ended_at": NOW, "due_at": None, "queue_position": None, **columns}
    return Change(state, values | ({"failure_code": code} if code else {}), ends_run=True, visible=True)


def applied(run: Run, change: Change) -> Run:
    """Return the run as the store would have it afterwards."""
    columns = {field.name for field in fields(Run)}
    values = {name: value for name, value in change.values.items() if name in columns}
    if "outputs" in values:
        values["outputs"] = tuple(Output(**item) for item in values["outputs"])  # type: ignore[attr-defined]
    return replace(run, state=change.state, **values)


NEW: dict[str, Any] = {"run_id": None}
HALF: dict[str, Any] = {"progress": 0.5, "live_status": "b"}
LATE_START: dict[str, Any] = {"queue_position": None, "started_at": NOW}
MEASURED: dict[str, Any] = {"run_duration": 50.0}
# At least what was reserved, since the run may have ended earlier.
NOTICED_LATE: dict[str, Any] = {"reserved_seconds": 60.0}
FOUND = {"outputs": [{"kind": "images", "url": "https://x/a.png", "filename": None, "text": None}]}
PART: dict[str, Any] = {**FOUND, "partial": True}
SILENT = {"outputs_since": NOW, "due_at": NOW + silence_at_end((PICTURE,))}
ALL: dict[str, Any] = {**FOUND, **SILENT, "progress": 1.0}
TOLD: dict[str, Any] = {"run_duration": 7.5, "gpu_used": "A" * 32}
RUNNING, QUEUED = run(S.RUNNING), run(S.QUEUED, queue_position=3)
STARTED = run(S.RUNNING, started_at=NOW - timedelta(seconds=50))
STOPPING, TIMED_OUT = run(S.RUNNING, DEADLINE), run(S.TIMED_OUT, "run_timed_out")
CANCELLING = run(S.RUNNING, cancel_requested_at=NOW)


def succeeded(**columns: Any) -> Change:
    return ended(S.SUCCEEDED, **{**FOUND, "failure_code": None, "failure_params": {}, **columns})


@pytest.mark.parametrize(
    ("before", "event", "change"),
    [
        # The first update adds the id, which a cancel call needs.
        (run(S.SUBMITTING, **NEW), webhook(), Change(S.SUBMITTING, {"run_id": "r"})),
        (replace(CANCELLING, **NEW), webhook(), Change(S.RUNNING, {"run_id": "r", "due_at": NOW})),
        # A run that was put back had been accepted after all, whatever its update says.
        (run(S.WAITING, **NEW), webhook(), shown(S.QUEUED, run_id="r", submitted_at=NOW)),
        # A run that awaits approval was never sent, and nothing changes a run that has ended.
        (run(S.AWAITING_APPROVAL, **NEW), webhook(S.RUNNING), None),
        (run(S.REJECTED), reply(S.SUCCEEDED, PICTURE), None),
        (run(S.TIMED_OUT, erased_at=NOW), reply(S.SUCCEEDED, PICTURE), None),
        (run(S.FAILED, erased_at=NOW, **NEW), reply(S.FAILED, PICTURE), Change(S.FAILED, {"run_id": "r"})),
        (run(S.REFUSED, claim_id=None), reply(S.SUCCEEDED, PICTURE), None),
        (run(S.FAILED), reply(S.RUNNING, PICTURE), None),
        (run(S.FAILED, **NEW), reply(S.FAILED), Change(S.FAILED, {"run_id": "r"})),
        (run(S.FAILED, **NEW), webhook(S.FAILED), Change(S.FAILED, {"run_id": "r"})),
        # Only newer progress, phases and positions are kept.
        (QUEUED, webhook(S.QUEUED, queue_position=2), shown(S.QUEUED, queue_position=2)),
        (QUEUED, webhook(S.QUEUED, queue_position=3), None),
        (RUNNING, webhook(S.QUEUED, queue_position=2), None),
        (run(S.RUNNING, **NEW), webhook(S.RUNNING, **HALF), shown(S.RUNNING, run_id="r", **HALF)),
        (run(S.RUNNING, live_status="b"), webhook(S.RUNNING, **HALF), shown(S.RUNNING, progress=0.5)),
        (run(S.RUNNING, progress=0.6), webhook(S.RUNNING, live_status="b"), None),
        # The start of the last node brings the next poll forward.
        (
            RUNNING,
            webhook(S.RUNNING, progress=1.0),
            shown(S.RUNNING, progress=1.0, due_at=NOW + AFTER_LAST_NODE),
        ),
        # Together with the next state. The first webhook about the execution comes when it starts.
        (QUEUED, webhook(S.RUNNING, progress=0.0), shown(S.RUNNING, queue_position=None, started_at=NOW)),
        (QUEUED, webhook(S.RUNNING, **HALF), shown(S.RUNNING, **LATE_START, **HALF)),
        (STARTED, webhook(S.UPLOADING), shown(S.UPLOADING, queue_position=None)),
        (QUEUED, reply(S.RUNNING, PICTURE, progress=1.0), shown(S.RUNNING, **LATE_START, **ALL)),
        # Outputs of a run in flight are kept, and of one that the bot gave up on.
        (RUNNING, reply(S.RUNNING, PICTURE), Change(S.RUNNING, FOUND)),
        (run(S.UNCONFIRMED), reply(S.RUNNING, PICTURE), Change(S.UNCONFIRMED, FOUND)),
        # A success is believed with its outputs, or as a reply.
        (RUNNING, webhook(S.SUCCEEDED, PICTURE, gpu="A" * 40, run_duration=7.5), succeeded(**TOLD)),
        (run(S.RUNNING, **NEW), reply(S.SUCCEEDED), succeeded(run_id="r", outputs=[])),
        (run(S.WAITING), webhook(S.SUCCEEDED), shown(S.UPLOADING, due_at=NOW, **LATE_START)),
        (run(S.UPLOADING), webhook(S.SUCCEEDED), Change(S.UPLOADING, {"due_at": NOW})),
        (run(S.FAILED), webhook(S.SUCCEEDED), None),
        (run(S.SUCCEEDED), webhook(S.FAILED), None),
        # A duration is measured, but not if the end is seen late.
        (STARTED, webhook(S.SUCCEEDED, PICTURE), succeeded(**MEASURED)),
        (STARTED, reply(S.SUCCEEDED, PICTURE), succeeded(**NOTICED_LATE)),
        (
            replace(STARTED, outputs_since=NOW),
            webhook(S.SUCCEEDED, PICTURE),
            succeeded(**NOTICED_LATE),
        ),
        # A failure carries its code, its duration, the node that failed, and the log.
        (
            RUNNING,
            reply(S.FAILED, live_status="KSampler", log="ValueError: x"),
            ended(S.FAILED, "run_failed", live_status="KSampler", failure_log="ValueError: x"),
        ),
        # Somebody cancelled it only if somebody asked for that.
        (RUNNING, reply(S.CANCELLED), ended(S.CANCELLED, "run_cancelled")),
        (CANCELLING, reply(S.CANCELLED), ended(S.CANCELLED, "cancelled_by_requester")),
        # Any end after the bot's own cancel call is its deadline.
        (STOPPING, reply(S.CANCELLED), ended(S.TIMED_OUT)),
        (STOPPING, webhook(S.CANCELLED), Change(S.RUNNING, {"due_at": NOW})),
        # An unsuccessful run keeps what it made, and what was seen while it ran.
        (RUNNING, reply(S.TIMED_OUT, PICTURE), ended(S.TIMED_OUT, "run_timed_out", **PART)),
        (run(S.RUNNING, outputs=(PICTURE,)), reply(S.FAILED), ended(S.FAILED, "run_failed", **PART)),
        # A run that made everything is a success unless it failed or was cancelled.
        (TIMED_OUT, reply(S.TIMED_OUT, PICTURE, progress=1.0), succeeded()),
        (replace(TIMED_OUT, partial=True), reply(S.SUCCEEDED, PICTURE), succeeded(partial=False)),
        (RUNNING, reply(S.CANCELLED, PICTURE, progress=1.0), succeeded()),
        (RUNNING, reply(S.FAILED, PICTURE, progress=1.0), ended(S.FAILED, "run_failed", **PART)),
        (
            CANCELLING,
            reply(S.CANCELLED, PICTURE, progress=1.0),
            ended(S.CANCELLED, "cancelled_by_requester", **PART),
        ),
        # A revivable run is asked about until it has ended at ComfyDeploy.
        (TIMED_OUT, webhook(S.RUNNING), None),
        (TIMED_OUT, webhook(S.FAILED), Change(S.TIMED_OUT, {"due_at": NOW})),
    ],
)
def test_what_a_report_changes(before: Run, event: Told, change: Change | None) -> None:
    assert told(before, event) == change


@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        (S.RUNNING, S.CANCELLED, S.RUNNING),
        (S.QUEUED, S.TIMED_OUT, S.QUEUED),
        # ComfyDeploy has the waiting run, so its queue call isn't repeated.
        (S.WAITING, S.FAILED, S.QUEUED),
        (S.SUBMITTING, S.CANCELLED, S.SUBMITTING),
        (S.SUBMITTING, S.FAILED, S.SUBMITTING),
    ],
)
def test_a_webhook_about_a_failure_makes_the_run_due_and_is_noted(
    before: RunState, word: RunState, after: RunState
) -> None:
    change = told(run(before), webhook(word, PICTURE, progress=1.0))
    # The reply to the queue call, which is under way, may give the reason for a failure.
    grace = REASON_GRACE if (before, word) == (S.SUBMITTING, S.FAILED) else timedelta()
    values = {"due_at": NOW + grace, "failure_code": f"run_{word}"}
    assert change == Change(after, values, visible=before is S.WAITING)
    noted = applied(run(before), change)
    assert BACKEND_ENDS.get(noted.failure_code) is word
    # What GET /run says then counts.
    assert told(noted, reply(S.CANCELLED)) == ended(S.CANCELLED, "run_cancelled")


@pytest.mark.parametrize(
    ("before", "word", "code"),
    [
        (run(S.CANCELLED, "cancelled_by_requester", **NEW), S.SUCCEEDED, None),
        # The promise to post a later result is replaced by how the run ended.
        (run(S.REFUSED, "comfy_forbidden"), S.FAILED, "run_failed"),
    ],
)
def test_outputs_are_added_once_to_a_run_that_ended_without(
    before: Run, word: RunState, code: str | None
) -> None:
    late = reply(word, PICTURE, progress=0.5, run_duration=7.5)
    more = {"failure_code": code, "failure_params": {}} if code else {"run_id": "r"}
    more |= {"due_at": None, "run_duration": 7.5}
    change = told(before, late)
    assert change == Change(before.state, {**PART, **more}, ends_run=True, visible=True)
    again = told(applied(before, change), late)
    assert again is None or not again.ends_run


def test_progress_after_the_end_asks_once_more() -> None:
    failed = run(S.FAILED, progress=0.2, ended_at=NOW - SETTLE_AFTER)
    word = webhook(S.FAILED, progress=0.9)
    assert told(replace(failed, ended_at=NOW), word) is None
    late = told(failed, word)
    assert late == Change(S.FAILED, {"progress": 0.9, "due_at": NOW + SETTLE_AFTER})
    assert told(applied(failed, late), word) is None
    new = told(replace(failed, progress=None, run_id=None), word)
    assert new == Change(S.FAILED, {**late.values, "run_id": "r"})


def test_the_same_state_and_later_ones_are_progress() -> None:
    told = [S.QUEUED, S.RUNNING, S.UPLOADING, S.FAILED, None]
    assert [is_progress(S.QUEUED, each) for each in told] == [True, True, True, False, False]
    assert [is_progress(S.RUNNING, each) for each in told] == [False, True, True, False, False]
    assert [is_progress(S.UPLOADING, each) for each in told] == [False, False, True, False, False]
    assert not is_progress(S.SUBMITTING, S.RUNNING), "the report brings the run's id"
    assert not is_progress(S.WAITING, S.RUNNING)
    assert not is_progress(S.FAILED, S.FAILED)


def test_outputs_are_timed_after_the_last_node() -> None:
    seen = run(S.RUNNING, outputs=(PICTURE,))
    signed_anew = replace(PICTURE, url="https://x/a.png?signed=2")
    assert told(seen, reply(S.RUNNING, signed_anew)) is None
    due_at = NOW + silence_at_end((PICTURE,))
    last = told(seen, reply(S.RUNNING, PICTURE, progress=1.0))
    assert last == shown(S.RUNNING, progress=1.0, outputs_since=NOW, due_at=due_at)


def test_an_end_is_the_bots_own_verdict_or_final() -> None:
    # A success may still be reported.
    unconfirmed = run(S.UNCONFIRMED, "comfy_timeout")
    assert was_given_up(unconfirmed)
    # ComfyDeploy reports a timeout itself.
    assert not was_given_up(TIMED_OUT)
    assert was_given_up(run(S.REFUSED))


def test_the_bots_own_verdict_carries_its_code_and_the_measured_duration() -> None:
    made_some = replace(STARTED, outputs=(PICTURE,))
    told = {"failure_code": "x", "failure_params": {"a": 1}, "ended_at": NOW, "due_at": None, "partial": True}
    change = end(made_some, S.TIMED_OUT, NOW, "x", {"a": 1})
    values = {**told, **NOTICED_LATE}
    assert change == Change(S.TIMED_OUT, values, ends_run=True, visible=True)
    known = end(replace(made_some, run_duration=7.5), S.TIMED_OUT, NOW, "x", {"a": 1})
    assert known == replace(change, values=told)


def test_a_block_ends_only_runs_that_were_never_sent() -> None:
    block = made_block("spam", NOW, created_by=99)
    params = {"until": int(NOW.timestamp()), "reason": "spam"}
    told = {"failure_code": REQUESTER_BLOCKED, "failure_params": params, "ended_at": NOW, "due_at": None}
    waiting, undecided = run(S.WAITING, **NEW), run(S.AWAITING_APPROVAL, **NEW)
    assert end_for_block(waiting, block, NOW) == Change(S.REFUSED, told, ends_run=True, visible=True)
    rejected = {**told, "decided_by": 99, "decided_at": NOW}
    assert end_for_block(undecided, block, NOW) == Change(S.REJECTED, rejected, ends_run=True, visible=True)
    others = [run(state, **NEW) for state in RunState if state not in NOT_SUBMITTED]
    assert not any(end_for_block(each, block, NOW) for each in (*others, run(S.WAITING)))
    assert made_block("", None).params == made_block(None, None).params == {"until": 0}
