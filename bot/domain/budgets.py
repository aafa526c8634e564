"""The limits of members and servers, the usage that counts against them, and the checks of budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.errors import Param, RefusedError, RefusedForNow
from bot.domain.requests import Member
from bot.domain.runs import FINAL, IN_FLIGHT, Run, RunReport, RunState
from bot.domain.settings.rules_and_defaults import Budget, RoleBudget, ServerRules

# The assumed cost of a run, in seconds, until ComfyDeploy reports its duration.
EXPECTED_SECONDS = 60.0
# How many seconds ComfyDeploy's duration may exceed the time since the queue call, as the clocks differ.
_CLOCKS_DIFFER = 60.0
# Runs in these states count towards `runs_a_day` only if they made outputs; their GPU seconds always count.
MADE_NOTHING = FINAL - {RunState.SUCCEEDED}
# The codes of refusals that a smaller batch may avoid. Each also has a sentence for batches, whose code has
# the suffix `_count`.
LIMITS = frozenset(
    {"daily_limit"}
    | {f"{whose}_{what}" for whose in ("budget", "server_budget") for what in ("waiting", "runs", "gpu")}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a member, with their roles taken into account, or of a server. None means no limit.

    `server_at_once` limits the runs of the member's whole server.
    """

    at_once: int | None = None
    waiting: int | None = None
    runs_a_day: int | None = None
    gpu_seconds_a_day: int | None = None
    server_at_once: int | None = None


def limits_of(person: Member, rules: ServerRules) -> Limits:
    """Return a member's limits. A role's limit replaces the default.

    If several of the member's roles set the same limit, the most generous value applies. An unlimited role
    removes all limits of the member.
    """
    budgets = rules.budgets
    own = [budget for role, budget in budgets.roles.items() if role in person.role_ids]
    if any(budget.unlimited for budget in own):
        return Limits(server_at_once=budgets.server.at_once)
    return Limits(
        at_once=_most_generous("at_once", own, budgets.person),
        waiting=budgets.person.waiting,
        runs_a_day=_most_generous("runs_a_day", own, budgets.person),
        gpu_seconds_a_day=_most_generous("gpu_seconds_a_day", own, budgets.person),
        server_at_once=budgets.server.at_once,
    )


def _most_generous(name: str, own: list[RoleBudget], default: Budget) -> int | None:
    values = [value for budget in own if (value := getattr(budget, name)) is not None]
    fallback: int | None = getattr(default, name)
    return max(values) if values else fallback


def weight_of(gpu: str | None, rules: ServerRules) -> float:
    """Return the weight of a second on a GPU. It is 1 if the GPU is unknown or has no weight in the rules."""
    return rules.budgets.gpu_weights.get(gpu or "", 1.0)


def reserve(gpu: str | None, rules: ServerRules) -> tuple[float, float]:
    """Return the weight of a second on this GPU, and the weighted seconds to reserve for a run."""
    weight = weight_of(gpu, rules)
    return weight, weight * EXPECTED_SECONDS


def measured_seconds(run: Run, now: datetime) -> float | None:
    """Return how long a run has been executing by the bot's clock, or None if it was never seen running.

    If the clock was set back, this is 0. A negative charge would enlarge the budget.
    """
    return None if run.started_at is None else max(0.0, (now - run.started_at).total_seconds())


def reported_seconds(run: Run, report: RunReport, now: datetime) -> float | None:
    """Return the duration that ComfyDeploy reports, or None.

    It is at most the time since the queue call, because a wrong figure could use up everybody's budget.
    """
    if report.run_duration is None:
        return None
    return min(report.run_duration, _since_the_call(run, now) + _CLOCKS_DIFFER)


def assumed_seconds(run: Run, now: datetime) -> float:
    """Return the duration to charge for a run that has a result, but was neither measured nor reported.

    This is what the run was expected to take, or the time since its queue call if that is shorter.
    """
    return min(_since_the_call(run, now) or EXPECTED_SECONDS, EXPECTED_SECONDS)


def _since_the_call(run: Run, now: datetime) -> float:
    return max(0.0, (now - (run.submitted_at or run.created_at)).total_seconds())


