"""A double press is recognized in the transaction that accepts requests, on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from bot.domain.errors import AlreadyTaken, PressedTwice, RefusedError
from bot.domain.requests import DOUBLE_PRESS, Member, Press, Requester
from bot.domain.runs import Run
from bot.store import Store
from tests.contract.store.rows import GUILD
from tests.contract.store.runs import HOLD, NOW, PERSON, columns, request

AGAIN = Press.of(NOW, "run:abc:again")


async def press(
    store: Store, press: Press | None = AGAIN, person: Member = PERSON, interaction: int | None = None
) -> Run:
    origin = request().origin.model_copy(update={"interaction_id": interaction})
    asked = request(requester_id=person.id, origin=origin)
    requester = Requester(person, origin, frozenset(), lambda _channel_id: True, press=press)
    return await store.requests.accept([asked], requester, press.at if press else NOW, HOLD)


async def at_once(*presses: object) -> list[type]:
    results = await asyncio.gather(*presses, return_exceptions=True)  # type: ignore[call-overload]
    return sorted((type(result) for result in results), key=lambda kind: kind.__name__)


async def test_two_processes_at_the_same_moment_have_one_winner(store: Store, other: Store) -> None:
    for number in range(20):
        again = Press.of(NOW, f"run:{number}:again")
        assert await at_once(press(store, again), press(other, again)) == [PressedTwice, Run]


async def test_one_process_judges_both_in_one_transaction(store: Store) -> None:
    assert await at_once(press(store), press(store), press(store)) == [PressedTwice, PressedTwice, Run]


async def test_it_is_the_same_button_of_the_same_person_within_the_time(store: Store) -> None:
    await press(store)
    later = Press(AGAIN.id, NOW + DOUBLE_PRESS)
    sooner = Press(AGAIN.id, later.at - timedelta(microseconds=1))
    results = await asyncio.gather(
        press(store, Press.of(NOW, "run:abc:vary")),
        press(store, person=replace(PERSON, id=7)),
        press(store, None),
        press(store, sooner),
        press(store, later),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Run, Run, Run, PressedTwice, Run]


async def test_clocks_that_differ_do_not_start_it_twice(store: Store, other: Store) -> None:
    await press(store, Press(AGAIN.id, NOW + timedelta(seconds=3)))
    assert await at_once(press(other)) == [PressedTwice]


async def test_an_interaction_that_two_processes_hear_of_is_no_second_press(
    store: Store, other: Store
) -> None:
    """The one that comes late must not answer: the other one does."""
    both = (press(each, interaction=1 << 60) for each in (store, other))
    assert await at_once(*both) == [AlreadyTaken, Run]


async def test_a_refused_press_does_not_count(store: Store) -> None:
    await store.blocks.block(GUILD, PERSON.id, by=1, reason=None, until=None, now=NOW)
    assert await at_once(press(store), press(store)) == [RefusedError, RefusedError]


async def test_what_was_pressed_is_kept_as_a_digest(store: Store) -> None:
    run = await press(store, Press.of(NOW, "edit:abc:", "a secret prompt"))
    assert len((await columns(store, run.key))["press"]) == 32
