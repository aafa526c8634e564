"""The order of the queue: fair between users, stable, and without starvation."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.fair_queue import (
    FIRST_TURN,
    NO_TURN,
    gives_turn_back,
    next_tag,
)
from bot.domain.runs import FINAL, RunState

PEOPLE = "abcd"
S = RunState


@dataclass
class Queue:
    """A deployment's queue as the store keeps it: tags of waiting and of started runs."""

    time: int = FIRST_TURN
    waiting: list[tuple[int, int, str]] = field(default_factory=list)  # the tag, the number, the person
    last: dict[str, int] = field(default_factory=dict)  # the tags of the people's last started runs
    count: int = 0

    def ask(self, person: str) -> int:
        """Add a run and return its number."""
        self.count += 1
        own = [tag for tag, _, who in self.waiting if who == person]
        tag = next_tag(self.time, max([*own, self.last.get(person, NO_TURN)]))
        self.waiting.append((tag, self.count, person))
        return self.count

    def start(self) -> tuple[int, int, str]:
        """Start the run with the smallest tag, and return its tag, its number and its person."""
        first = min(self.waiting)
        self.waiting.remove(first)
        self.time = max(self.time, first[0])
        self.last[first[2]] = max(first[0], self.last.get(first[2], NO_TURN))
        return first

    def started(self) -> str:
        """Start a run and return its person."""
        return self.start()[2]

    def requeue(self, run: tuple[int, int, str]) -> None:
        self.waiting.append(run)


asks = st.text(alphabet=PEOPLE, min_size=1, max_size=30)


@given(asks=asks)
def test_people_who_wait_take_turns_and_keep_their_own_order(asks: str) -> None:
    queue = Queue()
    for person in asks:
        queue.ask(person)
    order = [queue.start() for _ in asks]
    turns = dict.fromkeys(PEOPLE, 0)
    for _, _, person in order:
        turns[person] += 1
        ahead = [turns[other] - turns[person] for other in PEOPLE]
        assert max(ahead) <= 0
    for person in PEOPLE:
        own = [number for _, number, who in order if who == person]
        assert own == sorted(own)


@given(before=asks, steps=st.lists(st.sampled_from([*PEOPLE, None]), max_size=60))
def test_nobody_starves_however_many_come_later(before: str, steps: list[str | None]) -> None:
    """At most one run of each other person starts in between, and those that were ahead."""
    queue = Queue()
    for person in before:
        queue.ask(person)
    ahead = len(queue.waiting)
    mine = queue.ask("me")
    between = 0
    for step in [*steps, *[None] * 200]:
        if step is not None:
            queue.ask(step)
            continue
        _, number, _ = queue.start()
        if number == mine:
            break
        between += 1
        queue.ask("abcd"[between % 4])
    assert between <= ahead + len(PEOPLE)


@given(asks=asks, more=asks)
def test_a_requeued_run_keeps_its_place(asks: str, more: str) -> None:
    queue = Queue()
    for person in asks:
        queue.ask(person)
    first = queue.start()
    for person in more:
        queue.ask(person)
    queue.requeue(first)
    assert queue.start() == first


@pytest.mark.parametrize(
    ("before", "after", "given_back"),
    [
        (S.WAITING, S.CANCELLED, True),
        (S.WAITING, S.REFUSED, True),
        (S.AWAITING_APPROVAL, S.REJECTED, True),
        (S.SUBMITTING, S.REFUSED, True),
        (S.SUBMITTING, S.UNCONFIRMED, False),
        (S.RUNNING, S.CANCELLED, False),
        (S.RUNNING, S.FAILED, False),
        (S.WAITING, S.SUBMITTING, False),
        (S.SUBMITTING, S.WAITING, False),
        (S.AWAITING_APPROVAL, S.WAITING, False),
    ],
)
def test_only_a_run_that_never_started_gives_its_turn_back(
    before: RunState, after: RunState, *, given_back: bool
) -> None:
    assert gives_turn_back(before, after) is given_back
    assert after in FINAL or not given_back


@given(idle=st.integers(0, 20))
def test_whoever_comes_back_after_idling_gets_no_credit(idle: int) -> None:
    queue = Queue()
    queue.ask("a")
    assert queue.started() == "a"
    for _ in range(idle):
        queue.ask("b")
        assert queue.started() == "b"
    for person in "bbbaaa":
        queue.ask(person)
    order = "".join(queue.started() for _ in range(6))
    for end in range(6):
        assert order[:end].count("a") - order[:end].count("b") <= 1
