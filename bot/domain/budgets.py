"""The limits of members and servers, the usage that counts against them, and the checks of budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from bot.domain.errors import Param, RefusedError, RefusedForNow
from bot.domain.moderation import Block
from bot.domain.runs import Run, RunReport
from bot.domain.settings.rules_and_defaults import Budget, ServerRules

# The reserved seconds of a run of a deployment that has no recent runs.
EXPECTED_SECONDS = 60.0
# How many failed runs of a person on a day don't count as runs. Their seconds always count.
GIVEN_BACK_A_DAY = 3
# How many seconds ComfyDeploy's duration may exceed the time since the queue call, as the clocks differ.
_CLOCKS_DIFFER = 60.0
NO_LIMIT = Budget(at_once=None, waiting=None)


def limits_of(role_ids: frozenset[int], rules: ServerRules) -> Budget:
    """Return the limits of a member with these roles. A role's limit replaces the default.

    If several roles set a limit, the highest applies. A role without limits lifts them all.
    """
    budgets = rules.budgets
    if not role_ids.isdisjoint(budgets.unlimited_roles):
        return NO_LIMIT
    by_role = {
        "at_once": budgets.role_at_once,
        "runs_a_day": budgets.role_runs_a_day,
        "gpu_seconds_a_day": budgets.role_gpu_seconds_a_day,
    }
    found = {name: role_ids & limits.keys() for name, limits in by_role.items()}
    most = {name: max(by_role[name][role] for role in roles) for name, roles in found.items() if roles}
    return budgets.person.model_copy(update=most)


def weight_of(gpu: str | None, rules: ServerRules) -> float:
    """Return the weight of a second on a GPU, which is 1 unless the rules give it another."""
    return rules.budgets.gpu_weights.get(gpu or "", 1.0)


def reported_seconds(run: Run, report: RunReport, now: datetime) -> float | None:
    """Return the duration that ComfyDeploy reports, or None.

    It is at most the time since the queue call, because a wrong figure could use up everybody's budget.
    """
    if report.run_duration is None:
        return None
    elapsed = max(0.0, (now - (run.submitted_at or run.created_at)).total_seconds())
    return min(report.run_duration, elapsed + _CLOCKS_DIFFER)


@dataclass(frozen=True, slots=True)
class Spending:
    """The usage that counts against a budget today.

    `gpu_seconds` are weighted and include reserved seconds.
    """

    runs: int = 0
    gpu_seconds: float = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The usage of a user and their server at the time `now`, with a block or a pause that forbids requests.

    `gpu_seconds_today` counts the whole bot's seconds, unweighted. `paused` is the reason for a pause of the
    bot, or None if it isn't paused.
    """

    now: datetime
    gpu_seconds_today: float = 0
    person: Spending = Spending()
    server: Spending = Spending()
    block: Block | None = None
    paused: str | None = None


def budget_day(now: datetime) -> date:
    """Return the day whose budgets count, in UTC."""
    return now.astimezone(UTC).date()


def day_end(now: datetime) -> datetime:
    """Return the next midnight UTC, at which the budgets are renewed."""
    return datetime.combine(budget_day(now) + timedelta(days=1), time(), UTC)


def until_tomorrow(code: str, usage: Usage, *, fits: bool, **params: Param) -> RefusedError:
    """Return the error for a run that exceeds what is left of a daily limit.

    If the run `fits` into the limit of a full day, it is refused only until midnight UTC, otherwise for good.
    """
    again_at = day_end(usage.now)
    params["until"] = int(again_at.timestamp())
    if fits:
        return RefusedForNow(code, again_at=again_at, **params)
    return RefusedError(code, **params)
