"""Reports, verdicts and blocks: which columns each changes, and that any sequence ends a run once."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.polling import AFTER_LAST_NODE
from bot.domain.run_ends import SETTLE_AFTER, silence_at_end
from bot.domain.runs import FINAL, IN_FLIGHT, Output, Run, RunReport, RunState
from bot.domain.transitions import (
    DEADLINE,
    DEADLINE_RUNNING,
    OUTPUTS_GRACE,
    REASON_GRACE,
    REQUESTER_BLOCKED,
    REVIVABLE,
    TRANSITIONS,
    UNSUCCESSFUL,
    Change,
    apply_report,
    belongs,
    end,
    end_for_block,
    is_own_verdict,
    sources,
)
from tests.unit.factories import made_run

NOW = datetime(2026, 5, 4, tzinfo=UTC)
STARTED = NOW - timedelta(seconds=50)
S = RunState
PICTURE = Output("images", url="https://x/a.png")
COLUMNS = {field.name for field in fields(Run)}


def run(state: RunState = S.SUBMITTING, **more: Any) -> Run:
    return made_run(state, created_at=NOW, **more)


def applied(subject: Run, change: Change) -> Run:
    """Return the run as the store would have it afterwards."""
    values = {name: value for name, value in change.values.items() if name in COLUMNS}
    if "outputs" in values:
        values["outputs"] = tuple(Output(**item) for item in values["outputs"])  # type: ignore[attr-defined]
    return replace(subject, state=change.state, **values)


reports = st.builds(
    RunReport,
    run_id=st.just("r"),
    state=st.sampled_from([None, *RunState]),
    live_status=st.sampled_from([None, "a", "b"]),
    progress=st.none() | st.floats(0, 1),
    outputs=st.sampled_from([(), (PICTURE,)]),
    queue_position=st.none() | st.integers(0, 5),
    gpu=st.none() | st.text(max_size=200),
    run_duration=st.none() | st.floats(0, 1e6),
)


@dataclass(frozen=True)
class End:
    target: RunState


events = st.lists(
    st.tuples(reports, st.booleans()) | st.builds(End, st.sampled_from(sorted(FINAL - {S.SUCCEEDED}))),
    max_size=25,
)


@given(start=st.sampled_from(sorted(RunState)), sequence=events, cancel=st.none() | st.just(NOW))
def test_any_sequence_of_events_follows_the_table_and_owes_one_message_per_end(
    start: RunState, sequence: list[tuple[RunReport, bool] | End], cancel: datetime | None
) -> None:
    subject, outcomes, ends, gains = run(start, cancel_requested_at=cancel), 0, 0, 0
    for number, event in enumerate(sequence):
        now = NOW + timedelta(seconds=number)
        if isinstance(event, End):
            change = end(subject, event.target, now, "code", {})
        else:
            change = apply_report(subject, event[0], now, asked=event[1])
        if change is None:
            continue
        after = applied(subject, change)
        moved = after.state is not subject.state
        assert not moved or after.state in TRANSITIONS[subject.state]
        assert (after.progress or 0) >= (subject.progress or 0)
        gained = subject.final and after.partial and not subject.partial
        assert change.ends_run is ((moved and after.final) or gained)
        assert not gained or after.outputs
        assert not after.partial or (after.outputs and after.state is not S.SUCCEEDED)
        if after.state is S.SUCCEEDED and moved:
            assert after.outputs or (not isinstance(event, End) and event[1])
            assert after.failure_code is None
        if moved and after.final:
            ends += 1
            assert not subject.final or after.state is S.SUCCEEDED
            assert after.ended_at == now
            assert change.values["due_at"] in (None, now)
            assert after.state is S.SUCCEEDED or after.failure_code
        assert after.run_duration is None or after.run_duration >= 0
        assert len(after.gpu_used or "") <= 32
        outcomes += change.ends_run
        gains += gained
        subject = after
    assert outcomes == ends + gains
    assert gains <= 1
    assert ends <= 2
    assert ends < 2 or subject.state is S.SUCCEEDED


NEVER_RAN = FINAL - REVIVABLE - UNSUCCESSFUL


@given(state=st.sampled_from(sorted(NEVER_RAN)), report=reports, asked=st.booleans())
def test_a_report_tells_a_final_run_only_its_id(state: RunState, report: RunReport, asked: bool) -> None:
    change = apply_report(run(state), report, NOW, asked=asked)
    assert change is None or (change.state is state and set(change.values) <= {"run_id", "due_at"})
    assert apply_report(run(state, run_id="r"), report, NOW, asked=asked) is None


@given(report=reports, state=st.sampled_from(sorted(RunState)))
def test_a_repeated_report_changes_nothing_visible(report: RunReport, state: RunState) -> None:
    first = apply_report(run(state), report, NOW)
    if first is None:
        return
    second = apply_report(applied(run(state), first), report, NOW)
    assert second is None or not (second.visible or second.ends_run)


def test_every_state_but_the_final_ones_can_be_left() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert {state for state, targets in TRANSITIONS.items() if not targets} == FINAL - REVIVABLE
    assert all(TRANSITIONS[state] == {S.SUCCEEDED} for state in REVIVABLE)
    assert {S.WAITING, *IN_FLIGHT} | REVIVABLE == sources(S.SUCCEEDED)


def test_only_an_approval_or_a_failed_submission_leads_to_waiting() -> None:
    assert sources(S.WAITING) == {S.AWAITING_APPROVAL, S.SUBMITTING}


def test_a_report_belongs_to_its_run_or_to_one_without_an_id() -> None:
    assert belongs(run(), RunReport("r"))
    assert belongs(run(run_id="r"), RunReport("r"))
    assert not belongs(run(run_id="q"), RunReport("r"))


def known(state: RunState, **more: Any) -> Run:
    """Return a run whose id is known already, so that a report adds no id."""
    return run(state, run_id="r", **more)


def said(state: RunState | None = None, **more: Any) -> RunReport:
    return RunReport("r", state, **more)


def shown(state: RunState, **columns: Any) -> Change:
    return Change(state, columns, visible=True)


def ended(state: RunState, outcome_due_at: datetime = NOW, **columns: Any) -> Change:
    values = {"ended_at": NOW, "due_at": None, "queue_position": None, **columns}
    return Change(state, values, outcome_due_at=outcome_due_at, visible=True)


@pytest.mark.parametrize(
    ("before", "report", "change"),
    [
        (run(S.SUBMITTING), said(), Change(S.SUBMITTING, {"run_id": "r"})),
        (
            run(S.SUBMITTING, cancel_requested_at=NOW),
            said(),
            Change(S.SUBMITTING, {"run_id": "r", "due_at": NOW}),
        ),
        (run(S.RUNNING), said(S.RUNNING, progress=0.5), shown(S.RUNNING, run_id="r", progress=0.5)),
        # A run that was put back had been accepted after all, whatever the word.
        (run(S.WAITING), said(), shown(S.QUEUED, run_id="r", submitted_at=NOW)),
        (
            run(S.WAITING),
            said(S.UPLOADING),
            shown(S.UPLOADING, run_id="r", submitted_at=NOW, queue_position=None, started_at=NOW),
        ),
        # A run that awaits approval was never sent.
        (run(S.AWAITING_APPROVAL), said(S.RUNNING), None),
    ],
)
def test_the_first_report_adds_the_id(before: Run, report: RunReport, change: Change | None) -> None:
    assert apply_report(before, report, NOW) == change


HALF: dict[str, Any] = {"progress": 0.5, "live_status": "b"}


@pytest.mark.parametrize(
    ("before", "report", "change"),
    [
        (
            known(S.QUEUED, queue_position=3),
            said(S.QUEUED, queue_position=2),
            shown(S.QUEUED, queue_position=2),
        ),
        (known(S.QUEUED, queue_position=3), said(S.QUEUED, queue_position=3), None),
        (known(S.RUNNING), said(S.RUNNING, queue_position=2), None),
        (known(S.RUNNING), said(S.QUEUED, queue_position=2), None),
        (known(S.RUNNING), said(), None),
        (known(S.RUNNING), said(S.RUNNING, **HALF), shown(S.RUNNING, **HALF)),
        (known(S.RUNNING, progress=0.4, live_status="a"), said(S.RUNNING, **HALF), shown(S.RUNNING, **HALF)),
        (known(S.RUNNING, progress=0.5), said(S.RUNNING, **HALF), shown(S.RUNNING, live_status="b")),
        (known(S.RUNNING, live_status="b"), said(S.RUNNING, **HALF), shown(S.RUNNING, progress=0.5)),
        (known(S.RUNNING, **HALF), said(S.RUNNING, **HALF), None),
        (known(S.RUNNING, live_status="b"), said(S.RUNNING), None),
        (known(S.RUNNING, progress=0.6), said(S.RUNNING, **HALF), None),
        (known(S.RUNNING, progress=0.6), said(S.RUNNING, live_status="b"), None),
        # Together with the next state.
        (known(S.SUBMITTING), said(S.QUEUED, queue_position=2), shown(S.QUEUED, queue_position=2)),
        (
            known(S.QUEUED, queue_position=3),
            said(S.RUNNING, **HALF),
            shown(S.RUNNING, queue_position=None, started_at=NOW, **HALF),
        ),
        (known(S.RUNNING, started_at=STARTED), said(S.UPLOADING), shown(S.UPLOADING, queue_position=None)),
    ],
)
def test_only_newer_progress_phases_and_positions_are_kept(
    before: Run, report: RunReport, change: Change | None
) -> None:
    assert apply_report(before, report, NOW) == change


MADE = said(S.SUCCEEDED, outputs=(PICTURE, Output("text", text="hi")), gpu="A" * 40, run_duration=7.5)
SUCCEEDED = ended(
    S.SUCCEEDED,
    outputs=[
        {"kind": "images", "url": "https://x/a.png", "filename": None, "text": None},
        {"kind": "text", "url": None, "filename": None, "text": "hi"},
    ],
    gpu_used="A" * 32,
    run_duration=7.5,
    failure_code=None,
    failure_params={},
)


@pytest.mark.parametrize(
    ("before", "report", "change"),
    [
        (known(S.RUNNING, started_at=STARTED), MADE, SUCCEEDED),
        (known(S.UNCONFIRMED, failure_code="comfy_timeout", failure_params={"a": 1}), MADE, SUCCEEDED),
        (
            known(S.WAITING),
            said(S.SUCCEEDED),
            shown(S.UPLOADING, due_at=NOW, queue_position=None, started_at=NOW),
        ),
        (
            known(S.RUNNING, started_at=STARTED),
            said(S.SUCCEEDED),
            shown(S.UPLOADING, due_at=NOW, queue_position=None),
        ),
        *(
            (known(state), said(S.SUCCEEDED), Change(state, {"due_at": NOW}))
            for state in (S.UPLOADING, *sorted(REVIVABLE))
        ),
        *((known(state), said(S.SUCCEEDED), None) for state in sorted(FINAL - REVIVABLE)),
    ],
)
def test_a_success_is_believed_only_with_its_outputs(
    before: Run, report: RunReport, change: Change | None
) -> None:
    assert apply_report(before, report, NOW) == change


def test_an_answer_to_get_run_may_succeed_without_outputs() -> None:
    change = apply_report(known(S.RUNNING), said(S.SUCCEEDED), NOW, asked=True)
    assert change == ended(S.SUCCEEDED, outputs=[], failure_code=None, failure_params={})


@pytest.mark.parametrize("state", sorted(REVIVABLE))
def test_a_revivable_run_is_asked_about_until_it_has_ended_upstream(state: RunState) -> None:
    assert apply_report(known(state), said(S.RUNNING), NOW) is None
    for word in (S.FAILED, S.CANCELLED, S.TIMED_OUT):
        # GET /run may have outputs; after that, no further poll is needed.
        assert apply_report(known(state), said(word), NOW) == Change(state, {"due_at": NOW})
        assert apply_report(known(state), said(word), NOW, asked=True) is None


CANCELLING = known(S.RUNNING, cancel_requested_at=NOW)


def asked_first(state: RunState, **columns: Any) -> Change:
    """Return the change of an end whose outcome waits for GET /run, which is asked at once."""
    return ended(state, NOW + OUTPUTS_GRACE, **{**columns, "due_at": NOW})


@pytest.mark.parametrize(
    ("before", "report", "change"),
    [
        (known(S.RUNNING), said(S.FAILED), ended(S.FAILED, failure_code="run_failed")),
        (known(S.RUNNING, failure_code="comfy_rejected"), said(S.FAILED), ended(S.FAILED)),
        # The duration is the reported one, or else the time since the start.
        (
            known(S.RUNNING, started_at=STARTED),
            said(S.TIMED_OUT),
            ended(S.TIMED_OUT, failure_code="run_timed_out", run_duration=50.0),
        ),
        (
            known(S.RUNNING, started_at=STARTED),
            said(S.FAILED, run_duration=0.0),
            ended(S.FAILED, failure_code="run_failed", run_duration=0.0),
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
    ],
)
def test_a_failure_carries_its_code_and_duration(before: Run, report: RunReport, change: Change) -> None:
    assert apply_report(before, report, NOW, asked=True) == change
    assert apply_report(before, report, NOW) == asked_first(change.state, **change.values)


PART = {
    "outputs": [{"kind": "images", "url": "https://x/a.png", "filename": None, "text": None}],
    "partial": True,
}


@pytest.mark.parametrize("word", sorted(UNSUCCESSFUL))
@pytest.mark.parametrize("asked", [True, False])
def test_an_unsuccessful_run_keeps_what_it_made(word: RunState, asked: bool) -> None:
    expected = ended(word, failure_code=f"run_{word}", **PART)
    if word is S.FAILED and not asked:
        expected = asked_first(word, failure_code="run_failed", **PART)  # only GET /run has the reason
    assert apply_report(known(S.RUNNING), said(word, outputs=(PICTURE,)), NOW, asked=asked) == expected
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


def test_a_cancellation_after_the_last_node_that_nobody_asked_for_is_checked_first() -> None:
    change = apply_report(known(S.RUNNING), said(S.CANCELLED, progress=1.0), NOW)
    expected = {"due_at": NOW + AFTER_LAST_NODE, "queue_position": None, "started_at": NOW, "progress": 1.0}
    assert change == shown(S.UPLOADING, **expected)
    mine = apply_report(replace(CANCELLING, started_at=NOW), said(S.CANCELLED, progress=1.0), NOW)
    assert mine is not None
    assert mine.state is S.CANCELLED


@pytest.mark.parametrize("word", sorted(UNSUCCESSFUL))
def test_whatever_follows_the_bots_own_cancel_call_is_its_deadline(word: RunState) -> None:
    change = apply_report(known(S.RUNNING, failure_code=DEADLINE), said(word), NOW, asked=True)
    assert change == ended(S.TIMED_OUT)


LATE_PART = Change(S.FAILED, {**PART, "due_at": None}, outcome_due_at=NOW, visible=True)


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (known(S.FAILED, failure_code="run_failed"), None),
        (known(S.CANCELLED, failure_code="cancelled_by_requester"), None),
        (known(S.TIMED_OUT, failure_code=DEADLINE), None),
        (known(S.TIMED_OUT, failure_code=DEADLINE_RUNNING), "run_failed"),
        (known(S.UNCONFIRMED, failure_code="comfy_timeout"), "run_failed"),
    ],
)
def test_outputs_are_added_once_to_a_run_that_ended_without(before: Run, code: str | None) -> None:
    report = said(S.FAILED, outputs=(PICTURE,), progress=0.5)
    # The promise to post a later result is replaced by how the run ended.
    reason = {} if code is None else {"failure_code": code, "failure_params": {}}
    expected = replace(LATE_PART, state=before.state, values={**LATE_PART.values, **reason})
    change = apply_report(before, report, NOW)
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


def test_an_early_failure_waits_for_the_reason_in_the_queue_reply() -> None:
    change = apply_report(known(S.SUBMITTING), said(S.FAILED), NOW, asked=True)
    assert change == ended(S.FAILED, NOW + REASON_GRACE, failure_code="run_failed")


def test_the_log_of_a_failure_is_kept() -> None:
    change = apply_report(known(S.RUNNING), said(S.FAILED, log="ValueError: x"), NOW, asked=True)
    assert change == ended(S.FAILED, failure_code="run_failed", failure_log="ValueError: x")


def test_our_own_verdict_about_a_run_that_made_something_is_partial() -> None:
    change = end(run(S.RUNNING, outputs=(PICTURE,)), S.TIMED_OUT, NOW, DEADLINE, {})
    assert change is not None
    assert change.values["partial"] is True


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
        (run(S.RUNNING, started_at=STARTED), {"run_duration": 50.0}),
        (run(S.RUNNING, started_at=STARTED, run_duration=7.5), {}),
        (run(S.SUBMITTING), {}),
    ],
)
def test_our_own_verdict_carries_its_code_and_the_measured_duration(
    before: Run, duration: dict[str, float]
) -> None:
    values = {"failure_code": "deadline", "failure_params": {"a": 1}, "ended_at": NOW, "due_at": None}
    change = Change(S.TIMED_OUT, values | duration, outcome_due_at=NOW, visible=True)
    assert end(before, S.TIMED_OUT, NOW, "deadline", {"a": 1}) == change


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("run_id", [None, "r"])
def test_a_block_ends_only_runs_that_were_never_sent(state: RunState, run_id: str | None) -> None:
    ends = {} if run_id else {S.AWAITING_APPROVAL: S.REJECTED, S.WAITING: S.REFUSED}
    change = end_for_block(run(state, run_id=run_id), 99, "spam", NOW)
    assert (change and change.state) is ends.get(state)


@pytest.mark.parametrize(("why", "params"), [("spam", {"reason": "spam"}), ("", {}), (None, {})])
def test_a_block_carries_its_reason_and_decides_a_pending_approval(
    why: str | None, params: dict[str, str]
) -> None:
    values = {"failure_code": REQUESTER_BLOCKED, "failure_params": params, "ended_at": NOW, "due_at": None}
    waiting = Change(S.REFUSED, values, outcome_due_at=NOW, visible=True)
    assert end_for_block(run(S.WAITING), 99, why, NOW) == waiting
    pending = replace(waiting, state=S.REJECTED, values={**values, "decided_by": 99, "decided_at": NOW})
    assert end_for_block(run(S.AWAITING_APPROVAL), 99, why, NOW) == pending
