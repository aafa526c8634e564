"""What a process remembers about people: how much they ask for, and the drafts of their forms."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

from bot.context import FormDrafts
from bot.domain.errors import RefusedError
from bot.gateway.checks import PER_PERSON, WINDOW, Allowance, Unanswered
from tests.harness import Clock

ALICE, BOB = 1, 2


def spends(allowance: Allowance, person: int = ALICE) -> bool:
    try:
        allowance.spend(person)
    except RefusedError:
        return False
    return True


def test_a_person_may_ask_ten_times_in_any_minute() -> None:
    clock = Clock()
    began, allowance = clock.now, Allowance(clock)
    for _ in range(PER_PERSON):
        assert spends(allowance)
        clock.now += timedelta(seconds=1)
    assert not spends(allowance)
    assert spends(allowance, BOB)
    clock.now = began + WINDOW - timedelta(microseconds=1)
    assert not spends(allowance)
    clock.now = began + WINDOW
    assert [spends(allowance), spends(allowance)] == [True, False]
    # Times before the clock was set back don't count.
    clock.move(days=-1)
    assert spends(allowance)


def test_the_memory_is_bounded() -> None:
    allowance = Allowance(Clock(), size=100)
    for person in range(1000):
        for _ in range(PER_PERSON):
            assert spends(allowance, person)
    assert not any(spends(allowance, person) for person in range(900, 1000))
    assert spends(allowance, 0)


def test_only_its_user_gets_a_draft_and_only_of_its_type() -> None:
    drafts = FormDrafts(Random(1))
    name = drafts.keep(ALICE, "a fox")
    assert drafts.get(name, ALICE, str) == "a fox"
    assert [drafts.get(name, BOB, str), drafts.get("0123abcd", ALICE, str)] == [None, None]
    assert drafts.get(name, ALICE, int) is None


def test_the_oldest_drafts_go_first_and_a_users_can_be_forgotten() -> None:
    drafts = FormDrafts(Random(1), most=3)
    users = [ALICE, BOB, ALICE, BOB]
    names = [(drafts.keep(user, number), user) for number, user in enumerate(users)]
    assert [drafts.get(name, user, int) for name, user in names] == [None, 1, 2, 3]
    drafts.forget(BOB)
    assert [drafts.get(name, user, int) for name, user in names] == [None, None, 2, None]


async def test_a_request_with_an_answer_waits_for_those_that_have_none() -> None:
    unanswered = Unanswered()
    with unanswered.one():
        with unanswered.one():
            waiting = asyncio.create_task(unanswered.none())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
