"""What a person may use, and what a run counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.requests import Member
from bot.domain.rules import Budget, RoleBudget, ServerRules

# What a run is taken to cost, in seconds, until ComfyDeploy tells what it took.
EXPECTED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """A person's limits after their roles have been looked at. None: no limit."""

    at_once: int | None = None
    waiting: int | None = None
    runs_a_day: int | None = None
    gpu_seconds_a_day: int | None = None
    server_at_once: int | None = None


def limits_of(person: Member, rules: ServerRules) -> Limits:
    """The person's own. Of several roles that say something about a limit, the most generous counts."""
    budgets = rules.budgets
    own = [budget for role, budget in budgets.roles.items() if role in person.role_ids]
    if any(budget.unlimited for budget in own):
        return Limits(server_at_once=budgets.server.at_once)
    return Limits(
        at_once=_most("at_once", own, budgets.person),
        waiting=budgets.person.waiting,
        runs_a_day=_most("runs_a_day", own, budgets.person),
        gpu_seconds_a_day=_most("gpu_seconds_a_day", own, budgets.person),
        server_at_once=budgets.server.at_once,
    )


def _most(name: str, own: list[RoleBudget], default: Budget) -> int | None:
    said = [value for budget in own if (value := getattr(budget, name)) is not None]
    fallback: int | None = getattr(default, name)
    return max(said) if said else fallback


def weight_of(gpu: str | None, rules: ServerRules) -> float:
    """What a second on this GPU counts."""
    return rules.budgets.gpu_weights.get(gpu or "", 1.0)


def reserve(gpu: str | None, rules: ServerRules) -> tuple[float, float]:
    """The weight, and the weighted seconds that are set aside until the run is settled."""
    weight = weight_of(gpu, rules)
    return weight, weight * EXPECTED_SECONDS


@dataclass(frozen=True, slots=True)
class Spending:
    """What counts against a budget today: weighted seconds, those of running ones as reserved."""

    runs: int = 0
    gpu_seconds: float = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Somebody who may not generate on a server; `until` None: until it is lifted."""

    reason: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the store knows when a request comes in. `gpu_seconds_today` is the bot's, unweighted."""

    now: datetime
    day_end: datetime
    gpu_seconds_today: float = 0
    person: Spending = Spending()
    server: Spending = Spending()
    block: Block | None = None
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class UsageView:
    """`server` are the server's own limits, None where they are not the reader's to see."""

    user_id: int
    own: bool
    usage: Usage
    running: Running
    limits: Limits
    server: Limits | None


@dataclass(frozen=True, slots=True)
class Running:
    """Of one person, and of everybody in the same place."""

    person: int
    server: int


def budget_day(now: datetime) -> datetime:
    """The beginning of the day that budgets count."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
