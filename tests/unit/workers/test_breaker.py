"""A circuit breaker blocks calls after a failure until a probe is answered, and then lets some be tried."""

from __future__ import annotations

from math import ceil, inf
from random import Random

import pytest

from bot.breakers import Breaker

NOW = 1000.0


@pytest.fixture
def breaker() -> Breaker:
    """Return a breaker that has opened at NOW."""
    made = Breaker(Random(1))
    made.fail(NOW, "away")
    return made


def test_a_breaker_is_closed_at_first() -> None:
    breaker = Breaker(Random(1), "flux")
    assert (breaker.name, breaker.reason) == ("flux", "")
    breaker.close(NOW)
    breaker.responded(NOW)
    assert (breaker.is_closed, breaker.is_open, breaker.half_open_at) == (True, False, None)
    assert (breaker.probe_in(NOW), breaker.lasts(NOW)) == (inf, 0)


def test_one_failure_opens_it_and_an_outage_goes_on_with_another_reason(breaker: Breaker) -> None:
    assert (breaker.is_open, breaker.reason) == (True, "away")
    assert 1 < breaker.probe_in(NOW) < 2
    breaker.fail(NOW + 30, "busy")
    assert (breaker.reason, breaker.lasts(NOW + 40)) == ("busy", 40)


def pause_after(breaker: Breaker, at: float) -> int:
    """Return after how many seconds a probe is due, rounded up."""
    pause = ceil(breaker.probe_in(at))
    assert breaker.probe_in(at + pause) == 0
    return pause


def test_probes_are_at_most_ten_seconds_apart(breaker: Breaker) -> None:
    at, pauses = NOW, []
    for _ in range(6):
        for _ in range(9):  # calls that fail together count once
            breaker.fail(at, "away")
        pauses.append(pause_after(breaker, at))
        at += breaker.probe_in(at)
    assert pauses == [2, 3, 5, 9, 9, 9]


@pytest.mark.parametrize(("asked", "pause"), [(0.5, 2), (60, 61), (10**9, 3601)])
def test_the_pause_that_the_service_asks_for_is_kept_for_up_to_an_hour(asked: float, pause: int) -> None:
    breaker = Breaker(Random(1))
    breaker.fail(NOW, "busy", asked)
    breaker.fail(NOW, "away")
    assert pause_after(breaker, NOW) == pause


def test_after_an_answered_probe_it_is_half_open_until_the_next_failure(breaker: Breaker) -> None:
    breaker.responded(NOW + 9)
    assert (breaker.is_open, breaker.is_closed, breaker.probe_in(NOW + 100)) == (False, False, inf)
    assert breaker.half_open_at == NOW + 9
    breaker.fail(NOW + 20, "away")
    assert (breaker.is_open, breaker.half_open_at, breaker.lasts(NOW + 30)) == (True, None, 30)


def test_a_success_closes_it_unless_its_call_is_older_than_the_last_failure(breaker: Breaker) -> None:
    breaker.close(NOW - 1)
    assert (breaker.is_closed, breaker.is_open) == (False, True)
    breaker.responded(NOW)
    breaker.close(NOW - 1)
    assert (breaker.is_closed, breaker.is_open) == (False, False)
    breaker.close(NOW)
    assert breaker.is_closed


def test_another_outage_begins_with_short_pauses(breaker: Breaker) -> None:
    for at in (NOW + 3, NOW + 13, NOW + 23):
        breaker.fail(at, "away", 3000)
    breaker.responded(NOW + 24)
    breaker.close()
    assert (breaker.is_closed, breaker.half_open_at) == (True, None)
    breaker.fail(NOW + 33, "away")
    assert pause_after(breaker, NOW + 33) == 2
    assert breaker.lasts(NOW + 34) == 1
