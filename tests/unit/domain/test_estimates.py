"""Estimate when runs end: the medians, a run in flight, a queue, a batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.fair_queue import (
    NEEDED,
    SHORTEST,
    Medians,
    StartedRun,
    Success,
    end_of_all,
    expected_end,
    expected_start,
    may_be_estimated,
    medians_of,
)
from bot.domain.runs import FINAL, RunState
from tests.unit.factories import made_run

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
# A minute from the queue call, of which 40 seconds once the backend has started it.
USUAL = Medians(timedelta(seconds=60), timedelta(seconds=40))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def success(total: float, execute: float | None) -> Success:
    return Success(ago(total), None if execute is None else ago(execute), NOW)


@pytest.mark.parametrize(
    ("successes", "medians"),
    [
        ([], None),
        ([success(60, 40)] * (NEEDED - 1), None),
        ([success(60, 40)] * NEEDED, (60, 40)),
        # One outlier changes nothing.
        ([success(60, 40)] * 3 + [success(9000, 8000), success(20, 10)], (60, 40)),
        # An even number: between the two in the middle.
        ([success(total, 10) for total in (10, 20, 30, 50, 60, 70)], (40, 10)),
        # A run that was never seen running counts from its queue call.
        ([success(60, None)] * 3 + [success(90, 10)] * 2, (60, 60)),
    ],
)
def test_the_medians_of_at_least_five_runs(
    successes: list[Success], medians: tuple[float, float] | None
) -> None:
    found = medians_of(successes)
    assert (found and (found.total.total_seconds(), found.execute.total_seconds())) == medians


def in_flight(
    submitted: float | None = None,
    started: float | None = None,
    *,
    progress: float | None = None,
    position: int | None = None,
) -> StartedRun:
    """Return a run that was submitted and started so many seconds ago."""
    return StartedRun(
        submitted_at=None if submitted is None else ago(submitted),
        started_at=None if started is None else ago(started),
        progress=progress,
        queue_position=position,
    )


@pytest.mark.parametrize(
    ("run", "slots", "left"),
    [
        (in_flight(), 1, None),
        # Submitted, or in the backend's queue.
        (in_flight(0), 1, 60),
        (in_flight(10), 1, 50),
        (in_flight(10), None, 50),
        # It hasn't started, so it needs its whole execution, however long it has waited.
        (in_flight(21), 1, 40),
        (in_flight(1000), 1, 40),
        # The next in the backend's queue starts when a place is free; two go at a time.
        (in_flight(30, position=1), 1, 40),
        (in_flight(30, position=4), 1, 160),
        (in_flight(30, position=4), 2, 100),
        (in_flight(30, position=4), None, 160),
        # Running: the time counts, not the nodes.
        (in_flight(20, 0), 1, 40),
        (in_flight(200, 10), 1, 30),
        (in_flight(20, 10, progress=0.9), 1, 30),
        (in_flight(20, 39, progress=1.0), 1, 1),
        # Later than usual: by its progress, or nothing is known.
        (in_flight(20, 40), 1, None),
        (in_flight(20, 41, progress=0), 1, None),
        (in_flight(20, 40, progress=0.25), 1, 30),
        (in_flight(90, 80, progress=0.9), 1, 4),
        (in_flight(90, 80, progress=1.0), 1, None),
        (in_flight(90, 80, progress=1.5), 1, None),
    ],
)
def test_the_end_of_a_run_in_flight(run: StartedRun, slots: int | None, left: float | None) -> None:
    found = expected_end(run, USUAL, NOW, slots)
    assert (None if found is None else round((found - NOW).total_seconds(), 3)) == left


@pytest.mark.parametrize(
    ("free_in", "starts"),
    [
        # One at a time: after what runs, then one after the other.
        ([10], [10, 70, 130]),
        # Two at a time: as each of the two ends.
        ([10, 20], [10, 20, 70, 80]),
        # A slot is free.
        ([10, 0], [0, 10, 60]),
        # Nobody knows when one will be.
        ([], [None, None]),
    ],
)
def test_the_starts_of_a_queue(free_in: list[float], starts: list[float | None]) -> None:
    free_at = [NOW + timedelta(seconds=each) for each in free_in]
    found = [expected_start(position, free_at, USUAL) for position in range(1, len(starts) + 1)]
    assert [None if at is None else (at - NOW).total_seconds() for at in found] == starts


@pytest.mark.parametrize(
    ("lefts", "left"),
    [
        ([40], 40),
        ([40, 60, 50], 60),
        ([40, None], None),
        ([], None),
        ([SHORTEST.total_seconds()], 5),
        ([4.9], None),
        ([4.9, 40], 40),
    ],
)
def test_a_batch_ends_with_its_last_run(lefts: list[float | None], left: float | None) -> None:
    ends = [None if each is None else NOW + timedelta(seconds=each) for each in lefts]
    found = end_of_all(ends, NOW)
    assert (None if found is None else (found - NOW).total_seconds()) == left


def test_a_run_that_a_person_or_a_rule_keeps_has_no_estimate() -> None:
    undecided = {state for state in set(RunState) - FINAL if not may_be_estimated(made_run(state))}
    assert undecided == {RunState.AWAITING_APPROVAL}
    assert not may_be_estimated(made_run(RunState.WAITING, waiting_code="paused"))
    assert not may_be_estimated(made_run(RunState.RUNNING, cancel_requested_at=NOW))
