"""Estimate when runs end: the medians, a run in flight, a queue, a batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.fair_queue import (
    NEEDED,
    SHORTEST,
    Medians,
    QueuedRun,
    QueueState,
    Success,
    end_of_all,
    expected_end,
    expected_starts,
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


def queued(key: str, person: int = 1, deployment: str = "flux", gpu: str = "L4", **limits: int) -> QueuedRun:
    return QueuedRun(key, deployment, person, 7, expected_gpu=gpu, **limits)


def in_flight(
    submitted: float | None = None,
    started: float | None = None,
    *,
    progress: float | None = None,
    position: int | None = None,
    key: str = "busy",
    gpu: str = "L4",
    deployment: str = "flux",
) -> QueuedRun:
    """Return a run that was submitted and started so many seconds ago."""
    return queued(key, deployment=deployment, gpu=gpu)._replace(
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
def test_the_end_of_a_run_in_flight(run: QueuedRun, slots: int | None, left: float | None) -> None:
    found = expected_end(run, USUAL, NOW, slots)
    assert (None if found is None else round((found - NOW).total_seconds(), 3)) == left


MEDIANS = {
    ("flux", "L4"): USUAL,
    ("flux", "H100"): Medians(timedelta(seconds=20), timedelta(seconds=10)),
    ("flux", "T4"): None,
}


def waits(*keys: str, gpu: str = "L4", **more: int) -> list[QueuedRun]:
    return [queued(key, gpu=gpu, **more) for key in keys]


@pytest.mark.parametrize(
    ("waiting", "busy", "slots", "starts"),
    [
        ([], [in_flight(0)], 1, {}),
        # One at a time: after what runs, then one after the other.
        (waits("a", "b"), [in_flight(30, 30)], 1, {"a": 10, "b": 70}),
        # Two at a time: as each of the two ends.
        (
            waits("a", "b", "c"),
            [in_flight(30, 30, key="x"), in_flight(20, 20, key="y")],
            2,
            {"a": 10, "b": 20, "c": 70},
        ),
        # Runs on another GPU take as long as usual there.
        ([*waits("a", gpu="H100"), *waits("b")], [in_flight(30, 30)], 1, {"a": 10, "b": 30}),
        # Unknown durations keep their places.
        ([*waits("a", gpu="T4"), *waits("b")], [in_flight(30, 30)], 1, {"a": 10}),
        (waits("a"), [in_flight(30, 30, gpu="T4")], 1, {}),
        (waits("a", "b"), [in_flight(30, 30, gpu="T4"), in_flight(30, 30, key="y")], 2, {"a": 10, "b": 70}),
        # So does a run that takes longer than usual.
        (waits("a"), [in_flight(90, 80)], 1, {}),
        (waits("a"), [in_flight(90, 80, progress=0.5)], 1, {"a": 20}),
        # A place is free, or there is no limit.
        (waits("a", "b"), [in_flight(30, 30)], 2, {"a": 0, "b": 10}),
        (waits("a", "b"), [], None, {"a": 0, "b": 0}),
        # Other deployments have places of their own.
        (waits("a"), [in_flight(5, key="x", deployment="sdxl")], 1, {"a": 0}),
        # The limits of the requester and of the server.
        (waits("a", user_limit=1), [in_flight(30, 30)], None, {"a": 10}),
        ([*waits("a", user_limit=1), *waits("b", person=2)], [in_flight(30, 30)], 9, {"a": 10, "b": 0}),
        (waits("a", "b", server_limit=2), [in_flight(30, 30)], None, {"a": 0, "b": 10}),
        # A requester's run of another deployment, whose end is unknown.
        (waits("a", user_limit=1), [in_flight(5, key="x", deployment="sdxl")], 1, {}),
    ],
)
def test_the_starts_of_a_queue(
    waiting: list[QueuedRun], busy: list[QueuedRun], slots: int | None, starts: dict[str, float]
) -> None:
    found = expected_starts(QueueState(waiting, busy, MEDIANS), NOW, slots)
    assert {key: (at - NOW).total_seconds() for key, at in found.items()} == starts


def test_runs_that_took_no_time_do_not_keep_the_queue_from_moving() -> None:
    nothing = {("flux", "L4"): Medians(timedelta(), timedelta())}
    found = expected_starts(QueueState(waits("a", "b", "c"), [], nothing), NOW, 1)
    assert found == dict.fromkeys("abc", NOW)


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
