"""A person's limits after their roles, and what a run on a GPU counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bot.domain.budgets import (
    NO_LIMIT,
    Charge,
    budget_day,
    charge_of,
    day_end,
    limits_of,
    measured_seconds,
    recorded_charge,
    reported_seconds,
    weight_of,
)
from bot.domain.requests import Member
from bot.domain.runs import IN_FLIGHT, Run, RunReport, RunState
from bot.domain.settings.rules_and_defaults import Budget, ServerRules
from tests.unit.factories import made_run

ONE, TWO, FREE = 1, 2, 3
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
DAY = NOW.date()


def rules(**roles: dict[str, Any]) -> ServerRules:
    numbers = {"one": ONE, "two": TWO, "free": FREE}
    budgets = {
        "person": {"at_once": 3, "waiting": 10, "runs_a_day": 20, "gpu_seconds_a_day": None},
        "server": {"at_once": 9},
        "roles": {numbers[name]: budget for name, budget in roles.items()},
        "gpu_weights": {"H100": 4, "T4": 0.5},
    }
    return ServerRules.model_validate({"budgets": budgets})


def limits(of: ServerRules, *roles: int) -> Budget:
    return limits_of(Member(id=9, role_ids=frozenset(roles), created_at=datetime(2026, 1, 1, tzinfo=UTC)), of)


def test_without_a_role_budget_everybody_has_the_same_limits() -> None:
    everybody = Budget(at_once=3, waiting=10, runs_a_day=20)
    assert limits(rules()) == everybody
    assert limits(rules(one={"runs_a_day": 99}), TWO) == everybody


def test_a_role_budget_changes_only_its_limits_and_the_most_generous_role_wins() -> None:
    for runs in (1, 50):
        found = limits(rules(one={"runs_a_day": runs}), ONE)
        assert (found.at_once, found.waiting, found.runs_a_day) == (3, 10, runs)
    several = rules(one={"at_once": 1, "runs_a_day": 50}, two={"at_once": 2, "gpu_seconds_a_day": 600})
    found = limits(several, ONE, TWO)
    assert (found.at_once, found.runs_a_day, found.gpu_seconds_a_day) == (2, 50, 600)


def test_an_unlimited_role_lifts_the_persons_limits() -> None:
    found = limits(rules(one={"runs_a_day": 1}, free={"unlimited": True}), ONE, FREE)
    assert found == NO_LIMIT


def test_a_second_on_a_gpu_counts_by_its_weight() -> None:
    assert [weight_of(gpu, rules()) for gpu in ("H100", "T4", "A10G", None)] == [4, 0.5, 1, 1]


NOTHING = Charge()
RESERVED = Charge(1, 60, 240, 60)
MEASURED = Charge(1, 12.5, 50, 12.5)
S = RunState


def charged(state: RunState, **more: Any) -> Run:
    """Return a run with a queue call on a GPU whose weight is 4, which is charged its reservation."""
    started = {"charged_on": DAY, "submitted_at": NOW, "started_at": NOW, "weight": 4, "charged_seconds": 240}
    return made_run(state, **{**started, **more})


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        # Its cost isn't known yet.
        (charged(S.WAITING, submitted_at=None), RESERVED._replace(started=0)),
        *((charged(state), RESERVED) for state in sorted(IN_FLIGHT)),
        # Its cost will never be known, and it may have been the whole reservation or more.
        *((charged(state), RESERVED) for state in (S.SUCCEEDED, S.UNCONFIRMED, S.CANCELLED, S.TIMED_OUT)),
        *(
            (charged(state, run_duration=12.5), MEASURED)
            for state in (S.SUCCEEDED, S.UNCONFIRMED, S.CANCELLED, S.TIMED_OUT)
        ),
        (charged(S.SUCCEEDED, run_duration=0.0), Charge(1, 0, 0, 0)),
        # The bot noticed the start or the end late.
        (charged(S.SUCCEEDED, run_duration=12.5, duration_in_doubt=True), RESERVED),
        (charged(S.TIMED_OUT, run_duration=100.0, duration_in_doubt=True), Charge(1, 100, 400, 100)),
        # A failure without outputs is no run.
        (charged(S.FAILED), RESERVED._replace(runs=0)),
        (charged(S.FAILED, run_duration=12.5), MEASURED._replace(runs=0)),
        (charged(S.FAILED, run_duration=12.5, partial=True), MEASURED),
        # Nothing was executed.
        (charged(S.REFUSED), NOTHING),
        (charged(S.REFUSED, run_duration=12.5), MEASURED._replace(runs=0)),
        *((charged(state, submitted_at=None), NOTHING) for state in (S.REFUSED, S.CANCELLED)),
        # Nothing is charged before an approval.
        (charged(S.AWAITING_APPROVAL, charged_on=None, submitted_at=None), NOTHING),
        (charged(S.REJECTED, charged_on=None, submitted_at=None), NOTHING),
    ],
)
def test_a_run_costs_what_is_known_and_otherwise_its_reservation(run: Run, expected: Charge) -> None:
    assert charge_of(run) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, RESERVED),
        ({"charged_seconds": 50.0, "counts_as_run": False}, MEASURED._replace(runs=0)),
        ({"submitted_at": None}, RESERVED._replace(started=0)),
        ({"charged_on": None}, NOTHING),
        ({"charged_seconds": None}, NOTHING),
    ],
)
def test_the_columns_of_a_run_say_what_the_ledger_counts(changes: dict[str, Any], expected: Charge) -> None:
    assert recorded_charge(charged(S.RUNNING, **changes)) == expected


@pytest.mark.parametrize(
    ("passed", "measured", "reported"),
    [
        (-3600, None, 60),  # the clock was set back
        (0, 0, 60),
        (20, 20, 80),
        (600, 600, 660),
        (7200, 7200, 5000),
    ],
)
def test_no_duration_is_negative_or_longer_than_the_time_since_the_queue_call(
    passed: float, measured: float | None, reported: float
) -> None:
    now, run = NOW + timedelta(seconds=passed), made_run(submitted_at=NOW, started_at=NOW)
    assert measured_seconds(run, now) == measured
    assert reported_seconds(run, RunReport("r", None, run_duration=5000.0), now) == reported


def test_without_a_start_or_a_report_no_duration_is_known() -> None:
    run = made_run(started_at=None)
    assert measured_seconds(run, NOW) is reported_seconds(run, RunReport("r", None), NOW) is None


def test_the_day_of_a_budget_is_that_of_utc() -> None:
    midnight = datetime(2026, 3, 14, tzinfo=UTC)
    for at in (midnight, datetime(2026, 3, 14, 15, 9, 26, 53589, tzinfo=UTC)):
        assert budget_day(at) == midnight.date()
        assert day_end(at) == midnight + timedelta(days=1)
    assert budget_day(midnight.astimezone(timezone(timedelta(hours=-5)))) == midnight.date()