def charged_seconds(run: Run, duration: float | None, weight: float) -> float | None:
    """Return the weighted seconds to charge for a run that ends or has ended, even unsuccessfully.

    If `duration` is None, `run` must still have its state from before the end. The result is then None for a
    run in flight, whose reserved seconds count until it is settled, and 0 for any other run.
    """
    if duration is None:
        return None if run.state in IN_FLIGHT else 0.0
    return duration * weight


@dataclass(frozen=True, slots=True)
class Spending:
    """The usage that counts against a budget today.

    `gpu_seconds` are weighted and include reserved seconds.
    """

    runs: int = 0
    gpu_seconds: float = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A block that keeps a user from generating in a server. `until` is None if it doesn't expire."""

    reason: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The usage of a user and their server at the time `now`, with a block or a pause that forbids requests.

    `gpu_seconds_today` counts the whole bot's seconds, unweighted. `day_end` is the next midnight UTC.
    `paused` is the reason for a pause of the bot, or None if the bot isn't paused.
    """

    now: datetime
    day_end: datetime
    gpu_seconds_today: float = 0
    person: Spending = Spending()
    server: Spending = Spending()
    block: Block | None = None
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class UsageView:
    """The figures that `/usage` shows. `own` is True if the reader asked about themselves.

    `server` holds the server's limits, or None if the reader isn't a moderator.
    """

    user_id: int
    own: bool
    usage: Usage
    running: Running
    limits: Limits
    server: Limits | None


@dataclass(frozen=True, slots=True)
class Running:
    """How many runs a user and the whole server have in flight.

    Outside servers, both numbers count only runs that were requested outside servers.
    """

    person: int
    server: int


def budget_day(now: datetime) -> datetime:
    """Return the start of the budget day, midnight UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def check_budgets(usage: Usage, limits: Limits, reserved: float, rules: ServerRules) -> None:
    """Raise RefusedError if a new run would exceed the limits of the member or of the server.

    `reserved` is how many weighted GPU seconds the run reserves. `at_once` isn't checked, because it only
    makes runs wait.
    """
    _check_budget("budget", usage, usage.person, limits, reserved)
    server = rules.budgets.server
    own = Limits(
        at_once=server.at_once,
        waiting=server.waiting,
        runs_a_day=server.runs_a_day,
        gpu_seconds_a_day=server.gpu_seconds_a_day,
    )
    _check_budget("server_budget", usage, usage.server, own, reserved)


def _check_budget(prefix: str, usage: Usage, spent: Spending, limits: Limits, reserved: float) -> None:
    if limits.waiting is not None and spent.waiting >= limits.waiting:
        raise RefusedError(f"{prefix}_waiting", limit=limits.waiting)
    if limits.runs_a_day is not None and spent.runs >= limits.runs_a_day:
        raise until_tomorrow(f"{prefix}_runs", usage, fits=True, limit=limits.runs_a_day)
    ceiling = limits.gpu_seconds_a_day
    if ceiling is not None and spent.gpu_seconds + reserved > ceiling:
        remaining = max(0, int(ceiling - spent.gpu_seconds))
        params = {"limit": ceiling, "left": remaining, "needed": int(reserved)}
        raise until_tomorrow(f"{prefix}_gpu", usage, fits=reserved <= ceiling, **params)


def until_tomorrow(code: str, usage: Usage, *, fits: bool, **params: Param) -> RefusedError:
    """Return the error for a run that exceeds what is left of a daily limit.

    If the run `fits` into the limit of a full day, it is refused only until midnight UTC, otherwise for good.
    """
    params["until"] = int(usage.day_end.timestamp())
    return (
        RefusedForNow(code, "", again_at=usage.day_end, **params)
        if fits
        else RefusedError(code, "", **params)
    )


def for_batch(reason: RefusedError, possible: int, count: int) -> RefusedError:
    """Return the refusal of a batch of `count` runs, of which the rules would accept the first `possible`.

    `reason` is the refusal of the next run. If its code is in `LIMITS` and `possible` isn't 0, the returned
    refusal states `possible` and `count`. Otherwise `reason` is returned unchanged.
    """
    if not possible or reason.code not in LIMITS:
        return reason
    params = reason.params | {"possible": possible, "count": count}
    return RefusedError(f"{reason.code}_count", str(reason), **params)
