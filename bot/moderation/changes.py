"""What each control of `/settings` does to the rules: (rules, field, values) -> rules. Pure.

`values` are what Discord hands over: a select's values, or a form's texts in their order. `arg` says of what
(a role's id, a GPU, a deployment, which page of a long list).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from bot.errors import RefusedError
from bot.moderation.budget_changes import budget, role_limits, unlimited_roles, weight
from bot.moderation.edits import (
    MANY,
    known_ids,
    known_names,
    lines,
    needed,
    one,
    replaced,
    whole_number,
)
from bot.moderation.surroundings import Surroundings, gone
from bot.rules import ApprovalMode, ServerRules

Edit = Callable[[ServerRules, str, Sequence[str], Surroundings], ServerRules]
# The choices about the server's own AutoMod rules, as the select's values.
AUTOMOD: Mapping[str, bool | None] = MappingProxyType({"able": None, "always": True, "never": False})


def change(
    rules: ServerRules, field: str, arg: str, values: Sequence[str], around: Surroundings
) -> ServerRules:
    """`field` is `section.name`. InputError for what is out of range, RefusedError for what is unknown."""
    edit = EDITS.get(field)
    if edit is None:
        raise RefusedError("settings_stale")
    return edit(rules, arg, values, around)


def page_of(names: Sequence[str], arg: str) -> Sequence[str]:
    """The part of a long list that one select shows; page 0 when `arg` names none."""
    page = int(arg) if arg.isascii() and arg.isdigit() and len(arg) < 4 else 0
    return names[page * MANY : (page + 1) * MANY]


def _mode(rules: ServerRules, _arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    mode = one(values)
    after = replaced(rules, {"approval.mode": mode})
    if mode != ApprovalMode.OFF and rules.approval.review_channel_id not in around.channel_ids:
        raise RefusedError("settings_needs_channel")
    return after


def _channel(rules: ServerRules, _arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    chosen = known_ids(values[:1], around.channel_ids, "settings_channel_unknown")
    if not chosen and rules.approval.mode is not ApprovalMode.OFF:
        raise RefusedError("settings_channel_in_use")
    return replaced(rules, {"approval.review_channel_id": next(iter(chosen), None)})


def _reviewer(rules: ServerRules, _arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    chosen = known_ids(values[:1], around.role_ids, "settings_role_unknown")
    return replaced(rules, {"reviewer_role_id": next(iter(chosen), None)})


def _exempt(rules: ServerRules, _arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    roles = known_ids(values, around.role_ids, "settings_role_unknown")
    return replaced(rules, {"approval.exempt_roles": roles})


def _deployments(rules: ServerRules, arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    shown = page_of(tuple(around.deployments), arg)
    chosen = known_names(values, shown, "settings_deployment_unknown")
    return replaced(rules, {"approval.deployments": (rules.approval.deployments - set(shown)) | chosen})


def _gpus(rules: ServerRules, arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    shown = page_of(around.gpus, arg)
    chosen = known_names(values, shown, "settings_gpu_unknown")
    return replaced(rules, {"approval.gpus": (rules.approval.gpus - set(shown)) | chosen})


def _automod(rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings) -> ServerRules:
    chosen = one(values)
    if chosen not in AUTOMOD:
        raise RefusedError("settings_not_offered", value=chosen[:40])
    return replaced(rules, {"words.automod": AUTOMOD[chosen]})


def _words(rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings) -> ServerRules:
    return replaced(rules, {"words.blocked": lines(one(values))})


def _more_words(rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings) -> ServerRules:
    both = [*rules.words.blocked, *lines(one(values))]
    return replaced(rules, {"words.blocked": lines("\n".join(both))})


def _fewer_words(rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings) -> ServerRules:
    removed = {word.casefold() for word in lines(one(values))}
    present = {word.casefold() for word in rules.words.blocked}
    if not removed <= present:
        raise RefusedError("settings_word_not_listed", word=min(removed - present))
    kept = tuple(word for word in rules.words.blocked if word.casefold() not in removed)
    return replaced(rules, {"words.blocked": kept})


def _gpu_roles(rules: ServerRules, arg: str, values: Sequence[str], around: Surroundings) -> ServerRules:
    known_names([arg], around.gpus, "settings_gpu_unknown")
    roles = known_ids(values, around.role_ids, "settings_role_unknown")
    return replaced(rules, {"gpu_roles": _allowed(rules.gpu_roles, arg, roles)})


def _deployment_roles(
    rules: ServerRules, arg: str, values: Sequence[str], around: Surroundings
) -> ServerRules:
    known_names([arg], around.deployments, "settings_deployment_unknown")
    roles = known_ids(values, around.role_ids, "settings_role_unknown")
    return replaced(rules, {"deployment_roles": _allowed(rules.deployment_roles, arg, roles)})


def _allowed(
    roles_for: Mapping[str, frozenset[int]], name: str, roles: frozenset[int]
) -> dict[str, frozenset[int]]:
    """Without any role it is open to everybody. Others stay as they are: an empty one is closed (`_left`)."""
    both = {**roles_for, name: roles}
    return both if roles else {other: allowed for other, allowed in both.items() if other != name}


def _ages(rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings) -> ServerRules:
    names = ("account_days", "member_days")
    return replaced(
        rules, {f"people.{name}": whole_number(text) or 0 for name, text in zip(names, values, strict=True)}
    )


def _spoiler(rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings) -> ServerRules:
    return replaced(rules, {"spoiler": one(values)})


def _number(
    path: str, rules: ServerRules, _arg: str, values: Sequence[str], _around: Surroundings
) -> ServerRules:
    return replaced(rules, {path: needed(whole_number(one(values)))})


def _opened_to_all(
    place: str, rules: ServerRules, arg: str, _values: Sequence[str], _around: Surroundings
) -> ServerRules:
    roles_for = getattr(rules, place)
    return replaced(rules, {place: {name: roles for name, roles in roles_for.items() if name != arg}})


def _tidied(rules: ServerRules, _arg: str, _values: Sequence[str], around: Surroundings) -> ServerRules:
    """Without what is gone. What was limited to roles that are all gone stays closed, and so does approval
    without its channel: a deleted role must not open anything."""
    lost = gone(rules, around)
    budgets = rules.budgets
    reviewer = rules.reviewer_role_id
    return replaced(
        rules,
        {
            "reviewer_role_id": None if reviewer in lost.roles else reviewer,
            "approval.review_channel_id": _tidy_channel(rules, around),
            "approval.exempt_roles": rules.approval.exempt_roles - lost.roles,
            "approval.deployments": rules.approval.deployments - lost.deployments,
            "approval.gpus": rules.approval.gpus - lost.gpus,
            "budgets.roles": {role: row for role, row in budgets.roles.items() if role not in lost.roles},
            "budgets.gpu_weights": {
                gpu: factor for gpu, factor in budgets.gpu_weights.items() if gpu not in lost.gpus
            },
            "gpu_roles": _left(rules.gpu_roles, lost.gpus, lost.roles),
            "deployment_roles": _left(rules.deployment_roles, lost.deployments, lost.roles),
        },
    )


def _tidy_channel(rules: ServerRules, around: Surroundings) -> int | None:
    channel = rules.approval.review_channel_id
    idle = rules.approval.mode is ApprovalMode.OFF
    return None if idle and channel not in around.channel_ids else channel


def _left(
    roles_for: Mapping[str, frozenset[int]], names: frozenset[str], roles: frozenset[int]
) -> dict[str, frozenset[int]]:
    return {name: allowed - roles for name, allowed in roles_for.items() if name not in names}


EDITS: Mapping[str, Edit] = MappingProxyType(
    {
        "approval.mode": _mode,
        "approval.channel": _channel,
        "approval.reviewer": _reviewer,
        "approval.exempt": _exempt,
        "approval.deployments": _deployments,
        "approval.gpus": _gpus,
        "approval.hours": partial(_number, "approval.hours"),
        "words.automod": _automod,
        "words.list": _words,
        "words.add": _more_words,
        "words.remove": _fewer_words,
        "budgets.person": partial(budget, "person"),
        "budgets.server": partial(budget, "server"),
        "budgets.role": role_limits,
        "budgets.unlimited": unlimited_roles,
        "budgets.weight": weight,
        "gpus.gpu_roles": _gpu_roles,
        "gpus.deployment_roles": _deployment_roles,
        "gpus.gpu_open": partial(_opened_to_all, "gpu_roles"),
        "gpus.deployment_open": partial(_opened_to_all, "deployment_roles"),
        "people.ages": _ages,
        "results.spoiler": _spoiler,
        "record.retention": partial(_number, "retention_days"),
        "home.tidy": _tidied,
    }
)
