"""The allowance of a person: number, time and memory."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.domain.errors import RefusedError
from bot.memory import WINDOW, WRITES_PER_PERSON, Allowance, Unanswered
from tests.harness import Clock


def spends(allowance: Allowance, person: int = 1) -> bool:
    try:
        allowance.spend(person)
    except RefusedError:
        return False
    return True


def test_a_person_writes_ten_times_in_any_minute() -> None:
    clock = Clock()
    began, allowance = clock.now, Allowance(clock)
    for _ in range(WRITES_PER_PERSON):
        assert spends(allowance)
        clock.now += timedelta(seconds=1)
    assert not spends(allowance)
    assert spends(allowance, 2)
    clock.now = began + WINDOW - timedelta(microseconds=1)
    assert not spends(allowance)
    clock.now = began + WINDOW
    assert [spends(allowance), spends(allowance)] == [True, False]
    # Times before the clock was set back don't count.
    clock.move(days=-1)
    assert spends(allowance)


def test_what_wrote_nothing_is_given_back() -> None:
    allowance = Allowance(Clock())
    allowance.refund(1)
    for _ in range(WRITES_PER_PERSON):
        assert spends(allowance)
    allowance.refund(1)
    assert [spends(allowance), spends(allowance)] == [True, False]


def test_the_memory_is_bounded() -> None:
    allowance = Allowance(Clock(), size=100)
    for person in range(1000):
        for _ in range(WRITES_PER_PERSON):
            assert spends(allowance, person)
    assert not any(spends(allowance, person) for person in range(900, 1000))
    assert spends(allowance, 0)


async def test_a_request_with_an_answer_waits_for_those_that_have_none() -> None:
    unanswered = Unanswered()
    with unanswered.one():
        with unanswered.one():
            waiting = asyncio.create_task(unanswered.none())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
