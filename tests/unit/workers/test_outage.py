"""While the backend is away, one run at a time is claimed, after growing pauses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.workers.outage import BackendOutage

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def outage() -> BackendOutage:
    """Return an outage whose first call has failed."""
    made = BackendOutage()
    assert made.lets_through(NOW)
    made.begin("first")
    made.begin("second")
    assert made.lets_through(NOW)
    made.fail(NOW)
    return made


def test_the_pauses_grow_to_a_minute(outage: BackendOutage) -> None:
    seconds, pauses = 0.0, []
    for _ in range(7):
        pauses.append(next(pause for pause in range(100) if outage.lets_through(at(seconds + pause))))
        seconds += pauses[-1]
        assert outage.fail(at(seconds)) >= at(seconds)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert outage.since == NOW


def test_calls_that_fail_together_count_once(outage: BackendOutage) -> None:
    for _ in range(5):
        outage.fail(at(1))
    assert not outage.is_long
    assert not outage.lets_through(at(2.9))
    assert outage.lets_through(at(3))


@pytest.mark.parametrize(("asked", "pause"), [(30, 30), (1, 2), (10**9, 3600)])
def test_the_backends_own_pause_is_kept_for_up_to_an_hour(asked: float, pause: float) -> None:
    outage = BackendOutage()
    assert at(pause + 3) <= outage.fail(NOW, asked) <= at(pause + 4)
    assert not outage.lets_through(at(pause - 0.1))
    assert outage.lets_through(at(pause))


def test_one_run_at_a_time_is_tried(outage: BackendOutage) -> None:
    outage.begin("third")
    assert not outage.lets_through(at(10))
    outage.finish("first")
    assert not outage.lets_through(at(10))
    outage.finish("third")
    assert outage.lets_through(at(10))


def test_a_clock_that_is_set_back_stops_no_run(outage: BackendOutage) -> None:
    assert outage.lets_through(at(-3600))
    assert outage.fail(at(-3600)) <= at(-3500)
    assert not outage.lets_through(at(-3599))
    outage.answered(at(-3598))
    assert outage.since is None


def test_an_answer_ends_it_unless_its_call_is_older_than_the_last_failure(outage: BackendOutage) -> None:
    outage.answered(at(-1))
    assert not outage.lets_through(at(1))
    outage.answered(at(2))
    assert outage.since is None
    assert outage.lets_through(at(2))
    outage.fail(at(100))
    assert outage.since == at(100)
    assert outage.lets_through(at(102))


def test_it_is_long_after_three_failures(outage: BackendOutage) -> None:
    assert not outage.is_long
    outage.fail(at(2))
    assert not outage.is_long
    outage.fail(at(6))
    assert outage.is_long


WEEK = 7 * 24 * 3600


@pytest.mark.parametrize(
    ("age", "lasts", "refused"),
    [(WEEK, 3600, True), (WEEK - 1, 3600, False), (WEEK, 3599, False), (0, 2 * WEEK, False)],
)
def test_a_request_of_a_week_is_refused_after_an_hour_without_calls(
    outage: BackendOutage, age: int, lasts: int, *, refused: bool
) -> None:
    now = at(lasts)
    assert outage.has_outlasted(now - timedelta(seconds=age), now) is refused


def test_a_request_outlasts_an_outage_that_is_over(outage: BackendOutage) -> None:
    outage.answered(at(1))
    assert not outage.has_outlasted(NOW - timedelta(days=30), at(7200))
