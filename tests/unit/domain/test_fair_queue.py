"""The fair queue, and estimates of when its runs end: the medians, a run in flight, a queue, a batch."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.run_timing import (
    FIRST_TURN,
    NEEDED,
    NO_TURN,
    Medians,
    StartedRun,
    Success,
    end_of_all,
    expected_end,
    expected_start,
    may_be_estimated,
    medians_of,
    next_tag,
)
from bot.domain.runs import FINAL, RunState
from tests.unit.factories import made_run

S = RunState


@given(steps=st.text("abcd.", max_size=80))
@example("a." + 5 * "b." + "baaaa")
@example("aaaabb")
def test_nobody_waits_for_more_turns_of_anybody_else_than_for_their_own(steps: str) -> None:
    """Each letter asks for a run of this person, and each dot starts the run with the smallest tag."""
    virtual_time, last_tags = FIRST_TURN, dict.fromkeys("abcd", NO_TURN)
    waiting: list[tuple[int, int, str]] = []
    started: Counter[str] = Counter()
    bounds: dict[int, Counter[str]] = {}
    for count, step in enumerate(steps + "." * len(steps)):
        if step != ".":
            own = sum(who == step for *_, who in waiting)
            last_tags[step] = next_tag(virtual_time, last_tags[step])
            waiting.append((last_tags[step], count, step))
            bounds[count] = started + Counter(dict.fromkeys("abcd", own + 2))
        elif waiting:
            tag, number, person = first = min(waiting)
            waiting.remove(first)
            assert all(started[other] <= bounds[number][other] for other in "abcd" if other != person)
            assert not any(who == person and earlier < number for _, earlier, who in waiting)
            virtual_time = max(virtual_time, tag)
            started[person] += 1


def test_people_who_ask_at_once_take_turns() -> None:
    tags = [(next_tag(FIRST_TURN, turn), person) for person in "abc" for turn in range(3)]
    assert "".join(person for _, person in sorted(tags)) == "abcabcabc"
    assert next_tag(FIRST_TURN, 5) == 6


NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
# A minute from the queue call, of which 40 seconds once the backend has started it.
USUAL = Medians(timedelta(seconds=60), timedelta(seconds=40))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def left(at: datetime | None) -> float | None:
    return None if at is None else round((at - NOW).total_seconds(), 3)


def success(total: float, execute: float | None) -> Success:
    return Success(after(-total), None if execute is None else after(-execute), NOW)


def test_the_medians_of_at_least_five_runs() -> None:
    def medians(*successes: Success) -> tuple[float, float] | None:
        found = medians_of(successes)
        return found and (found.total.total_seconds(), found.execute.total_seconds())

    assert medians(*[success(60, 40)] * (NEEDED - 1)) is None
    # An even number: between the two in the middle.
    assert medians(*(success(total, 10) for total in (10, 20, 30, 50, 60, 70))) == (40, 10)
    # A run that was never seen running counts from its queue call.
    assert medians(*[success(60, None)] * 3, *[success(90, 10)] * 2) == (60, 60)


@pytest.mark.parametrize(
    ("submitted", "started", "progress", "position", "slots", "expected"),
    [
        # Submitted, or in the backend's queue.
        (10, None, None, None, None, 50),
        # It hasn't started, so it needs its whole execution, however long it has waited.
        (1000, None, None, None, 1, 40),
        # The next in the backend's queue starts when a place is free; two go at a time.
        (30, None, None, 4, 2, 100),
        (30, None, None, 4, None, 160),
        # Running: the time counts, not the nodes.
        (200, 10, None, None, 1, 30),
        (20, 39, 1.0, None, 1, 1),
        # Later than usual: by its progress, or nothing is known.
        (20, 40, None, None, 1, None),
        (20, 40, 0.25, None, 1, 30),
        (90, 80, 1.0, None, 1, None),
    ],
)
def test_the_end_of_a_run_in_flight(
    submitted: float | None,
    started: float | None,
    progress: float | None,
    position: int | None,
    slots: int | None,
    expected: float | None,
) -> None:
    times = [None if ago is None else after(-ago) for ago in (submitted, started)]
    assert left(expected_end(StartedRun(None, position, *times, progress), USUAL, NOW, slots)) == expected


def test_a_queue_starts_as_runs_end() -> None:
    def starts(*free_in: float) -> list[float | None]:
        free_at = list(map(after, free_in))
        return [left(expected_start(place, free_at, USUAL)) for place in (1, 2, 3, 4)]

    assert starts(20, 10) == [10, 20, 70, 80]
    # Nobody knows when a slot will be free.
    assert starts() == [None] * 4


@pytest.mark.parametrize(
    ("ends", "last"),
    [([40, 60, 50], 60), ([40, None], None), ([], None), ([5], 5), ([4.9], None)],
)
def test_a_batch_ends_with_its_last_run(ends: list[float | None], last: float | None) -> None:
    assert left(end_of_all([None if end is None else after(end) for end in ends], NOW)) == last


def test_a_run_that_a_person_or_a_rule_keeps_has_no_estimate() -> None:
    undecided = {state for state in set(RunState) - FINAL if not may_be_estimated(made_run(state))}
    assert undecided == {RunState.AWAITING_APPROVAL}
    assert not may_be_estimated(made_run(RunState.WAITING, waiting_code="paused"))
    assert not may_be_estimated(made_run(RunState.RUNNING, cancel_requested_at=NOW))
