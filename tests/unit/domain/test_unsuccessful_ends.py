"""Runs that end without success, by ComfyDeploy's report or the bot's decision: code, duration, outputs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.domain.run_timing import AFTER_LAST_NODE, SETTLE_AFTER, silence_at_end
from bot.domain.runs import Output, Run, RunReport, RunState
from bot.domain.transitions import (
    DEADLINE,
    DEADLINE_RUNNING,
    REASON_GRACE,
    UNSUCCESSFUL,
    Change,
    apply_report,
    end,
    is_own_verdict,
    reported_end,
)
from tests.unit.domain.transition_cases import (
    NOW,
    PICTURE,
    STARTED,
    S,
    applied,
    ended,
    known,
    run,
    said,
    shown,
)

CANCELLING = known(S.RUNNING, cancel_requested_at=NOW)


@pytest.mark.parametrize(
    ("before", "report", "change"),
    [
        (known(S.RUNNING), said(S.FAILED), ended(S.FAILED, failure_code="run_failed")),
        (known(S.RUNNING, failure_code="comfy_rejected"), said(S.FAILED), ended(S.FAILED)),
        (
            known(S.RUNNING, started_at=STARTED),
            said(S.FAILED, run_duration=0.0),
            ended(S.FAILED, failure_code="run_failed", run_duration=0.0, duration_in_doubt=False),
        ),
        # Somebody cancelled it only if somebody asked for that.
        (known(S.RUNNING), said(S.CANCELLED), ended(S.CANCELLED, failure_code="run_cancelled")),
        (CANCELLING, said(S.CANCELLED), ended(S.CANCELLED, failure_code="cancelled_by_requester")),
        (
            replace(CANCELLING, cancelled_by=99),
            said(S.CANCELLED),
            ended(S.CANCELLED, failure_code="cancelled_by_moderator"),
        ),
        (CANCELLING, said(S.FAILED), ended(S.FAILED, failure_code="run_failed")),
        # The node that failed, and the log.
        (
            known(S.RUNNING),
            said(S.FAILED, live_status="Executing KSampler", log="ValueError: x"),
            ended(
                S.FAILED,
                failure_code="run_failed",
                live_status="Executing KSampler",
                failure_log="ValueError: x",
            ),
        ),
    ],
)
def test_a_failure_carries_its_code_and_duration(before: Run, report: RunReport, change: Change) -> None:
    assert apply_report(before, report, NOW, asked=True) == change


@pytest.mark.parametrize("word", sorted(UNSUCCESSFUL))
@pytest.mark.parametrize("outputs", [(), (PICTURE,)])
@pytest.mark.parametrize(
    ("before", "after", "due_at"),
    [
        (known(S.RUNNING), S.RUNNING, NOW),
        (known(S.QUEUED), S.QUEUED, NOW),
        # ComfyDeploy has the run, so its queue call isn't repeated.
        (known(S.WAITING), S.QUEUED, NOW),
        # The reply to the queue call, which is under way, may give the reason for a failure.
        (known(S.SUBMITTING), S.SUBMITTING, None),
    ],
)
def test_a_webhook_about_a_failure_makes_the_run_due_and_is_noted(
    before: Run, after: RunState, due_at: datetime | None, word: RunState, outputs: tuple[Output, ...]
) -> None:
    change = apply_report(before, said(word, outputs=outputs, progress=1.0), NOW)
    due_at = due_at or NOW + (REASON_GRACE if word is S.FAILED else timedelta())
    values = {"due_at": due_at, "failure_code": f"run_{word}"}
    assert change == Change(after, values, visible=before.state is S.WAITING)
    assert reported_end(applied(before, change)) is word
    # What GET /run says then counts.
    told = apply_report(applied(before, change), said(S.CANCELLED), NOW, asked=True)
    assert told == ended(S.CANCELLED, failure_code="run_cancelled")


@pytest.mark.parametrize("code", [None, DEADLINE])
def test_an_end_is_reported_only_by_a_webhook(code: str | None) -> None:
    assert reported_end(known(S.RUNNING, failure_code=code)) is None
    assert reported_end(known(S.FAILED, failure_code="run_failed")) is None


def test_a_webhook_does_not_hide_the_bots_own_deadline() -> None:
    change = apply_report(known(S.RUNNING, failure_code=DEADLINE), said(S.CANCELLED), NOW)
    assert change == Change(S.RUNNING, {"due_at": NOW})


@pytest.mark.parametrize(
    ("seen_late", "asked", "in_doubt"),
    [({}, False, False), ({}, True, True), ({"outputs_since": NOW}, False, True)],
)
def test_a_duration_is_measured_and_in_doubt_if_the_end_is_seen_late(
    seen_late: dict[str, Any], asked: bool, in_doubt: bool
) -> None:
    before = known(S.RUNNING, started_at=STARTED, **seen_late)
    change = apply_report(before, said(S.SUCCEEDED, outputs=(PICTURE,)), NOW, asked=asked)
    assert change is not None
    assert (change.values["run_duration"], "duration_in_doubt" in change.values) == (50.0, in_doubt)


PART = {
    "outputs": [{"kind": "images", "url": "https://x/a.png", "filename": None, "text": None}],
    "partial": True,
}


@pytest.mark.parametrize("word", sorted(UNSUCCESSFUL))
def test_an_unsuccessful_run_keeps_what_it_made(word: RunState) -> None:
    expected = ended(word, failure_code=f"run_{word}", **PART)
    assert apply_report(known(S.RUNNING), said(word, outputs=(PICTURE,)), NOW, asked=True) == expected
    # What was seen while it ran counts as well.
    seen = apply_report(known(S.RUNNING, outputs=(PICTURE,)), said(word), NOW, asked=True)
    assert seen == ended(word, failure_code=f"run_{word}", **PART)


EVERYTHING = {"outputs": (PICTURE,), "progress": 1.0}


@pytest.mark.parametrize(
    ("before", "word", "target"),
    [
        (known(S.RUNNING), S.TIMED_OUT, S.SUCCEEDED),
        (known(S.TIMED_OUT, failure_code="run_timed_out"), S.TIMED_OUT, S.SUCCEEDED),
        (known(S.RUNNING), S.CANCELLED, S.SUCCEEDED),
        (known(S.RUNNING, failure_code=DEADLINE), S.CANCELLED, S.SUCCEEDED),
        (known(S.RUNNING), S.FAILED, S.FAILED),
        (known(S.RUNNING, cancel_requested_at=NOW), S.CANCELLED, S.CANCELLED),
    ],
)
def test_a_run_that_made_everything_is_a_success_unless_it_failed_or_was_cancelled(
    before: Run, word: RunState, target: RunState
) -> None:
    change = apply_report(before, said(word, **EVERYTHING), NOW, asked=True)
    assert change is not None
    assert change.state is target
    assert change.values.get("partial", False) is (target is not S.SUCCEEDED)


@pytest.mark.parametrize("word", sorted(UNSUCCESSFUL))
def test_any_end_after_the_bots_own_cancel_call_is_its_deadline(word: RunState) -> None:
    change = apply_report(known(S.RUNNING, failure_code=DEADLINE), said(word), NOW, asked=True)
    assert change == ended(S.TIMED_OUT)


LATE_PART = Change(S.FAILED, {**PART, "due_at": None}, ends_run=True, visible=True)


@pytest.mark.parametrize(
    ("before", "word", "code"),
    [
        (known(S.FAILED, failure_code="run_failed"), S.FAILED, None),
        (known(S.FAILED, failure_code="run_failed"), S.SUCCEEDED, None),
        (known(S.CANCELLED, failure_code="cancelled_by_requester"), S.FAILED, None),
        (known(S.CANCELLED, failure_code="cancelled_by_requester"), S.SUCCEEDED, None),
        (known(S.TIMED_OUT, failure_code=DEADLINE), S.FAILED, None),
        (known(S.TIMED_OUT, failure_code=DEADLINE_RUNNING), S.FAILED, "run_failed"),
        (known(S.UNCONFIRMED, failure_code="comfy_timeout"), S.FAILED, "run_failed"),
        (known(S.REFUSED, failure_code="comfy_forbidden"), S.FAILED, "run_failed"),
    ],
)
def test_outputs_are_added_once_to_a_run_that_ended_without(
    before: Run, word: RunState, code: str | None
) -> None:
    report = said(word, outputs=(PICTURE,), progress=0.5)
    # The promise to post a later result is replaced by how the run ended.
    reason = {} if code is None else {"failure_code": code, "failure_params": {}}
    expected = replace(LATE_PART, state=before.state, values={**LATE_PART.values, **reason})
    change = apply_report(before, report, NOW, asked=True)
    assert change == expected
    again = apply_report(applied(before, change), report, NOW, asked=True)
    assert again is None or not again.ends_run


def test_progress_after_the_end_asks_once_more() -> None:
    failed = known(S.FAILED, progress=0.2, ended_at=NOW - SETTLE_AFTER)
    assert apply_report(replace(failed, ended_at=NOW), said(S.FAILED, progress=0.9), NOW) is None
    late = apply_report(failed, said(S.FAILED, progress=0.9), NOW)
    assert late == Change(S.FAILED, {"progress": 0.9, "due_at": NOW + SETTLE_AFTER})
    assert apply_report(applied(failed, late), said(S.FAILED, progress=0.9), NOW) is None


def test_the_outputs_of_a_run_in_flight_are_kept_and_timed_after_its_last_node() -> None:
    first = apply_report(known(S.RUNNING), said(S.RUNNING, outputs=(PICTURE,)), NOW, asked=True)
    assert first == Change(S.RUNNING, {"outputs": PART["outputs"]})
    seen = applied(known(S.RUNNING), first)
    signed_anew = replace(PICTURE, url="https://x/a.png?signed=2")
    assert apply_report(seen, said(S.RUNNING, outputs=(signed_anew,)), NOW, asked=True) is None
    last = apply_report(seen, said(S.RUNNING, **EVERYTHING), NOW, asked=True)
    due_at = NOW + silence_at_end((PICTURE,))
    assert last == shown(S.RUNNING, progress=1.0, outputs_since=NOW, due_at=due_at)


def test_the_start_of_the_last_node_brings_the_next_poll_forward() -> None:
    change = apply_report(known(S.RUNNING, progress=0.9), said(S.RUNNING, progress=1.0), NOW)
    assert change == shown(S.RUNNING, progress=1.0, due_at=NOW + AFTER_LAST_NODE)


@pytest.mark.parametrize(
    ("before", "is_ours"),
    [
        (run(S.UNCONFIRMED, failure_code="comfy_timeout"), True),
        (run(S.TIMED_OUT, failure_code=DEADLINE), True),
        (run(S.TIMED_OUT, failure_code="run_timed_out"), False),
        (run(S.FAILED, failure_code="run_failed"), False),
        (run(S.SUCCEEDED), False),
        (run(S.RUNNING), False),
    ],
)
def test_a_timeout_that_comfydeploy_reports_is_no_verdict_of_ours(before: Run, is_ours: bool) -> None:
    assert is_own_verdict(before) is is_ours


@pytest.mark.parametrize(
    ("before", "duration"),
    [
        (run(S.RUNNING, started_at=STARTED), {"run_duration": 50.0, "duration_in_doubt": True}),
        (run(S.RUNNING, started_at=STARTED, run_duration=7.5), {}),
        (run(S.SUBMITTING), {}),
        (run(S.RUNNING, outputs=(PICTURE,)), {"partial": True}),
    ],
)
def test_our_own_verdict_carries_its_code_and_the_measured_duration(
    before: Run, duration: dict[str, object]
) -> None:
    values = {"failure_code": "deadline", "failure_params": {"a": 1}, "ended_at": NOW, "due_at": None}
    change = Change(S.TIMED_OUT, values | duration, ends_run=True, visible=True)
    assert end(before, S.TIMED_OUT, NOW, "deadline", {"a": 1}) == change
