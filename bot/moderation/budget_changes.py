"""What the controls of the budgets do to the rules. Pure; see `bot.moderation.changes` for the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import RefusedError
from bot.moderation.edits import MANY, decimal_number, known_ids, known_names, one, replaced, whole_number
from bot.moderation.surroundings import Surroundings
from bot.rules import RoleBudget, ServerRules

# The order of their forms.
LIMITS = ("at_once", "waiting", "runs_a_day", "gpu_seconds_a_day")
ROLE_LIMITS = ("at_once", "runs_a_day", "gpu_seconds_a_day")


def budget(
    whose: str, rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings
) -> ServerRules:
    numbers = {
        f"budgets.{whose}.{name}": whole_number(text) for name, text in zip(LIMITS, values, strict=True)
    }
    return replaced(rules, numbers)


def role_limits(rules: ServerRules, arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    (role,) = known_ids([arg], around.role_ids, "settings_role_unknown")
    numbers = {name: whole_number(text) for name, text in zip(ROLE_LIMITS, values, strict=True)}
    unlimited = rules.budgets.roles.get(role, RoleBudget()).unlimited
    return _with_roles(rules, {role: {**numbers, "unlimited": unlimited}})


def unlimited_roles(
    rules: ServerRules, _arg: str, values: Sequence[str], around: Surroundings
) -> ServerRules:
    chosen = known_ids(values, around.role_ids, "settings_role_unknown")
    concerned = chosen | (rules.budgets.roles.keys() & around.role_ids)
    budgets = {role: rules.budgets.roles.get(role, RoleBudget()) for role in concerned}
    return _with_roles(
        rules,
        {role: {**budget.model_dump(), "unlimited": role in chosen} for role, budget in budgets.items()},
    )


def _with_roles(rules: ServerRules, rows: Mapping[int, Mapping[str, Any]]) -> ServerRules:
    """A role without any limit of its own needs no row."""
    merged: dict[int, Any] = {role: budget.model_dump() for role, budget in rules.budgets.roles.items()}
    merged.update(rows)
    plain = RoleBudget().model_dump()
    kept = {role: dict(row) for role, row in merged.items() if dict(row) != plain}
    if len(kept) > MANY:
        raise RefusedError("settings_too_many_roles", limit=MANY)
    return replaced(rules, {"budgets.roles": kept})


def weight(rules: ServerRules, arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    (gpu,) = known_names([arg], around.gpus, "settings_gpu_unknown")
    weights: dict[str, float] = {
        name: weight for name, weight in rules.budgets.gpu_weights.items() if name != gpu
    }
    number = decimal_number(one(values))
    if number is not None and number != 1:
        weights[gpu] = number
    return replaced(rules, {"budgets.gpu_weights": weights})
