"""Each request is judged after the ones before it, and one that fails changes nothing for the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from bot.domain.budgets import Spending, day_end
from bot.domain.errors import AlreadyTaken
from bot.domain.moderation import AuditFilter
from bot.domain.requests import Member
from bot.domain.runs import Run
from bot.store import Store
from tests.contract.conftest import Judged, Stores
from tests.contract.store.rows import GUILD, stored_rules
from tests.contract.store.runs import COUNTED, NOW, PERSON, accept, at_once, request

OTHER = Member(id=7, created_at=PERSON.created_at)


def asked_by(person: Member, **changes: object) -> Run:
    return request(requester_id=person.id, **changes)


async def in_turn(store: Store, *asked: Run) -> list[Run | BaseException]:
    people = {person.id: person for person in (PERSON, OTHER)}
    return [(await at_once(accept(store, each, person=people[each.requester_id])))[0] for each in asked]


async def test_each_request_is_judged_with_what_those_before_it_reserved(
    stores: Stores, judged: Judged
) -> None:
    store = await stores.open(operator=COUNTED)
    rules = {
        "budgets": {"person": {"waiting": None}, "server": {"runs_a_day": 99}, "gpu_weights": {"H100": 2.5}}
    }
    for guild in (GUILD, 5):
        await stored_rules(store, guild, rules)
    await in_turn(
        store,
        asked_by(PERSON, gpu="H100"),
        asked_by(OTHER),
        asked_by(PERSON),
        asked_by(PERSON, guild_id=5),
        asked_by(OTHER),
    )
    found = [(usage.person, usage.server) for _, usage in judged]
    assert found == [
        (Spending(), Spending()),
        (Spending(), Spending(runs=1, gpu_seconds=150, waiting=1)),
        (Spending(runs=1, gpu_seconds=150, waiting=1), Spending(runs=2, gpu_seconds=210, waiting=2)),
        (Spending(), Spending()),
        (Spending(runs=1, gpu_seconds=60, waiting=1), Spending(runs=3, gpu_seconds=270, waiting=3)),
    ]
    # What waits on the other server reserves nothing of the operator's ceiling.
    assert [usage.gpu_seconds_today for _, usage in judged] == [0, 60, 120, 0, 180]


async def test_a_request_that_cannot_be_stored_fails_alone(store: Store) -> None:
    asked = [asked_by(PERSON), *(request(interaction_id=1 << 60) for _ in range(2)), asked_by(OTHER)]
    results = await in_turn(store, *asked)
    assert [type(result) for result in results] == [Run, Run, AlreadyTaken, Run]
    usage = await store.figures.today(GUILD, PERSON.id, NOW)
    assert (usage.person.runs, usage.server.waiting) == (2, 3)
    assert len(await store.audit.page(GUILD, AuditFilter(), NOW, limit=10)) == 3


async def test_a_request_with_the_key_of_another_fails_visibly(store: Store) -> None:
    """Its requester gets an answer, because no other process handles the interaction."""
    first = request(interaction_id=1 << 60)
    again = replace(first, interaction_id=1 << 60 | 1)
    results = [(await in_turn(store, each))[0] for each in (first, again)]
    assert [type(result) for result in results] == [Run, IntegrityError]


async def test_each_request_counts_on_the_day_of_its_acceptance(stores: Stores, judged: Judged) -> None:
    store = await stores.open(operator=COUNTED)
    midnight = day_end(NOW)
    before, after = midnight - timedelta(seconds=1), midnight + timedelta(seconds=1)
    await asyncio.gather(
        *(accept(store, asked_by(PERSON), now=now) for now in (before, after, before, after))
    )
    runs_of_each = [(usage.day_end, usage.person.runs) for _, usage in judged]
    next_day = midnight + timedelta(days=1)
    assert sorted(runs_of_each) == [(midnight, 0), (midnight, 1), (next_day, 0), (next_day, 1)]
