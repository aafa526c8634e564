"""Reports, verdicts and blocks: which columns each changes, and that any sequence ends a run once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.runs import FINAL, IN_FLIGHT, REQUESTER_BLOCKED, Output, Run, RunReport, RunState
from bot.domain.transitions import (
    REVIVABLE,
    TRANSITIONS,
    UNSUCCESSFUL,
    Change,
    apply_report,
    end,
    end_for_block,
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
from tests.unit.factories import made_block

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
    subject = run(start, cancel_requested_at=cancel, submissions=1)
    outcomes, ends, gains = 0, 0, 0
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


LATE_START: dict[str, Any] = {"started_at": NOW, "duration_in_doubt": True}
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


def states_before(target: RunState) -> set[RunState]:
    return {state for state, targets in TRANSITIONS.items() if target in targets}


def test_every_state_but_the_final_ones_can_be_left() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert {state for state, targets in TRANSITIONS.items() if not targets} == FINAL - REVIVABLE
    assert all(TRANSITIONS[state] == {S.SUCCEEDED} for state in REVIVABLE)
    assert {S.WAITING, *IN_FLIGHT} | REVIVABLE == states_before(S.SUCCEEDED)


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
            shown(S.UPLOADING, run_id="r", submitted_at=NOW, queue_position=None, **LATE_START),
        ),
        # A run that awaits approval was never sent.
        (run(S.AWAITING_APPROVAL), said(S.RUNNING), None),
    ],
)
def test_the_first_report_adds_the_id(before: Run, report: RunReport, change: Change | None) -> None:
    assert apply_report(before, report, NOW) == change


def test_a_start_that_a_webhook_reports_at_once_is_the_start() -> None:
    for before in (run(S.SUBMITTING, run_id="r"), known(S.QUEUED)):
        change = apply_report(before, said(S.RUNNING, progress=0.0), NOW)
        assert change == shown(S.RUNNING, queue_position=None, started_at=NOW)
        polled = apply_report(before, said(S.RUNNING, progress=0.0), NOW, asked=True)
        assert polled == shown(S.RUNNING, queue_position=None, **LATE_START)


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
            shown(S.RUNNING, queue_position=None, **LATE_START, **HALF),
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
    duration_in_doubt=False,
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
            shown(S.UPLOADING, due_at=NOW, queue_position=None, **LATE_START),
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


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("run_id", [None, "r"])
def test_a_block_ends_only_runs_that_were_never_sent(state: RunState, run_id: str | None) -> None:
    ends = {} if run_id else {S.AWAITING_APPROVAL: S.REJECTED, S.WAITING: S.REFUSED}
    change = end_for_block(run(state, run_id=run_id), made_block("spam", created_by=99), NOW)
    assert (change and change.state) is ends.get(state)


@pytest.mark.parametrize(
    ("why", "until", "params"),
    [
        ("spam", NOW, {"until": int(NOW.timestamp()), "reason": "spam"}),
        ("", None, {"until": 0}),
        (None, None, {"until": 0}),
    ],
)
def test_a_block_carries_its_reason_and_its_end_and_decides_a_pending_approval(
    why: str | None, until: datetime | None, params: dict[str, Any]
) -> None:
    verdict = made_block(why, until, created_by=99)
    values = {"failure_code": REQUESTER_BLOCKED, "failure_params": params, "ended_at": NOW, "due_at": None}
    waiting = Change(S.REFUSED, values, ends_run=True, visible=True)
    assert end_for_block(run(S.WAITING), verdict, NOW) == waiting
    pending = replace(waiting, state=S.REJECTED, values={**values, "decided_by": 99, "decided_at": NOW})
    assert end_for_block(run(S.AWAITING_APPROVAL), verdict, NOW) == pending
