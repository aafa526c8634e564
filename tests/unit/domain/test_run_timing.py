"""Polling a silent run: the pauses, the deadline, and the end of its outputs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.run_timing import (
    DEADLINE_MARGIN,
    SETTLE_AFTER,
    deadline_of,
    is_silent_at_end,
    next_poll,
    next_settling,
    poll_after_update,
    silence_at_end,
)
from bot.domain.runs import Output, Run, RunState, RunUpdate
from tests.unit.factories import made_run

INTERVAL = timedelta(seconds=15)
NOW = datetime(2026, 5, 4, tzinfo=UTC)
PICTURE, WORDS = Output("images", url="https://x/a.png?signed=1", filename="a.png"), Output("text", text="hi")
RUNNING = made_run(
    RunState.RUNNING,
    submitted_at=NOW,
    started_at=NOW,
    deadline_seconds=3600,
    outputs=(PICTURE,),
    outputs_since=NOW,
)


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


def test_the_pause_doubles_up_to_twenty_intervals() -> None:
    polls = [next_poll(made_run(checks=checks), NOW, INTERVAL) for checks in (*range(7), 100_000)]
    pauses = [(poll - NOW) / INTERVAL for poll in polls]
    assert pauses == [1, 2, 4, 8, 16, 20, 20, 20]
    # Texts are waited for less long than files.
    assert silence_at_end((WORDS,)) < silence_at_end((WORDS, PICTURE))


def test_a_report_postpones_the_next_poll_but_neither_the_deadline_nor_a_cancellation() -> None:
    def poll(run: Run, at: float) -> datetime | None:
        return poll_after_update(run, minutes(at), minutes(at + 1))

    assert poll(RUNNING, 59.5) == minutes(60)
    assert poll(RUNNING, 60) is None
    assert poll(replace(RUNNING, run_timeout=60), 2.5) == minutes(1) + DEADLINE_MARGIN
    assert poll(replace(RUNNING, cancel_requested_at=NOW), 1) is None
    assert poll(replace(RUNNING, state=RunState.SUCCEEDED), 70) == minutes(71)


def test_a_run_in_flight_is_polled_at_its_deadline() -> None:
    polled = replace(RUNNING, run_id="r", checks=10, run_timeout=60)  # five minutes later
    assert [next_poll(polled, minutes(at), INTERVAL) for at in (0, 3)] == [minutes(3), minutes(8)]
    assert next_poll(replace(polled, run_timeout=None), minutes(58), INTERVAL) == minutes(60)
    for other in (replace(polled, run_id=None), replace(polled, state=RunState.TIMED_OUT)):
        assert next_poll(other, NOW, INTERVAL) == minutes(5)


def test_the_deployments_run_timeout_can_only_shorten_the_deadline() -> None:
    run = replace(RUNNING, started_at=minutes(1), run_timeout=300)
    assert [deadline_of(replace(run, run_timeout=each)) for each in (0, 7200)] == [minutes(60), minutes(60)]
    assert deadline_of(run) == minutes(6) + DEADLINE_MARGIN
    # It waits in ComfyDeploy's queue.
    assert deadline_of(replace(run, started_at=None)) == minutes(60)
    assert deadline_of(replace(run, submitted_at=None)) is None


def finished(**more: Any) -> RunUpdate:
    return RunUpdate("r", **{"state": RunState.RUNNING, "progress": 1.0, "outputs": (PICTURE,), **more})


@pytest.mark.parametrize(
    ("update", "silent"),
    [
        (finished(), True),
        (finished(state=RunState.SUCCEEDED), False),
        (finished(progress=None), False),
        (finished(outputs=(PICTURE, WORDS)), False),
    ],
)
def test_a_run_counts_as_finished_if_nothing_changed_since_its_last_node(
    update: RunUpdate, silent: bool
) -> None:
    over = NOW + silence_at_end((PICTURE,))
    assert is_silent_at_end(RUNNING, update, over) is silent
    assert not is_silent_at_end(RUNNING, update, over - timedelta(seconds=1))
    assert not is_silent_at_end(replace(RUNNING, outputs_since=None), update, over)


@pytest.mark.parametrize(
    ("run", "update", "settled_at_once"),
    [
        (made_run(RunState.SUCCEEDED, ended_at=NOW), finished(run_duration=1.5), True),
        (made_run(RunState.SUCCEEDED, ended_at=NOW), finished(), False),
        (made_run(RunState.FAILED, ended_at=NOW, partial=True), finished(run_duration=1.5), True),
        # The machine may go on for a moment.
        (made_run(RunState.CANCELLED, ended_at=NOW), finished(run_duration=1.5, outputs=()), False),
        (made_run(RunState.RUNNING), finished(state=RunState.SUCCEEDED, outputs=()), True),
        (made_run(RunState.RUNNING), finished(state=RunState.FAILED, outputs=()), False),
        (made_run(RunState.RUNNING), finished(state=RunState.FAILED), True),
    ],
)
def test_duration_and_late_outputs_are_waited_for_a_little(
    run: Run, update: RunUpdate, settled_at_once: bool
) -> None:
    now = NOW + timedelta(seconds=4)
    assert next_settling(run, update, now) == (None if settled_at_once else now + SETTLE_AFTER)
    assert run.ended_at is None or next_settling(run, update, NOW + timedelta(seconds=5)) is None


def test_a_log_that_is_not_there_yet_is_read_twice_again() -> None:
    failed, update = made_run(RunState.FAILED, ended_at=NOW), finished(log="", state=RunState.FAILED)
    reads = [next_settling(failed, update, NOW + timedelta(seconds=at)) for at in (9, 10, 30)]
    assert reads == [NOW + timedelta(seconds=10), NOW + timedelta(seconds=30), None]
    assert next_settling(made_run(RunState.RUNNING), update, NOW) == NOW + timedelta(seconds=10)
