"""What each control of `/settings` does to the rules: (rules, field, values) -> rules. Pure.

`values` are what Discord hands over: a select's values, or a form's texts in their order. `arg` says of what
(a role's id, a GPU, a deployment, which page of a long list).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from bot.domain.errors import RefusedError
from bot.domain.rules import ApprovalMode, RoleBudget, ServerRules, with_values
from bot.domain.settings_values import (
    MANY,
    SettingsContext,
    decimal_number,
    known_ids,
    known_names,
    lines,
    needed,
    one,
    whole_number,
    without_missing,
)

Edit = Callable[[ServerRules, str, Sequence[str], SettingsContext], ServerRules]

# The choices about the server's own AutoMod rules, as the select's values.
AUTOMOD: Mapping[str, bool | None] = MappingProxyType({"able": None, "always": True, "never": False})


def change(
    rules: ServerRules, field: str, arg: str, values: Sequence[str], context: SettingsContext
) -> ServerRules:
    """`field` is `section.name`. InputError for what is out of range, RefusedError for what is unknown."""
    edit = EDITS.get(field)
    if edit is None:
        raise RefusedError("settings_stale")
    return edit(rules, arg, values, context)


def page_of(names: Sequence[str], arg: str) -> Sequence[str]:
    """The part of a long list that one select shows; page 0 when `arg` names none."""
    page = int(arg) if arg.isascii() and arg.isdigit() and len(arg) < 4 else 0
    return names[page * MANY : (page + 1) * MANY]


def _mode(rules: ServerRules, _arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    mode = one(values)
    after = with_values(rules, {"approval.mode": mode})
    if mode != ApprovalMode.OFF and rules.approval.review_channel_id not in context.channel_ids:
        raise RefusedError("settings_needs_channel")
    return after


def _channel(rules: ServerRules, _arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    chosen = known_ids(values[:1], context.channel_ids, "settings_channel_unknown")
    if not chosen and rules.approval.mode is not ApprovalMode.OFF:
        raise RefusedError("settings_channel_in_use")
    return with_values(rules, {"approval.review_channel_id": next(iter(chosen), None)})


def _reviewer(rules: ServerRules, _arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    chosen = known_ids(values[:1], context.role_ids, "settings_role_unknown")
    return with_values(rules, {"reviewer_role_id": next(iter(chosen), None)})


def _exempt(rules: ServerRules, _arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    roles = known_ids(values, context.role_ids, "settings_role_unknown")
    return with_values(rules, {"approval.exempt_roles": roles})


def _deployments(
    rules: ServerRules, arg: str, values: Sequence[str], context: SettingsContext
) -> ServerRules:
    shown = page_of(tuple(context.deployments), arg)
    chosen = known_names(values, shown, "settings_deployment_unknown")
    return with_values(rules, {"approval.deployments": (rules.approval.deployments - set(shown)) | chosen})


def _gpus(rules: ServerRules, arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    shown = page_of(context.gpus, arg)
    chosen = known_names(values, shown, "settings_gpu_unknown")
    return with_values(rules, {"approval.gpus": (rules.approval.gpus - set(shown)) | chosen})


def _automod(rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext) -> ServerRules:
    chosen = one(values)
    if chosen not in AUTOMOD:
        raise RefusedError("settings_not_offered", value=chosen[:40])
    return with_values(rules, {"words.automod": AUTOMOD[chosen]})


def _words(rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext) -> ServerRules:
    return with_values(rules, {"words.blocked": lines(one(values))})


def _more_words(
    rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext
) -> ServerRules:
    both = [*rules.words.blocked, *lines(one(values))]
    return with_values(rules, {"words.blocked": lines("\n".join(both))})


def _fewer_words(
    rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext
) -> ServerRules:
    removed = {word.casefold() for word in lines(one(values))}
    present = {word.casefold() for word in rules.words.blocked}
    if not removed <= present:
        raise RefusedError("settings_word_not_listed", word=min(removed - present))
    kept = tuple(word for word in rules.words.blocked if word.casefold() not in removed)
    return with_values(rules, {"words.blocked": kept})


def _gpu_roles(rules: ServerRules, arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    known_names([arg], context.gpus, "settings_gpu_unknown")
    roles = known_ids(values, context.role_ids, "settings_role_unknown")
    return with_values(rules, {"gpu_roles": _allowed(rules.gpu_roles, arg, roles)})


def _deployment_roles(
    rules: ServerRules, arg: str, values: Sequence[str], context: SettingsContext
) -> ServerRules:
    known_names([arg], context.deployments, "settings_deployment_unknown")
    roles = known_ids(values, context.role_ids, "settings_role_unknown")
    return with_values(rules, {"deployment_roles": _allowed(rules.deployment_roles, arg, roles)})


def _allowed(
    roles_for: Mapping[str, frozenset[int]], name: str, roles: frozenset[int]
) -> dict[str, frozenset[int]]:
    """Without any role it is open to everybody. Others stay as they are: an empty one is closed (`_left`)."""
    both = {**roles_for, name: roles}
    return both if roles else {other: allowed for other, allowed in both.items() if other != name}


def _ages(rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext) -> ServerRules:
    names = ("account_days", "member_days")
    return with_values(
        rules, {f"people.{name}": whole_number(text) or 0 for name, text in zip(names, values, strict=True)}
    )


def _spoiler(rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext) -> ServerRules:
    return with_values(rules, {"spoiler": one(values)})


def _number(
    path: str, rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext
) -> ServerRules:
    return with_values(rules, {path: needed(whole_number(one(values)))})


def _opened_to_all(
    place: str, rules: ServerRules, arg: str, _values: Sequence[str], _around: SettingsContext
) -> ServerRules:
    roles_for = getattr(rules, place)
    return with_values(rules, {place: {name: roles for name, roles in roles_for.items() if name != arg}})


def budget(
    whose: str, rules: ServerRules, _arg: str, values: Sequence[str], _around: SettingsContext
) -> ServerRules:
    numbers = {
        f"budgets.{whose}.{name}": whole_number(text) for name, text in zip(LIMITS, values, strict=True)
    }
    return with_values(rules, numbers)


def role_limits(rules: ServerRules, arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    (role,) = known_ids([arg], context.role_ids, "settings_role_unknown")
    numbers = {name: whole_number(text) for name, text in zip(ROLE_LIMITS, values, strict=True)}
    unlimited = rules.budgets.roles.get(role, RoleBudget()).unlimited
    return _with_roles(rules, {role: {**numbers, "unlimited": unlimited}})


def unlimited_roles(
    rules: ServerRules, _arg: str, values: Sequence[str], context: SettingsContext
) -> ServerRules:
    chosen = known_ids(values, context.role_ids, "settings_role_unknown")
    concerned = chosen | (rules.budgets.roles.keys() & context.role_ids)
    budgets = {role: rules.budgets.roles.get(role, RoleBudget()) for role in concerned}
    return _with_roles(
        rules,
        {role: {**budget.model_dump(), "unlimited": role in chosen} for role, budget in budgets.items()},
    )


def weight(rules: ServerRules, arg: str, values: Sequence[str], context: SettingsContext) -> ServerRules:
    (gpu,) = known_names([arg], context.gpus, "settings_gpu_unknown")
    weights: dict[str, float] = {
        name: weight for name, weight in rules.budgets.gpu_weights.items() if name != gpu
    }
    number = decimal_number(one(values))
    if number is not None and number != 1:
        weights[gpu] = number
    return with_values(rules, {"budgets.gpu_weights": weights})


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
        "home.tidy": without_missing,
    }
)

# The order of their forms.
LIMITS = ("at_once", "waiting", "runs_a_day", "gpu_seconds_a_day")
ROLE_LIMITS = ("at_once", "runs_a_day", "gpu_seconds_a_day")


def _with_roles(rules: ServerRules, rows: Mapping[int, Mapping[str, Any]]) -> ServerRules:
    """A role without any limit of its own needs no row."""
    merged: dict[int, Any] = {role: budget.model_dump() for role, budget in rules.budgets.roles.items()}
    merged.update(rows)
    plain = RoleBudget().model_dump()
    kept = {role: dict(row) for role, row in merged.items() if dict(row) != plain}
    if len(kept) > MANY:
        raise RefusedError("settings_too_many_roles", limit=MANY)
    return with_values(rules, {"budgets.roles": kept})


# Discord's longest text input.
LONGEST_TEXT = 4000
_NUMBER_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Box:
    """One text input; its words are `settings_box_{name}` and `settings_help_{name}`."""

    name: str
    paragraph: bool = False
    required: bool = False

    @property
    def longest(self) -> int:
        return LONGEST_TEXT if self.paragraph else _NUMBER_LENGTH


@dataclass(frozen=True, slots=True)
class Form:
    """`prefill` gives the boxes' present texts, in their order, for the `arg` that the form is about."""

    boxes: tuple[Box, ...]
    prefill: Callable[[ServerRules, str], tuple[str, ...]]

    def stamp(self, rules: ServerRules, arg: str) -> str:
        """Tells whether somebody else changed these values while the form was open."""
        texts = "\0".join(self.prefill(rules, arg))
        return blake2b(texts.encode(), digest_size=4).hexdigest()


