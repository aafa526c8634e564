"""A person's limits after their roles, and what a run on a GPU counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.budgets import (
    EXPECTED_SECONDS,
    Limits,
    assumed_seconds,
    budget_day,
    charged_seconds,
    limits_of,
    measured_seconds,
    reported_seconds,
    reserve,
    weight_of,
)
from bot.domain.requests import Member
from bot.domain.runs import RunReport, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from tests.unit.factories import made_run

ONE, TWO, FREE = 1, 2, 3


def rules(**roles: dict[str, Any]) -> ServerRules:
    numbers = {"one": ONE, "two": TWO, "free": FREE}
    budgets = {
        "person": {"at_once": 3, "waiting": 10, "runs_a_day": 20, "gpu_seconds_a_day": None},
        "server": {"at_once": 9},
        "roles": {numbers[name]: budget for name, budget in roles.items()},
        "gpu_weights": {"H100": 4, "T4": 0.5},
    }
    return ServerRules.model_validate({"budgets": budgets})


def limits(of: ServerRules, *roles: int) -> Limits:
    return limits_of(Member(id=9, role_ids=frozenset(roles), created_at=datetime(2026, 1, 1, tzinfo=UTC)), of)


def test_without_a_role_budget_everybody_has_the_same_limits() -> None:
    everybody = Limits(at_once=3, waiting=10, runs_a_day=20, gpu_seconds_a_day=None, server_at_once=9)
    assert limits(rules()) == everybody
    assert limits(rules(one={"runs_a_day": 99}), TWO) == everybody


def test_a_role_budget_changes_only_its_limits_and_the_most_generous_role_wins() -> None:
    for runs in (1, 50):
        found = limits(rules(one={"runs_a_day": runs}), ONE)
        assert (found.at_once, found.waiting, found.runs_a_day) == (3, 10, runs)
    several = rules(one={"at_once": 1, "runs_a_day": 50}, two={"at_once": 2, "gpu_seconds_a_day": 600})
    found = limits(several, ONE, TWO)
    assert (found.at_once, found.runs_a_day, found.gpu_seconds_a_day) == (2, 50, 600)


def test_an_unlimited_role_lifts_the_persons_limits_but_not_the_servers() -> None:
    found = limits(rules(one={"runs_a_day": 1}, free={"unlimited": True}), ONE, FREE)
    assert found == Limits(server_at_once=9)


def test_a_second_on_a_gpu_counts_by_its_weight() -> None:
    assert [weight_of(gpu, rules()) for gpu in ("H100", "T4", "A10G", None)] == [4, 0.5, 1, 1]
    assert reserve("H100", rules()) == (4, 4 * EXPECTED_SECONDS)
    assert reserve(None, rules()) == (1, EXPECTED_SECONDS)


@pytest.mark.parametrize(
    ("state", "duration", "charged"),
    [
        (RunState.RUNNING, 12.5, 50.0),  # at a weight of 4
        (RunState.RUNNING, 0.0, 0.0),
        (RunState.RUNNING, None, None),  # the reservation stays
        (RunState.WAITING, None, 0.0),
        (RunState.WAITING, 3.0, 12.0),
    ],
)
def test_an_ended_run_counts_its_duration_and_a_run_that_never_started_counts_nothing(
    state: RunState, duration: float | None, charged: float | None
) -> None:
    assert charged_seconds(made_run(state), duration, 4) == charged


@pytest.mark.parametrize(
    ("passed", "measured", "reported", "assumed"),
    [
        (-3600, 0, 60, 60),  # the clock was set back
        (0, 0, 60, 60),
        (20, 20, 80, 20),
        (600, 600, 660, 60),
        (7200, 7200, 5000, 60),
    ],
)
def test_no_duration_is_negative_or_longer_than_the_time_since_the_queue_call(
    passed: float, measured: float, reported: float, assumed: float
) -> None:
    called = datetime(2026, 3, 14, tzinfo=UTC)
    now, run = called + timedelta(seconds=passed), made_run(submitted_at=called, started_at=called)
    assert measured_seconds(run, now) == measured
    assert reported_seconds(run, RunReport("r", None, run_duration=5000.0), now) == reported
    assert assumed_seconds(run, now) == assumed


def test_without_a_start_or_a_report_no_duration_is_known() -> None:
    now, run = datetime(2026, 3, 14, tzinfo=UTC), made_run(started_at=None)
    assert measured_seconds(run, now) is reported_seconds(run, RunReport("r", None), now) is None


def test_the_day_of_a_budget_begins_at_midnight() -> None:
    midnight = datetime(2026, 3, 14, tzinfo=UTC)
    for at in (midnight, datetime(2026, 3, 14, 15, 9, 26, 53589, tzinfo=UTC)):
        assert budget_day(at) == midnight
