"""While the backend is away, one run at a time is claimed, after growing pauses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pytest

from bot.domain.backend import Backend, DeploymentDescription
from bot.domain.errors import (
    BackendBadReply,
    BackendCrashed,
    BackendError,
    BackendServerError,
    BackendUnauthorized,
)
from bot.workers.outage import BackendOutage, OutageCheck

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def outage() -> BackendOutage:
    """Return an outage whose first call has failed."""
    made = BackendOutage(Random(1))
    assert made.lets_through(NOW)
    made.begin("first")
    made.begin("second")
    assert made.lets_through(NOW)
    made.fail(NOW)
    return made


def test_the_pauses_grow_to_a_minute(outage: BackendOutage) -> None:
    seconds, pauses = 0.0, []
    for _ in range(7):
        pauses.append(next(pause for pause in range(100) if outage.lets_through(at(seconds + pause))))
        seconds += pauses[-1]
        assert outage.fail(at(seconds)) >= at(seconds)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert outage.since == NOW


def test_calls_that_fail_together_count_once(outage: BackendOutage) -> None:
    for _ in range(5):
        outage.fail(at(1))
    assert not outage.is_long
    assert not outage.lets_through(at(2.9))
    assert outage.lets_through(at(3))


@pytest.mark.parametrize(("asked", "pause"), [(30, 30), (1, 2), (10**9, 3600)])
def test_the_backends_own_pause_is_kept_for_up_to_an_hour(asked: float, pause: float) -> None:
    outage = BackendOutage(Random(1))
    assert at(pause + 3) <= outage.fail(NOW, asked) <= at(pause + 4)
    assert not outage.lets_through(at(pause - 0.1))
    assert outage.lets_through(at(pause))


def test_one_run_at_a_time_is_tried(outage: BackendOutage) -> None:
    outage.begin("third")
    assert not outage.lets_through(at(10))
    outage.finish("first")
    assert not outage.lets_through(at(10))
    outage.finish("third")
    assert outage.lets_through(at(10))


def test_a_clock_that_is_set_back_stops_no_run(outage: BackendOutage) -> None:
    assert outage.lets_through(at(-3600))
    assert outage.fail(at(-3600)) <= at(-3500)
    assert not outage.lets_through(at(-3599))
    outage.answered(at(-3598))
    assert outage.since is None


def test_an_answer_ends_it_unless_its_call_is_older_than_the_last_failure(outage: BackendOutage) -> None:
    outage.answered(at(-1))
    assert not outage.lets_through(at(1))
    outage.answered(at(2))
    assert outage.since is None
    assert outage.lets_through(at(2))
    outage.fail(at(100))
    assert outage.since == at(100)
    assert outage.lets_through(at(102))


def test_it_is_long_after_three_failures(outage: BackendOutage) -> None:
    assert not outage.is_long
    outage.fail(at(2))
    assert not outage.is_long
    outage.fail(at(6))
    assert outage.is_long


WEEK = 7 * 24 * 3600


@pytest.mark.parametrize(
    ("age", "lasts", "refused"),
    [(WEEK, 3600, True), (WEEK - 1, 3600, False), (WEEK, 3599, False), (0, 2 * WEEK, False)],
)
def test_a_request_of_a_week_is_refused_after_an_hour_without_calls(
    outage: BackendOutage, age: int, lasts: int, *, refused: bool
) -> None:
    now = at(lasts)
    assert outage.has_outlasted(now - timedelta(seconds=age), now) is refused


def test_a_request_outlasts_an_outage_that_is_over(outage: BackendOutage) -> None:
    outage.answered(at(1))
    assert not outage.has_outlasted(NOW - timedelta(days=30), at(7200))


class Answering:
    """A backend that answers both questions about deployments as told, and counts them."""

    def __init__(self, one: BackendError | None, all_of_them: BackendError | Sequence[str] = ()) -> None:
        self.one, self.all_of_them, self.calls = one, all_of_them, 0

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        self.calls += 1
        if self.one is not None:
            raise self.one
        return DeploymentDescription(id=deployment_id)

    async def describe_deployments(self) -> Sequence[DeploymentDescription]:
        self.calls += 1
        if isinstance(self.all_of_them, BackendError):
            raise self.all_of_them
        return [DeploymentDescription(id=each) for each in self.all_of_them]


DOWN = BackendServerError("503")


@pytest.mark.parametrize(
    ("backend", "away"),
    [
        (Answering(None), False),
        (Answering(BackendUnauthorized("401")), False),
        (Answering(DOWN, DOWN), True),
        (Answering(DOWN, ["mine", "another"]), True),
        (Answering(DOWN, ["another"]), False),
        (Answering(BackendCrashed("500"), ["another"]), True),
        (Answering(DOWN, BackendBadReply("200: too long")), False),
        (Answering(DOWN, BackendUnauthorized("401")), False),
        (Answering(BackendBadReply("200: damaged"), ["mine"]), False),
    ],
    ids=[
        "answers",
        "key",
        "all down",
        "one down",
        "gone",
        "undescribable",
        "unreadable list",
        "no list",
        "unreadable",
    ],
)
async def test_an_outage_is_told_from_a_deployment_that_is_gone(backend: Any, *, away: bool) -> None:
    check = OutageCheck(backend, lambda: NOW)
    assert await check.confirm("mine") is away
    assert check.is_known is (backend.all_of_them is DOWN)


async def test_a_deployment_that_is_listed_but_never_described_is_broken_after_a_day() -> None:
    clock, backend = [NOW], Answering(DOWN, ["mine"])
    check = OutageCheck(cast("Backend", backend), lambda: clock[0])
    for hours, away in ((0, True), (23, True), (24, False), (30, False)):
        clock[0] = at(hours * 3600)
        assert await check.confirm("mine") is away
    backend.one = None
    assert not await check.confirm("mine")
    backend.one = DOWN
    assert await check.confirm("mine")


async def test_a_confirmed_outage_is_trusted_for_a_minute_or_until_an_answer() -> None:
    clock, backend = [NOW], Answering(DOWN, DOWN)
    check = OutageCheck(cast("Backend", backend), lambda: clock[0])
    assert await check.confirm("mine")
    clock[0] = at(59)
    assert await check.confirm("another")
    assert backend.calls == 2
    clock[0] = at(60)
    assert not check.is_known
    backend.one = None
    assert not await check.confirm("mine")
    backend.one = DOWN
    assert await check.confirm("mine")
    check.end()
    assert not check.is_known
    clock[0] = at(30)  # the clock was set back
    assert not check.is_known