def form_of(field: str) -> Form:
    """Raises RefusedError for a control of another version."""
    form = FORMS.get(field)
    if form is None:
        raise RefusedError("settings_stale")
    return form


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:g}" if isinstance(number, float) else str(number)


def _person(rules: ServerRules, _arg: str) -> tuple[str, ...]:
    return tuple(_shown(getattr(rules.budgets.person, name)) for name in LIMITS)


def _server(rules: ServerRules, _arg: str) -> tuple[str, ...]:
    return tuple(_shown(getattr(rules.budgets.server, name)) for name in LIMITS)


def _role(rules: ServerRules, arg: str) -> tuple[str, ...]:
    role = int(arg) if arg.isascii() and arg.isdigit() else 0
    budget = rules.budgets.roles.get(role, RoleBudget())
    return tuple(_shown(getattr(budget, name)) for name in ROLE_LIMITS)


def _weight(rules: ServerRules, arg: str) -> tuple[str, ...]:
    return (_shown(rules.budgets.gpu_weights.get(arg)),)


def _word_list(rules: ServerRules, _arg: str) -> tuple[str, ...]:
    return ("\n".join(rules.words.blocked),)


def _nothing(_rules: ServerRules, _arg: str) -> tuple[str, ...]:
    return ("",)


def _ages_boxes(rules: ServerRules, _arg: str) -> tuple[str, ...]:
    return str(rules.people.account_days), str(rules.people.member_days)


