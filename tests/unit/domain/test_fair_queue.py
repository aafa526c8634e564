"""The order of the queue: fair between users, stable, within the limits."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.queue.fair_queue import QueueEntry, fair_order, next_to_submit, positions

START = datetime(2026, 5, 4, tzinfo=UTC)
FLUX = "flux"


def place(key: str, person: int, second: int, deployment: str = FLUX) -> QueueEntry:
    return QueueEntry(key, deployment, person, START + timedelta(seconds=second))


def queue(
    deployments: tuple[str, ...] = (FLUX,), *, prefix: str = "w"
) -> st.SearchStrategy[list[QueueEntry]]:
    rows = st.tuples(st.integers(1, 4), st.integers(0, 9), st.sampled_from(deployments))
    return st.lists(rows, max_size=15).map(
        lambda made: [place(f"{prefix}{n:02}", *row) for n, row in enumerate(made)]
    )


@given(waiting=queue(), busy=queue(prefix="b"))
def test_a_users_nth_request_waits_for_earlier_turns_of_others(
    waiting: list[QueueEntry], busy: list[QueueEntry]
) -> None:
    had = Counter(p.requester_id for p in busy)
    turns = []
    for each in fair_order(waiting, busy):
        turns.append(had[each.requester_id])
        had[each.requester_id] += 1
    assert turns == sorted(turns)


@given(waiting=queue(), busy=queue(prefix="b"))
def test_a_users_own_requests_keep_their_order(waiting: list[QueueEntry], busy: list[QueueEntry]) -> None:
    for person in range(1, 5):
        own = [p for p in fair_order(waiting, busy) if p.requester_id == person]
        assert own == sorted(own, key=lambda p: (p.created_at, p.key))


@given(waiting=queue((FLUX, "wan")), busy=queue((FLUX, "wan"), prefix="b"), data=st.data())
def test_places_count_from_one_in_each_deployment_however_the_rows_come(
    waiting: list[QueueEntry], busy: list[QueueEntry], data: st.DataObject
) -> None:
    numbers = positions(waiting, busy)
    for deployment in {p.deployment for p in waiting}:
        of = sorted(numbers[p.key] for p in waiting if p.deployment == deployment)
        assert of == list(range(1, len(of) + 1))
    assert positions(data.draw(st.permutations(waiting)), data.draw(st.permutations(busy))) == numbers


@given(
    waiting=queue((FLUX, "wan", "bark")),
    busy=queue((FLUX, "wan", "bark"), prefix="b"),
    limits=st.dictionaries(st.sampled_from([FLUX, "wan", "bark"]), st.integers(0, 6)),
)
def test_the_next_one_has_room_and_is_first_of_its_deployment(
    waiting: list[QueueEntry], busy: list[QueueEntry], limits: dict[str, int]
) -> None:
    found = next_to_submit(waiting, busy, limits.get)
    running = Counter(p.deployment for p in busy)
    open_to = {
        p.deployment
        for p in waiting
        if p.deployment not in limits or running[p.deployment] < limits[p.deployment]
    }
    assert (found is not None) is bool(open_to)
    if found is not None:
        assert found.deployment in open_to
        assert positions(waiting, busy)[found.key] == 1


@given(waiting=queue((FLUX, "wan")))
def test_everybody_is_served_in_the_end(waiting: list[QueueEntry]) -> None:
    left, served = list(waiting), []
    while (found := next_to_submit(left, [], lambda _: 1)) is not None:
        left.remove(found)
        served.append(found)
    assert sorted(served) == sorted(waiting)


def test_the_person_with_one_is_second_behind_the_person_with_twenty() -> None:
    many = [place(f"a{n:02}", 1, n) for n in range(20)]
    one = place("b", 2, 100)
    assert positions([*many, one], [])["b"] == 2
    assert positions([*many, one], [place("running", 1, 0)])["b"] == 1


def limited(
    key: str, person: int, guild: int | None = 1, *, own: int | None = None, all_: int | None = None
) -> QueueEntry:
    return QueueEntry(key, FLUX, person, START, guild, own, all_)


BUSY = [limited("b1", 1), limited("b2", 1)]
ELSEWHERE = [limited("b1", 1, 2), limited("b2", 1, None)]
OWN, OTHERS = limited("w1", 1, own=2), limited("w2", 2, own=2)
FULL, FREE = limited("w1", 3, all_=2), limited("w2", 4, 2, all_=2)


@pytest.mark.parametrize(
    ("waiting", "busy", "slots", "found"),
    [
        # A full deployment doesn't hold up another.
        ([place("a", 1, 0), place("b", 1, 1, "wan")], [place("c", 2, 0)], 1, "b"),
        ([place("a", 1, 0), place("b", 1, 1, "wan")], [place("c", 2, 0)], 0, None),
        # The deployment that waited longer goes first.
        ([place("a", 1, 2), place("c", 2, 1, "wan"), place("b", 3, 1, "bark")], [], 1, "b"),
        # A user at the limit waits and lets others pass.
        ([OWN, OTHERS], BUSY, None, "w2"),
        ([OWN], BUSY, None, None),
        ([OWN], BUSY[:1], None, "w1"),
        # A user's runs elsewhere don't count here.
        ([limited("w1", 1, own=1)], ELSEWHERE, None, "w1"),
        ([limited("w1", 1, None, own=1)], ELSEWHERE, None, None),
        # A full server holds up only itself.
        ([FULL, FREE], BUSY, None, "w2"),
        ([FULL], BUSY, None, None),
        ([FULL], BUSY[:1], None, "w1"),
        # A limit may be set below the number of runs.
        ([limited("w", 1, own=1)], [limited(f"b{n}", 1) for n in range(5)], None, None),
    ],
)
def test_the_next_request_has_room_within_every_limit(
    waiting: list[QueueEntry], busy: list[QueueEntry], slots: int | None, found: str | None
) -> None:
    chosen = next_to_submit(waiting, busy, lambda _: slots)
    assert (chosen and chosen.key) == found
