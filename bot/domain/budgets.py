"""The limits of members and servers, and the usage that counts against them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.requests import Member
from bot.domain.runs import FINAL, IN_FLIGHT, Run, RunState
from bot.domain.settings.rules_and_defaults import Budget, RoleBudget, ServerRules

# The assumed cost of a run, in seconds, until ComfyDeploy reports its duration.
EXPECTED_SECONDS = 60.0
# Runs in these states don't count as runs of the day unless they made outputs; their GPU seconds do count.
MADE_NOTHING = FINAL - {RunState.SUCCEEDED}


@dataclass(frozen=True, slots=True)
class Limits:
    """A member's limits with their roles applied; None is unlimited."""

    at_once: int | None = None
    waiting: int | None = None
    runs_a_day: int | None = None
    gpu_seconds_a_day: int | None = None
    server_at_once: int | None = None


def limits_of(person: Member, rules: ServerRules) -> Limits:
    """Return a member's limits. If several roles change a limit, the most generous one applies."""
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
    """Return the weight of a second on a GPU."""
    return rules.budgets.gpu_weights.get(gpu or "", 1.0)


def reserve(gpu: str | None, rules: ServerRules) -> tuple[float, float]:
    """Return the weight and the weighted seconds reserved until the run is settled."""
    weight = weight_of(gpu, rules)
    return weight, weight * EXPECTED_SECONDS


def charged_seconds(run: Run, duration: float | None, weight: float) -> float | None:
    """Return the weighted seconds charged for an ended run, even if it failed or was cancelled.

    None keeps the reserved seconds, because the run was in flight for an unknown time. A run that never
    started costs nothing.
    """
    if duration is None:
        return None if run.state in IN_FLIGHT else 0.0
    return duration * weight


@dataclass(frozen=True, slots=True)
class Spending:
    """The usage that counts against a budget today: weighted seconds, including those reserved for active
    runs.
    """

    runs: int = 0
    gpu_seconds: float = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A block that forbids a user to generate in a server; `until` None means indefinitely."""

    reason: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The usage when a request arrives; `gpu_seconds_today` is that of the whole bot, unweighted."""

    now: datetime
    day_end: datetime
    gpu_seconds_today: float = 0
    person: Spending = Spending()
    server: Spending = Spending()
    block: Block | None = None
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class UsageView:
    """The figures that `/usage` shows. `server` holds the server's limits, or None if the reader may not see
    them.
    """

    user_id: int
    own: bool
    usage: Usage
    running: Running
    limits: Limits
    server: Limits | None


@dataclass(frozen=True, slots=True)
class Running:
    """The number of active runs of a user, and of the server or conversation."""

    person: int
    server: int


def budget_day(now: datetime) -> datetime:
    """Return the start of the budget day, midnight UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
