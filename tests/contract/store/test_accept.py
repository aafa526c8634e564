"""Accepting a request: the decision and the rows are one transaction, and the next one sees them."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy.exc import IntegrityError

from bot.domain.budgets import Spending
from bot.domain.errors import AlreadyTaken, PressedTwice, RefusedError
from bot.domain.moderation import AuditFilter
from bot.domain.requests import Actor, ChannelState, Member, Press, press_id
from bot.domain.runs import Run
from bot.store import Store
from bot.store.requests import DOUBLE_PRESS
from tests.contract.conftest import Stores
from tests.contract.store.rows import GUILD, run_keys, stored_rules
from tests.contract.store.runs import (
    COUNTED,
    NEWCOMER,
    NOW,
    PERSON,
    accept,
    at_once,
    columns,
    fetch,
    origin_of,
    request,
)

OTHER = replace(PERSON, id=7)
INTERACTIONS = count(1)
AGAIN = Press(press_id("again", "abc", {"prompt": "a secret prompt"}), NOW)


async def test_a_request_is_read_as_it_was_stored(store: Store) -> None:
    inputs = {"seed": 2**64 - 1, "cfg": 7.25, "tall": True, "images": ["a", "b"], "prompt": "ï 🙂 \u202e \\"}
    asked = request(inputs=inputs, seed=2**53 - 1, gpu="A100-80GB", parent_key="abc", deadline_seconds=90)
    run = await accept(store, asked)
    assert run == await fetch(store, asked.key)
    # Columns that the decision and the ledger add.
    terms = ("requester_roles", "reserved_seconds", "charged_seconds", "charged_on")
    assert run == replace(asked, **{name: getattr(run, name) for name in terms})


async def test_an_answer_that_everybody_sees_is_not_for_a_request_that_needs_approval(store: Store) -> None:
    with pytest.raises(RefusedError, match="rules_changed"):
        await accept(store, request(), person=NEWCOMER, public=True)
    assert await run_keys(store) == set()
    await accept(store, request(), person=NEWCOMER)


async def test_each_request_is_judged_with_what_those_before_it_reserved(stores: Stores) -> None:
    store, found = await stores.open(operator=COUNTED), []
    rules = {"person": {"waiting": None}, "server": {"runs_a_day": 99}, "gpu_weights": {"H100": 2.5}}
    for guild in (GUILD, 5):
        await stored_rules(store, guild, {"budgets": rules})
    for person, changes in ((PERSON, {"gpu": "H100"}), (OTHER, {}), (PERSON, {}), (PERSON, {"guild_id": 5})):
        asked = request(requester_id=person.id, **changes)
        asking = Actor(person, origin_of(asked), frozenset(), lambda _channel_id: ChannelState())
        usage = (await store.requests.facts(asking, "flux", (), NOW)).usage
        found.append((usage.person, usage.server, usage.gpu_seconds_today))
        await accept(store, asked, person=person)
    first, second = Spending(runs=1, gpu_seconds=150, waiting=1), Spending(runs=2, gpu_seconds=210, waiting=2)
    # What waits on the other server reserves nothing of the operator's ceiling.
    nothing = Spending()
    assert found == [(nothing, nothing, 0), (nothing, first, 60), (first, second, 120), (nothing, nothing, 0)]


async def test_a_request_that_cannot_be_stored_fails_alone(store: Store) -> None:
    first = request(interaction_id=1 << 60)
    again = [request(interaction_id=1 << 60), replace(first, interaction_id=1), request()]
    results = [(await at_once(accept(store, each)))[0] for each in (first, *again)]
    assert [type(result) for result in results] == [Run, AlreadyTaken, IntegrityError, Run]
    assert "an-interaction-token" not in str(results[2])
    usage = await store.figures.today(GUILD, PERSON.id, NOW)
    assert (usage.person.runs, usage.server.waiting) == (2, 2)
    assert len(await store.audit.page(GUILD, AuditFilter(), NOW, limit=10)) == 2


async def press(store: Store, press: Press | None = AGAIN, person: Member = PERSON, number: int = 0) -> Run:
    asked = request(requester_id=person.id, interaction_id=number or next(INTERACTIONS))
    requester = Actor(person, origin_of(asked), frozenset(), lambda _channel_id: ChannelState(), press=press)
    return await store.requests.accept([asked], requester, press.at if press else NOW, public=True)


async def results_of(*presses: Awaitable[Run]) -> list[str]:
    return [type(result).__name__ for result in await at_once(*presses)]


async def test_only_the_same_users_same_button_within_the_time_is_a_double_press(store: Store) -> None:
    first = await press(store)
    assert len((await columns(store, first.key))["press"]) == 32  # a digest
    later = Press(AGAIN.id, NOW + DOUBLE_PRESS)
    sooner = Press(AGAIN.id, later.at - timedelta(microseconds=1))
    others = (Press(press_id("vary", "abc"), NOW), OTHER), (AGAIN, OTHER), (None, PERSON)
    assert await results_of(*(press(store, *each) for each in others)) == ["Run", "Run", "Run"]
    assert await results_of(press(store, sooner), press(store, later)) == [PressedTwice.__name__, "Run"]


async def test_clocks_that_differ_by_seconds_hide_no_double_press(store: Store, other: Store) -> None:
    await press(store, Press(AGAIN.id, NOW + timedelta(seconds=3)))
    assert await results_of(press(other)) == [PressedTwice.__name__]
    # A press before the clock was set back doesn't count.
    assert await results_of(press(store, Press(AGAIN.id, NOW - timedelta(minutes=30)))) == ["Run"]


async def test_a_duplicate_interaction_is_no_double_press(store: Store, other: Store) -> None:
    """The process that is late must not answer, because the other one does."""
    both = (press(each, number=1 << 60) for each in (store, other))
    assert sorted(await results_of(*both)) == [AlreadyTaken.__name__, "Run"]
