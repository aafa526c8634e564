"""The limits of refusals, of copies, and of openings of private results: number, time, and memory."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import InputError, PressedTwice, RefusedError, WrongFiles
from bot.services.rate_limits import (
    COPIES_PER_PERSON,
    OPENINGS_PER_PERSON,
    REFUSALS_PER_PERSON,
    WINDOW,
    CopyLimiter,
    OpeningLimiter,
    RefusalLimiter,
)
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
    for _ in range(REFUSALS_PER_PERSON):
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


def test_times_before_the_clock_was_set_back_do_not_count() -> None:
    clock = Clock()
    refusals, openings, copies = RefusalLimiter(clock), OpeningLimiter(clock), CopyLimiter(clock)
    for _ in range(5):
        refusals.note(1, 1)
        with openings.slot(1), copies.counted(1):
            pass
    clock.move(days=-1)
    assert is_free(refusals, 1)
    with openings.slot(1), copies.counted(1):
        pass


def test_the_time_to_try_again_is_when_the_person_is_free() -> None:
    clock = Clock()
    limiter = RefusalLimiter(clock)
    for _ in range(REFUSALS_PER_PERSON):
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
        for _ in range(REFUSALS_PER_PERSON):
            limiter.note(person, person)
    remembered = [person for person in range(1000) if not is_free(limiter, person)]
    assert remembered == list(range(900, 1000))


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (RefusedError("words_refused"), True),
        (WrongFiles([InputError("input_not_kind")], ["https://cdn.example/a.png"]), True),
        (InputError("input_required"), False),
        (RefusedError("default_words"), False),
        (PressedTwice(), False),
        (ValueError("a defect"), False),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_what_counts_as_a_refusal_of_the_user(error: Exception, counts: bool) -> None:
    limiter = RefusalLimiter(Clock())
    for _ in range(REFUSALS_PER_PERSON):
        with pytest.raises(type(error)), limiter.counted(1, 1):
            raise error
    assert is_free(limiter, 1) is not counts


def test_nothing_is_done_for_a_user_who_was_refused_too_often() -> None:
    limiter = RefusalLimiter(Clock())
    for _ in range(REFUSALS_PER_PERSON):
        limiter.note(1, 1)
    with pytest.raises(RefusedError) as refused, limiter.counted(1, 1):
        pytest.fail("the block ran")
    assert refused.value.code == "too_many_refusals"


def code_for(limiter: OpeningLimiter, user_id: int) -> str | None:
    """Open and close a result for the user, and return the code of the refusal, or None."""
    try:
        with limiter.slot(user_id):
            return None
    except RefusedError as refused:
        return refused.code


def test_a_user_opens_one_result_at_a_time() -> None:
    limiter = OpeningLimiter(Clock())
    with limiter.slot(1):
        assert code_for(limiter, 1) == "open_busy"
        assert code_for(limiter, 2) is None
    assert code_for(limiter, 1) is None


def test_a_failed_opening_lets_the_next_one_begin() -> None:
    limiter = OpeningLimiter(Clock())
    with pytest.raises(OSError, match="disk"), limiter.slot(1):
        raise OSError("disk full")
    assert code_for(limiter, 1) is None


def test_a_user_opens_a_few_results_a_minute() -> None:
    clock = Clock()
    limiter = OpeningLimiter(clock)
    codes = [code_for(limiter, 1) for _ in range(OPENINGS_PER_PERSON + 1)]
    assert codes == [None] * OPENINGS_PER_PERSON + ["open_often"]
    assert code_for(limiter, 2) is None
    clock.now += WINDOW
    assert code_for(limiter, 1) is None


def copy_code(limiter: CopyLimiter, user_id: int = 1) -> str | None:
    """Request a copy for the user, and return the code of the refusal, or None."""
    try:
        with limiter.counted(user_id):
            return None
    except RefusedError as refused:
        return refused.code


def test_a_user_requests_a_few_copies_a_minute_and_reads_when_the_next_may_follow() -> None:
    clock = Clock()
    limiter = CopyLimiter(clock)
    for _ in range(COPIES_PER_PERSON):
        assert copy_code(limiter) is None
        clock.now += timedelta(seconds=3)
    with pytest.raises(RefusedError, match="copy_often") as refused:
        limiter.check(1)
    assert copy_code(limiter) == "copy_often"
    assert copy_code(limiter, 2) is None
    clock.now = datetime.fromtimestamp(float(refused.value.params["until"] or 0), UTC)
    assert [copy_code(limiter), copy_code(limiter)] == [None, "copy_often"]


def test_a_refused_copy_does_not_count() -> None:
    limiter = CopyLimiter(Clock())
    for _ in range(COPIES_PER_PERSON + 1):
        with pytest.raises(RefusedError, match="share_there"), limiter.counted(1):
            raise RefusedError("share_there")
    assert copy_code(limiter) is None


def test_concurrent_copies_count_before_they_are_stored() -> None:
    limiter = CopyLimiter(Clock())
    with ExitStack() as requests:
        for _ in range(COPIES_PER_PERSON):
            requests.enter_context(limiter.counted(1))
        assert copy_code(limiter) == "copy_often"
