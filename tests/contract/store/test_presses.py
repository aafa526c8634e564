"""A double press is recognized in the transaction that accepts requests, on both databases."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from itertools import count

from bot.domain.errors import AlreadyTaken, PressedTwice, RefusedError
from bot.domain.requests import Actor, ChannelState, Member, Press, press_id
from bot.domain.runs import Run
from bot.store import Store
from bot.store.requests import DOUBLE_PRESS
from tests.contract.store.rows import block
from tests.contract.store.runs import NOW, PERSON, at_once, columns, origin_of, request

INTERACTIONS = count(1)
AGAIN = Press(press_id("again", "abc"), NOW)


async def press(
    store: Store, press: Press | None = AGAIN, person: Member = PERSON, interaction: int | None = None
) -> Run:
    asked = request(requester_id=person.id, interaction_id=interaction or next(INTERACTIONS))
    requester = Actor(person, origin_of(asked), frozenset(), lambda _channel_id: ChannelState(), press=press)
    return await store.requests.accept([asked], requester, press.at if press else NOW, public=True)


async def results_of(*presses: Awaitable[Run]) -> list[type]:
    """Return the types of the results and errors of concurrent presses, sorted by name."""
    return sorted(map(type, await at_once(*presses)), key=lambda kind: kind.__name__)


async def test_only_the_same_users_same_button_within_the_time_is_a_double_press(store: Store) -> None:
    await press(store)
    later = Press(AGAIN.id, NOW + DOUBLE_PRESS)
    sooner = Press(AGAIN.id, later.at - timedelta(microseconds=1))
    results = await at_once(
        press(store, Press(press_id("vary", "abc"), NOW)),
        press(store, person=replace(PERSON, id=7)),
        press(store, None),
        press(store, sooner),
        press(store, later),
    )
    assert [type(result) for result in results] == [Run, Run, Run, PressedTwice, Run]


async def test_a_press_before_the_clock_was_set_back_does_not_count(store: Store) -> None:
    await press(store)
    assert await results_of(press(store, Press(AGAIN.id, NOW - timedelta(minutes=30)))) == [Run]


async def test_a_press_from_a_slower_clock_is_a_double_press_too(store: Store, other: Store) -> None:
    await press(store, Press(AGAIN.id, NOW + timedelta(seconds=3)))
    assert await results_of(press(other)) == [PressedTwice]


async def test_a_duplicate_interaction_is_no_double_press(store: Store, other: Store) -> None:
    """The process that is late must not answer, because the other one does."""
    both = (press(each, interaction=1 << 60) for each in (store, other))
    assert await results_of(*both) == [AlreadyTaken, Run]


async def test_a_refused_press_does_not_count(store: Store) -> None:
    await block(store, PERSON.id, at=NOW, by=1)
    assert await results_of(press(store), press(store)) == [RefusedError, RefusedError]


async def test_a_press_is_stored_as_a_digest(store: Store) -> None:
    run = await press(store, Press(press_id("edit", "abc", {"prompt": "a secret prompt"}), NOW))
    assert len((await columns(store, run.key))["press"]) == 32
