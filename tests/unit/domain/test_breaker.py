"""A circuit breaker blocks calls after a failure until a probe is answered, and then tries one at a time."""

from __future__ import annotations

from math import ceil, inf
from random import Random

import pytest

from bot.domain.breaker import Breaker

NOW = 1000.0
# More than the pause after the first failure.
SOON = NOW + 2.5


@pytest.fixture
def breaker() -> Breaker:
    """Return a breaker that has opened at NOW."""
    made = Breaker(Random(1))
    made.fail(NOW, "away")
    return made


def test_a_breaker_is_closed_at_first() -> None:
    breaker = Breaker(Random(1))
    assert breaker.is_closed
    assert not breaker.is_open
    assert breaker.admits()
    assert breaker.probe_in(NOW) == inf
    assert breaker.lasts(NOW) == 0
    breaker.answered()
    assert breaker.is_closed


def test_one_failure_opens_it(breaker: Breaker) -> None:
    assert breaker.is_open
    assert not breaker.admits()
    assert breaker.reason == "away"
    assert breaker.lasts(NOW + 30) == 30
    breaker.fail(NOW + 30, "busy")
    assert breaker.reason == "busy"
    assert breaker.lasts(NOW + 40) == 40


def pause_after(breaker: Breaker, at: float) -> int:
    """Return after how many seconds a probe is due, rounded up."""
    pause = ceil(breaker.probe_in(at))
    assert breaker.probe_in(at + pause) == 0
    return pause


def test_probes_are_at_most_ten_seconds_apart(breaker: Breaker) -> None:
    at, pauses = NOW, []
    for _ in range(6):
        pauses.append(pause_after(breaker, at))
        at += pauses[-1]
        breaker.fail(at, "away")
    assert pauses == [2, 3, 5, 9, 9, 9]


def test_calls_that_fail_together_count_once(breaker: Breaker) -> None:
    for _ in range(9):
        breaker.fail(NOW, "away")
    assert pause_after(breaker, NOW) == 2


@pytest.mark.parametrize(("asked", "pause"), [(None, 2), (0.5, 2), (60, 61), (10**9, 3601)])
def test_the_pause_that_the_service_asks_for_is_kept_for_up_to_an_hour(
    asked: float | None, pause: int
) -> None:
    breaker = Breaker(Random(1))
    breaker.fail(NOW, "busy", asked)
    breaker.fail(NOW, "away")
    assert pause_after(breaker, NOW) == pause


def test_after_an_answered_probe_one_call_per_lane_is_tried(breaker: Breaker) -> None:
    breaker.answered()
    assert not breaker.is_open
    assert not breaker.is_closed
    assert breaker.probe_in(NOW + 100) == inf
    breaker.begin("first", "a")
    assert not breaker.admits("a")
    assert breaker.admits("b")
    breaker.finish("another")
    assert not breaker.admits("a")
    breaker.finish("first")
    assert breaker.admits("a")


def test_a_failed_trial_opens_it_again_and_the_outage_goes_on(breaker: Breaker) -> None:
    breaker.answered()
    breaker.begin("first")
    breaker.fail(NOW + 20, "away")
    breaker.finish("first")
    assert breaker.is_open
    assert breaker.lasts(NOW + 30) == 30


@pytest.mark.parametrize(("began", "closed"), [(NOW - 1, False), (NOW, True), (SOON, True)])
@pytest.mark.parametrize("probed", [True, False])
def test_a_success_closes_it_unless_its_call_is_older_than_the_last_failure(
    breaker: Breaker, probed: bool, began: float, closed: bool
) -> None:
    if probed:
        breaker.answered()
    breaker.succeed(began)
    assert breaker.is_closed is closed
    assert breaker.is_open is not (closed or probed)


def test_another_outage_begins_with_short_pauses(breaker: Breaker) -> None:
    for at in (SOON, SOON + 10, SOON + 20):
        breaker.fail(at, "away", 3000)
    breaker.answered()
    breaker.begin("first")
    breaker.close()
    assert breaker.is_closed
    breaker.fail(SOON + 30, "away")
    assert pause_after(breaker, SOON + 30) == 2
    assert breaker.lasts(SOON + 31) == 1
    breaker.answered()
    assert breaker.admits()
