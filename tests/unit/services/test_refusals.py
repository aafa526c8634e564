"""Limits of refusals: number, time, and memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import RefusedError
from bot.services.refusals import PER_PERSON, WINDOW, RefusalLimiter
from tests.harness import Clock


def is_free(limiter: RefusalLimiter, person: int, server: int | None = 1) -> bool:
    try:
        limiter.check(person, server)
    except RefusedError:
        return False
    return True


def test_only_the_refusals_of_the_last_minute_count() -> None:
    clock = Clock()
    began, limiter = clock.now, RefusalLimiter(clock)
    for _ in range(PER_PERSON):
        assert is_free(limiter, 1)
        limiter.note(1, 1)
        clock.now += timedelta(seconds=1)
    assert not is_free(limiter, 1)
    assert not is_free(limiter, 1, None)  # also outside the server
    clock.now = began + WINDOW - timedelta(microseconds=1)
    assert not is_free(limiter, 1)
    clock.now = began + WINDOW
    assert is_free(limiter, 1)
    limiter.note(1, 1)
    assert not is_free(limiter, 1)


def test_the_time_to_try_again_is_when_the_person_is_free() -> None:
    clock = Clock()
    limiter = RefusalLimiter(clock)
    for _ in range(PER_PERSON):
        limiter.note(1, None)
        clock.now += timedelta(seconds=3)
    with pytest.raises(RefusedError) as refused:
        limiter.check(1, None)
    assert refused.value.code == "too_many_refusals"
    clock.now = datetime.fromtimestamp(float(refused.value.params["until"] or 0), UTC)
    assert is_free(limiter, 1)


def test_the_memory_of_refusals_is_bounded() -> None:
    limiter = RefusalLimiter(Clock(), size=100)
    for person in range(1000):
        for _ in range(PER_PERSON):
            limiter.note(person, person)
    remembered = [person for person in range(1000) if not is_free(limiter, person)]
    assert remembered == list(range(900, 1000))