def _hours(rules: ServerRules, _arg: str) -> tuple[str, ...]:
    return (str(rules.approval.hours),)


def _retention(rules: ServerRules, _arg: str) -> tuple[str, ...]:
    return (str(rules.retention_days),)


def _boxes(names: Sequence[str]) -> tuple[Box, ...]:
    return tuple(Box(name) for name in names)


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "approval.hours": Form((Box("hours", required=True),), _hours),
        "words.list": Form((Box("words", paragraph=True),), _word_list),
        "words.add": Form((Box("words_add", paragraph=True, required=True),), _nothing),
        "words.remove": Form((Box("words_remove", paragraph=True, required=True),), _nothing),
        "budgets.person": Form(_boxes(LIMITS), _person),
        "budgets.server": Form(_boxes(LIMITS), _server),
        "budgets.role": Form(_boxes([f"role_{name}" for name in ROLE_LIMITS]), _role),
        "budgets.weight": Form((Box("weight"),), _weight),
        "people.ages": Form(_boxes(("account_days", "member_days")), _ages_boxes),
        "record.retention": Form((Box("retention_days", required=True),), _retention),
    }
)


def fits(rules: ServerRules) -> bool:
    """Whether the whole word list can be edited in one form."""
    return len(_word_list(rules, "")[0]) <= LONGEST_TEXT


# Of the 100 characters of a custom_id, so many for what it is about.
_LONGEST = 64


class Section(StrEnum):
    """`home` is the overview."""

    HOME = "home"
    APPROVAL = "approval"
    WORDS = "words"
    BUDGETS = "budgets"
    GPUS = "gpus"
    PEOPLE = "people"
    RESULTS = "results"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class SettingControl:
    """What was pressed, chosen or sent."""

    section: Section
    name: str
    arg: str = ""

    @property
    def field(self) -> str:
        return f"{self.section.value}.{self.name}"


def token(name: str) -> str:
    """A deployment or GPU as `arg`: its name, or a digest where that would not fit."""
    return name if len(name) <= _LONGEST else blake2b(name.encode(), digest_size=8).hexdigest()


def named(arg: str, names: Iterable[str]) -> str:
    """The name behind a token; the token itself when there is none any more."""
    return next((name for name in names if token(name) == arg), arg)
