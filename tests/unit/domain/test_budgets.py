"""A person's limits after their roles, and what a run on a GPU counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bot.domain.policy import budget_day, day_end
from bot.domain.run_timing import billed_seconds
from bot.domain.runs import Charge, Run, RunState, RunUpdate
from bot.domain.settings.rules_and_defaults import NO_LIMIT, Budget, ServerRules
from bot.domain.transitions import end
from tests.unit.factories import made_run

ONE, TWO, FREE = 1, 2, 3
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
EVERYBODY = Budget(at_once=3, waiting=10, runs_a_day=20)


@pytest.mark.parametrize(
    ("roles", "limits"),
    [
        # A role's budget changes only its limits, and the most generous role wins.
        ([ONE], EVERYBODY.model_copy(update={"at_once": 1, "runs_a_day": 50})),
        ([ONE, TWO], EVERYBODY.model_copy(update={"at_once": 2, "runs_a_day": 50, "gpu_seconds_a_day": 600})),
        ([ONE, FREE], NO_LIMIT),
    ],
)
def test_a_persons_limits_after_their_roles(roles: list[int], limits: Budget) -> None:
    by_role = {
        "role_at_once": {ONE: 1, TWO: 2},
        "role_runs_a_day": {ONE: 50},
        "role_gpu_seconds_a_day": {TWO: 600},
        "unlimited_roles": {FREE: True},
    }
    rules = ServerRules.model_validate({"budgets": {"person": EVERYBODY, **by_role}})
    assert rules.budgets.limits_of(frozenset(roles)) == limits


def test_a_second_on_a_gpu_counts_by_its_weight() -> None:
    rules = ServerRules.model_validate({"budgets": {"gpu_weights": {"H100": 4, "T4": 0.5}}})
    assert [rules.budgets.weight_of(gpu) for gpu in ("H100", "T4", "A10G", None)] == [4, 0.5, 1, 1]


NOTHING = Charge()
RESERVED = Charge(1, 0, 60, 240, 60)
MEASURED = Charge(1, 0, 12.5, 50, 12.5)
FAILED = {"runs": 0, "failures": 1}
S = RunState


def charged(state: RunState, **more: Any) -> Run:
    """Return a run with a queue call on a GPU whose weight is 4, which is charged its reservation."""
    started = {"submitted_at": NOW, "started_at": NOW, "weight": 4}
    return made_run(state, **{"charged_on": NOW.date(), **started, **more})


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        # Its cost isn't known yet.
        (charged(S.WAITING, submitted_at=None), RESERVED._replace(started=0)),
        # Its cost will never be known, and it may have been the whole reservation or more.
        (charged(S.SUCCEEDED), RESERVED),
        (charged(S.SUCCEEDED, run_duration=12.5), MEASURED),
        # A failure without outputs is no run.
        (charged(S.FAILED), RESERVED._replace(**FAILED)),
        (charged(S.FAILED, run_duration=12.5), MEASURED._replace(**FAILED)),
        (charged(S.FAILED, run_duration=12.5, partial=True), MEASURED),
        # Nothing was executed.
        (charged(S.AWAITING_APPROVAL, charged_on=None), NOTHING),
        (charged(S.REFUSED), NOTHING),
        (charged(S.REFUSED, run_duration=12.5), MEASURED._replace(**FAILED)),
        (charged(S.CANCELLED, submitted_at=None), NOTHING),
    ],
)
def test_a_run_costs_what_is_known_and_otherwise_its_reservation(run: Run, expected: Charge) -> None:
    assert (run.charge, run.charged_seconds) == (expected, expected.weighted)


def test_no_duration_is_negative_or_longer_than_the_time_since_the_queue_call() -> None:
    def durations(seconds: float) -> tuple[object, float | None]:
        """Return what is measured, and believed of a report, so many seconds after a start."""
        now, run = NOW + timedelta(seconds=seconds), made_run(S.RUNNING, submitted_at=NOW, started_at=NOW)
        ended = end(run, S.CANCELLED, now, "cancelled_by_requester", {})
        assert ended is not None
        return ended.values.get("run_duration"), billed_seconds(
            run, RunUpdate("r", None, run_duration=5e3), now
        )

    assert durations(7200) == (7200, 5000)
    assert durations(0) == (0, 60)
    assert durations(-3600) == (None, 60)  # the clock was set back


def test_the_day_of_a_budget_is_that_of_utc() -> None:
    midnight = datetime(2026, 3, 14, tzinfo=UTC)
    west = midnight.astimezone(timezone(timedelta(hours=-5)))
    for at in (midnight, west, datetime(2026, 3, 14, 23, 9, 26, 53589, tzinfo=UTC)):
        assert budget_day(at) == midnight.date()
        assert day_end(at) == midnight + timedelta(days=1)
