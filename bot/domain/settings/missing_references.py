"""Find and remove references in a server's rules to roles, channels, deployments and GPUs that are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules
from bot.domain.settings.values import SettingsContext


@dataclass(frozen=True, slots=True)
class MissingReferences:
    """References in the rules to things that no longer exist."""

    roles: frozenset[int] = frozenset()
    channels: frozenset[int] = frozenset()
    deployments: frozenset[str] = frozenset()
    gpus: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.roles or self.channels or self.deployments or self.gpus)


def missing_references(rules: ServerRules, context: SettingsContext) -> MissingReferences:
    """Return the rules' references to things that no longer exist. A GPU exists if a deployment offers it."""
    approval, budgets = rules.approval, rules.budgets
    channels = {approval.review_channel_id, rules.gallery_channel_id} - {None}
    return MissingReferences(
        roles=frozenset(_roles(rules)) - context.role_ids,
        channels=frozenset(channel for channel in channels if channel) - context.channel_ids,
        deployments=(approval.deployments | rules.deployment_roles.keys()) - context.deployments.keys(),
        gpus=frozenset(approval.gpus | rules.gpu_roles.keys() | budgets.gpu_weights.keys())
        - set(context.gpus),
    )


def _roles(rules: ServerRules) -> Iterator[int]:
    if rules.reviewer_role_id is not None:
        yield rules.reviewer_role_id
    yield from rules.approval.exempt_roles
    yield from rules.budgets.roles
    for roles in (*rules.gpu_roles.values(), *rules.deployment_roles.values()):
        yield from roles


def without_missing(rules: ServerRules, context: SettingsContext) -> dict[str, Any]:
    """Return values for `with_values` that drop the missing references without giving anybody more access.

    A GPU or deployment whose permitted roles are all missing stays closed to everybody. While approval is on,
    its missing channel stays set.
    """
    missing = missing_references(rules, context)
    budgets = rules.budgets
    reviewer, gallery = rules.reviewer_role_id, rules.gallery_channel_id
    return {
        "reviewer_role_id": None if reviewer in missing.roles else reviewer,
        "approval.review_channel_id": _remaining_channel(rules, context),
        "gallery_channel_id": None if gallery in missing.channels else gallery,
        "approval.exempt_roles": rules.approval.exempt_roles - missing.roles,
        "approval.deployments": rules.approval.deployments - missing.deployments,
        "approval.gpus": rules.approval.gpus - missing.gpus,
        "budgets.roles": {role: row for role, row in budgets.roles.items() if role not in missing.roles},
        "budgets.gpu_weights": {
            gpu: weight for gpu, weight in budgets.gpu_weights.items() if gpu not in missing.gpus
        },
        "gpu_roles": _remaining_roles(rules.gpu_roles, missing.gpus, missing.roles),
        "deployment_roles": _remaining_roles(rules.deployment_roles, missing.deployments, missing.roles),
    }


def _remaining_channel(rules: ServerRules, context: SettingsContext) -> int | None:
    channel = rules.approval.review_channel_id
    is_off = rules.approval.mode is ApprovalMode.OFF
    return None if is_off and channel not in context.channel_ids else channel


def _remaining_roles(
    roles_by_name: Mapping[str, frozenset[int]], missing_names: frozenset[str], missing_roles: frozenset[int]
) -> dict[str, frozenset[int]]:
    return {
        name: allowed - missing_roles for name, allowed in roles_by_name.items() if name not in missing_names
    }
