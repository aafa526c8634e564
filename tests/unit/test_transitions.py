"""Any sequence of events leads a run along the table, to one end, told once."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.runs import FINAL, IN_FLIGHT, REVIVABLE, TRANSITIONS, Output, Run, RunReport, RunState, sources
from bot.runs.transitions import REASON_GRACE, Change, apply_report, belongs, end
from tests.unit.factories import made_run

NOW = datetime(2026, 5, 4, tzinfo=UTC)
PICTURE = Output("images", url="https://x/a.png")
COLUMNS = {field.name for field in fields(Run)}


def run(state: RunState = RunState.SUBMITTING, **more: Any) -> Run:
    return made_run(state, created_at=NOW, **more)


def applied(subject: Run, change: Change) -> Run:
    """The run as the store would have it afterwards."""
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
    st.tuples(reports, st.booleans()) | st.builds(End, st.sampled_from(sorted(FINAL - {RunState.SUCCEEDED}))),
    max_size=25,
)


@given(start=st.sampled_from(sorted(RunState)), story=events, cancel=st.none() | st.just(NOW))
def test_every_story_follows_the_table_and_owes_one_message_for_each_end(
    start: RunState, story: list[tuple[RunReport, bool] | End], cancel: datetime | None
) -> None:
    subject, owed, ends = run(start, cancel_requested_at=cancel), 0, 0
    for number, event in enumerate(story):
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
        assert change.owed is (moved and after.final)
        assert (change.owed_at is not None) is change.owed
        if after.state is RunState.SUCCEEDED and moved:
            assert after.outputs or (not isinstance(event, End) and event[1])
            assert after.failure_code is None
        if moved and after.final:
            ends += 1
            assert after.ended_at == now
            assert change.values["due_at"] is None
            assert after.state is RunState.SUCCEEDED or after.failure_code
        assert after.run_duration is None or after.run_duration >= 0
        assert len(after.gpu_used or "") <= 32
        owed += change.owed
        subject = after
    assert owed == ends <= 2
    assert owed < 2 or subject.state is RunState.SUCCEEDED


@given(state=st.sampled_from(sorted(FINAL - REVIVABLE)), report=reports, asked=st.booleans())
def test_a_final_run_learns_no_more_than_its_id(state: RunState, report: RunReport, asked: bool) -> None:
    change = apply_report(run(state), report, NOW, asked=asked)
    assert change is None or (change.state is state and set(change.values) <= {"run_id", "due_at"})
    assert apply_report(run(state, run_id="r"), report, NOW, asked=asked) is None


@given(report=reports, state=st.sampled_from(sorted(RunState)))
def test_the_same_report_twice_changes_nothing_more_that_anybody_sees(
    report: RunReport, state: RunState
) -> None:
    first = apply_report(run(state), report, NOW)
    if first is None:
        return
    second = apply_report(applied(run(state), first), report, NOW)
    assert second is None or not (second.visible or second.owed)


def test_the_table_knows_every_state_and_only_final_states_end() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert {state for state, targets in TRANSITIONS.items() if not targets} == FINAL - REVIVABLE
    assert all(TRANSITIONS[state] == {RunState.SUCCEEDED} for state in REVIVABLE)
    assert {RunState.WAITING, *IN_FLIGHT} | REVIVABLE == sources(RunState.SUCCEEDED)


def test_a_run_never_goes_back_to_waiting_once_comfydeploy_has_it() -> None:
    assert sources(RunState.WAITING) == {RunState.AWAITING_APPROVAL, RunState.SUBMITTING}


def test_an_id_that_is_not_known_yet_is_adopted_and_another_is_foreign() -> None:
    assert belongs(run(), RunReport("r"))
    assert belongs(run(run_id="r"), RunReport("r"))
    assert not belongs(run(run_id="q"), RunReport("r"))


@pytest.mark.parametrize("state", [RunState.WAITING, *sorted(IN_FLIGHT), *sorted(REVIVABLE)])
def test_a_success_without_outputs_is_asked_about(state: RunState) -> None:
    change = apply_report(run(state, run_id="r"), RunReport("r", RunState.SUCCEEDED), NOW)
    assert change is not None
    assert change.state is (state if state in REVIVABLE else RunState.UPLOADING)
    assert change.values["due_at"] == NOW
    assert not change.owed


def test_only_a_failure_before_the_queue_reply_waits_for_its_reason() -> None:
    failed = RunReport("r", RunState.FAILED)
    early = apply_report(run(RunState.SUBMITTING), failed, NOW)
    later = apply_report(run(RunState.RUNNING), failed, NOW)
    assert early is not None
    assert later is not None
    assert (early.owed_at, later.owed_at) == (NOW + REASON_GRACE, NOW)


def test_a_cancelled_report_is_the_requesters_only_if_they_asked() -> None:
    cancelled = RunReport("r", RunState.CANCELLED)
    asked = apply_report(run(RunState.RUNNING, cancel_requested_at=NOW), cancelled, NOW)
    unasked = apply_report(run(RunState.RUNNING), cancelled, NOW)
    assert asked is not None
    assert unasked is not None
    assert asked.values["failure_code"] == "cancelled_by_requester"
    assert unasked.values["failure_code"] == "run_cancelled"


def test_older_news_does_not_overwrite_newer() -> None:
    ahead = run(RunState.RUNNING, run_id="r", progress=0.5, live_status="new")
    assert apply_report(ahead, RunReport("r", RunState.RUNNING, "old", 0.4), NOW) is None


def test_a_place_in_their_queue_is_forgotten_when_it_runs() -> None:
    change = apply_report(run(RunState.QUEUED, queue_position=3), RunReport("r", RunState.RUNNING), NOW)
    assert change is not None
    assert change.values["queue_position"] is None
    assert change.values["started_at"] == NOW


def test_the_cost_is_what_they_say_or_else_the_time_since_the_start() -> None:
    started = run(RunState.RUNNING, started_at=NOW - timedelta(seconds=50))
    said = apply_report(started, RunReport("r", RunState.FAILED, run_duration=7.5), NOW)
    unsaid = apply_report(started, RunReport("r", RunState.FAILED), NOW)
    ours = end(started, RunState.TIMED_OUT, NOW, "deadline", {})
    durations = [change.values["run_duration"] for change in (said, unsaid, ours) if change]
    assert durations == [7.5, 50.0, 50.0]
