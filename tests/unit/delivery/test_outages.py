from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from bot.delivery.pace.outages import DELIVERIES_A_SECOND, Outages
from bot.delivery.retries import Form

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def fail(outages: Outages, delivery_id: int, now: datetime = NOW) -> timedelta:
    outages.unanswered(delivery_id, now)
    return outages.pause(delivery_id)


@pytest.fixture
def cut_off() -> Outages:
    """Return what a courier knows after three deliveries in a row without an answer."""
    outages = Outages(Random(1))
    for delivery_id in range(3):
        fail(outages, delivery_id)
    return outages


def test_one_message_without_an_answer_is_no_outage() -> None:
    outages = Outages(Random(1))
    for delivery_id in (1, 1):
        assert all(outages.admits(NOW) for _ in range(100))
        fail(outages, delivery_id)
    assert all(outages.admits(NOW) for _ in range(100))


def test_in_an_outage_one_delivery_at_a_time_is_tried_and_seldom(cut_off: Outages) -> None:
    now, tried = NOW, 0
    while now < at(3600):
        now += timedelta(seconds=1)
        if cut_off.admits(now):
            assert not cut_off.admits(now)
            fail(cut_off, 1, now)
            tried += 1
    # The pause grows to one minute, with jitter from half of it.
    assert 60 <= tried <= 130


def test_an_attempt_that_takes_long_or_had_nothing_to_do_does_not_hold_up_the_next(cut_off: Outages) -> None:
    assert cut_off.admits(at(60))
    assert not cut_off.admits(at(89))
    assert cut_off.admits(at(90))
    cut_off.nothing_due()
    assert cut_off.admits(at(91))


def test_after_an_outage_so_many_a_second_are_started_until_nothing_is_due(cut_off: Outages) -> None:
    cut_off.answered(1)
    for second in range(3):
        started = [cut_off.admits(at(60 + second)) for _ in range(50)]
        assert sum(started) == DELIVERIES_A_SECOND
    cut_off.nothing_due()
    assert all(cut_off.admits(at(63)) for _ in range(50))


def test_a_clock_that_is_set_back_lengthens_no_pause(cut_off: Outages) -> None:
    day = 24 * 3600
    assert not cut_off.admits(at(-day))
    assert cut_off.admits(at(60 - day))
    cut_off.answered(1)
    for back in (day, 2 * day):
        started = [cut_off.admits(at(60 - back)) for _ in range(50)]
        started += [cut_off.admits(at(61 - back)) for _ in range(50)]
        assert sum(started) >= DELIVERIES_A_SECOND


def test_pauses_grow_to_ten_minutes_with_jitter() -> None:
    outages = Outages(Random(1))
    pauses = [fail(outages, 1).total_seconds() for _ in range(60)]
    assert 1 <= pauses[0] <= 2
    assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(pauses[:9], 1))
    assert all(300 <= pause <= 600 for pause in pauses[10:])
    assert len(set(pauses)) == len(pauses)
    outages.answered(1)
    assert fail(outages, 1).total_seconds() <= 2


def test_a_message_is_simplified_only_if_discord_answers_others_each_time() -> None:
    outages = Outages(Random(1))
    for _ in range(50):
        fail(outages, 1)
    assert outages.form(1) is Form.FULL
    forms = []
    for _ in range(14):
        outages.answered(2)
        fail(outages, 1)
        forms.append(outages.form(1))
    assert forms == [Form.FULL] * 9 + [Form.LINKS] * 4 + [Form.WORDS]
    assert outages.form(2) is Form.FULL


def ignore(outages: Outages, delivery_id: int, now: datetime = NOW) -> bool:
    """Let an attempt go unanswered, and Discord answer another call if asked; return whether it was asked."""
    outages.unanswered(delivery_id, now)
    suspect = outages.is_suspect(delivery_id)
    if suspect:
        outages.answered_otherwise()
    outages.pause(delivery_id)
    return suspect


def test_an_only_delivery_without_an_answer_is_suspected_from_its_third_attempt_on() -> None:
    outages = Outages(Random(1))
    assert [ignore(outages, 1) for _ in range(5)] == [False, False, True, True, True]
    for _ in range(15):
        ignore(outages, 1)
    assert outages.form(1) is Form.WORDS
    # Discord answers, so nothing else has to wait.
    assert all(outages.admits(NOW) for _ in range(DELIVERIES_A_SECOND))


def test_none_of_several_deliveries_without_an_answer_is_suspected(cut_off: Outages) -> None:
    assert not any(ignore(cut_off, delivery_id) for _ in range(30) for delivery_id in range(3))
    assert cut_off.form(1) is Form.FULL


@pytest.mark.parametrize(
    ("attempts", "hours", "abandoned"), [(23, 23.9, False), (22, 24, False), (23, 24, True)]
)
def test_an_ignored_delivery_is_abandoned_after_a_day(attempts: int, hours: float, abandoned: bool) -> None:
    outages = Outages(Random(1))
    for _ in range(attempts):
        ignore(outages, 1)
    assert outages.is_abandoned(1, at(hours * 3600)) is abandoned
    outages.answered(1)
    assert not outages.is_abandoned(1, at(hours * 3600))
    # An outage abandons nothing, however long.
    for hour in range(24 * 7):
        fail(outages, 2, at(hour * 3600))
    assert not outages.is_abandoned(2, at(24 * 7 * 3600))


def test_it_forgets_the_oldest_of_ten_thousand() -> None:
    outages = Outages(Random(1))
    for delivery_id in range(10_001):
        fail(outages, delivery_id)
    assert fail(outages, 0).total_seconds() <= 2
    assert 2 <= fail(outages, 10_000).total_seconds() <= 4
