"""Define the fields of `/settings`, one row each, and apply a control's values to a server's rules.

A control submits values: the choices of a select, or the texts of a form in order. Its `arg` identifies what
the values apply to: a role's id, a GPU, a deployment, or a page of a long list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from enum import Enum, StrEnum, auto
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from bot.domain.errors import InputError, InputErrors, RefusedError
from bot.domain.settings.missing_references import without_missing
from bot.domain.settings.rules_and_defaults import (
    WORD_COUNT,
    WORD_LENGTH,
    ApprovalMode,
    RoleBudget,
    ServerRules,
    Spoiler,
    with_values,
)
from bot.domain.settings.values import (
    SELECT_LIMIT,
    Edit,
    Names,
    SettingsContext,
    decimal_number,
    known_names,
    lines,
    named,
    one,
    page_of,
    required,
    whole_number,
)
from bot.domain.text import QUOTED, shorten, without_joiners


class Section(StrEnum):
    """A page of the panel; `home` is the overview."""

    HOME = "home"
    APPROVAL = "approval"
    WORDS = "words"
    BUDGETS = "budgets"
    GPUS = "gpus"
    PEOPLE = "people"
    RESULTS = "results"
    RECORD = "record"


class Kind(Enum):
    """The kind of a field's control, which `bot.ui.settings` draws and describes.

    Its texts are in `bot.strings.settings`. A NUMBER always has a value; a number that may be empty is a box
    of NUMBERS.
    """

    CHOICE = auto()  # one of a few values
    CHANNEL = auto()
    ROLE = auto()
    ROLES = auto()
    NAMES = auto()  # any GPUs or deployments
    ROLES_BY_NAME = auto()  # the roles that may use a GPU or a deployment
    NUMBER = auto()
    NUMBERS = auto()  # several numbers in one form
    NUMBER_BY_NAME = auto()  # a number for a GPU
    UNLIMITED = auto()  # the roles without limits
    WORDS = auto()


@dataclass(frozen=True, slots=True)
class SettingControl:
    """A control or form of the panel."""

    section: Section
    name: str
    arg: str = ""

    @property
    def key(self) -> str:
        return f"{self.section.value}.{self.name}"


Check = Callable[[ServerRules, SettingsContext], None]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the panel, identified by `section` and `name`. `path` leads to its value in the rules."""

    section: Section
    name: str
    kind: Kind
    path: str
    _: KW_ONLY
    choices: tuple[tuple[str, object], ...] = ()  # the options of a select, and the values stored for them
    names: Names = Names.GPU  # the list, for kinds that refer to names
    pages: int = 4  # selects of 25 names; a message holds at most 40 components
    boxes: tuple[str, ...] = ()  # the attributes at `path` that a form sets
    empty: int | None = None  # the value of an empty box
    unit: str = ""
    per_role: bool = False  # one form per role
    modes: frozenset[ApprovalMode] = frozenset(ApprovalMode)  # the approval modes in which it has an effect
    check: Check | None = None  # raises RefusedError for rules that the field forbids
    text_last: bool = False  # show the field's text after the section's other texts

    @property
    def key(self) -> str:
        return f"{self.section.value}.{self.name}"

    def value(self, rules: ServerRules) -> Any:
        return attrgetter(self.path)(rules)


def _needs_channel(rules: ServerRules, context: SettingsContext) -> None:
    approval = rules.approval
    if approval.mode is not ApprovalMode.OFF and approval.review_channel_id not in context.channel_ids:
        raise RefusedError("settings_needs_channel")


def _keeps_channel(rules: ServerRules, _context: SettingsContext) -> None:
    if rules.approval.mode is not ApprovalMode.OFF and rules.approval.review_channel_id is None:
        raise RefusedError("settings_channel_in_use")


def _members(choices: type[StrEnum]) -> tuple[tuple[str, object], ...]:
    return tuple((choice.value, choice) for choice in choices)


# Whether the server's own AutoMod rules apply. None applies them if the bot may read them.
_AUTOMOD = (("able", None), ("always", True), ("never", False))
_PRIVATE = (("off", False), ("allowed", True))
LIMITS = ("at_once", "waiting", "runs_a_day", "gpu_seconds_a_day")
_ROLE_LIMITS = ("at_once", "runs_a_day", "gpu_seconds_a_day")

_APPROVAL, _BUDGETS, _GPUS = Section.APPROVAL, Section.BUDGETS, Section.GPUS
_ROWS = (
    Field(_APPROVAL, "channel", Kind.CHANNEL, "approval.review_channel_id",
          check=_keeps_channel, text_last=True),
    Field(_APPROVAL, "reviewer", Kind.ROLE, "reviewer_role_id", text_last=True),
    Field(_APPROVAL, "mode", Kind.CHOICE, "approval.mode",
          choices=_members(ApprovalMode), check=_needs_channel),
    Field(_APPROVAL, "exempt", Kind.ROLES, "approval.exempt_roles",
          modes=frozenset({ApprovalMode.WITHOUT_ROLES})),
    Field(_APPROVAL, "deployments", Kind.NAMES, "approval.deployments",
          names=Names.DEPLOYMENT, modes=frozenset({ApprovalMode.SELECTED})),
    Field(_APPROVAL, "gpus", Kind.NAMES, "approval.gpus", pages=2, modes=frozenset({ApprovalMode.SELECTED})),
    Field(_APPROVAL, "hours", Kind.NUMBER, "approval.hours", unit="hours", text_last=True,
          modes=frozenset(ApprovalMode) - {ApprovalMode.OFF}),
    Field(Section.WORDS, "automod", Kind.CHOICE, "words.automod", choices=_AUTOMOD),
    Field(Section.WORDS, "list", Kind.WORDS, "words.blocked"),
    Field(_BUDGETS, "person", Kind.NUMBERS, "budgets.person", boxes=LIMITS),
    Field(_BUDGETS, "server", Kind.NUMBERS, "budgets.server", boxes=LIMITS),
    Field(_BUDGETS, "role", Kind.NUMBERS, "budgets.roles", boxes=_ROLE_LIMITS, per_role=True),
    Field(_BUDGETS, "unlimited", Kind.UNLIMITED, "budgets.roles", text_last=True),
    Field(_BUDGETS, "weight", Kind.NUMBER_BY_NAME, "budgets.gpu_weights"),
    Field(_GPUS, "gpu_roles", Kind.ROLES_BY_NAME, "gpu_roles"),
    Field(_GPUS, "deployment_roles", Kind.ROLES_BY_NAME, "deployment_roles", names=Names.DEPLOYMENT),
    Field(Section.PEOPLE, "ages", Kind.NUMBERS, "people",
          boxes=("account_days", "member_days"), empty=0, unit="days"),
    Field(Section.RESULTS, "spoiler", Kind.CHOICE, "spoiler", choices=_members(Spoiler)),
    Field(Section.RESULTS, "gallery", Kind.CHANNEL, "gallery_channel_id"),
    Field(Section.RESULTS, "private", Kind.CHOICE, "private_results", choices=_PRIVATE),
    Field(Section.RECORD, "retention", Kind.NUMBER, "retention_days", unit="days"),
)  # fmt: skip

FIELDS: Mapping[str, Field] = MappingProxyType({field.key: field for field in _ROWS})


def fields_of(section: Section) -> list[Field]:
    """Return a section's fields in the order of their controls."""
    return [field for field in _ROWS if field.section is section]


Values = Mapping[str, Any]  # by path in the rules


def change(
    rules: ServerRules, key: str, arg: str, values: Sequence[str], context: SettingsContext
) -> ServerRules:
    """Return the changed rules. `key` (`section.name`) names a field, which gets `values`, or an action.

    Raises InputError for an invalid value, and InputErrors with a mistake for each invalid box of a form.
    Raises RefusedError for a field, action or reference that doesn't exist, and for a change that conflicts
    with another setting or a limit.
    """
    edit = Edit(rules, arg, values, context)
    if key in ACTIONS:
        return with_values(rules, ACTIONS[key](edit))
    if key not in FIELDS:
        raise RefusedError("settings_stale")
    field = FIELDS[key]
    after = with_values(rules, {field.path: _READ[field.kind](field, edit)})
    if field.check is not None:
        field.check(after, context)
    return after


def _read_choice(field: Field, edit: Edit) -> object:
    choice, choices = one(edit.values), dict(field.choices)
    if choice not in choices:
        raise RefusedError("settings_not_offered", value=shorten(choice, QUOTED))
    return choices[choice]


def _read_names(field: Field, edit: Edit) -> object:
    shown = page_of(tuple(edit.context.offered(field.names)), edit.arg)
    return (field.value(edit.rules) - set(shown)) | known_names(edit.values, shown, field.names)


def _read_roles_by_name(field: Field, edit: Edit) -> object:
    """Return all entries, with the chosen roles for one GPU or deployment.

    If no role is chosen, the entry is dropped, because an empty one would permit nobody.
    """
    name, roles = edit.name(field.names), edit.roles()
    current = field.value(edit.rules)
    return {**current, name: roles} if roles else _without(current, name)


def _read_numbers(field: Field, edit: Edit) -> object:
    """Read a form with several boxes. Raises InputErrors with the mistakes of all boxes, in their order."""
    role = next(iter(edit.roles([edit.arg]))) if field.per_role else None
    numbers: dict[str, int | None] = {}
    mistakes: dict[str, InputError] = {}
    for name, text in zip(field.boxes, edit.values, strict=True):
        try:
            number = whole_number(text)
        except InputError as error:
            mistakes[name] = error
        else:
            numbers[name] = field.empty if number is None else number
    value = numbers if role is None else _role_budgets(edit, {role: numbers})
    try:
        with_values(edit.rules, {field.path: value})
    except InputErrors as errors:
        mistakes |= {str(error.params["name"]): error for error in errors.errors}
    if mistakes:
        raise InputErrors([_in_box(name, mistakes[name]) for name in field.boxes if name in mistakes])
    return value


def _in_box(name: str, error: InputError) -> InputError:
    return InputError(error.code, str(error), **{**error.params, "box": name})


def _read_number_by_name(field: Field, edit: Edit) -> object:
    """Return all entries, with the typed number for one GPU.

    For an empty box or 1, the entry is dropped, because 1 is the weight of a GPU without an entry.
    """
    gpu = edit.name(field.names)
    others = _without(field.value(edit.rules), gpu)
    number = decimal_number(one(edit.values))
    return others if number is None or number == 1 else {**others, gpu: number}


def _read_unlimited(field: Field, edit: Edit) -> object:
    """Mark the chosen roles as unlimited, and no other existing role. The select doesn't show deleted roles,
    so they keep their mark.
    """
    chosen = edit.roles()
    affected = chosen | (field.value(edit.rules).keys() & edit.context.role_ids)
    return _role_budgets(edit, {role: {"unlimited": role in chosen} for role in affected})


def _role_budgets(edit: Edit, changes: Mapping[int, Mapping[str, object]]) -> dict[int, dict[str, Any]]:
    """Merge changes into the roles' limits, and drop the entries of roles without limits of their own.

    Raises RefusedError if more than SELECT_LIMIT roles are left.
    """
    budgets = edit.rules.budgets.roles
    merged = {role: budget.model_dump() for role, budget in budgets.items()}
    plain = RoleBudget().model_dump()
    for role, change_of_role in changes.items():
        merged[role] = {**merged.get(role, plain), **change_of_role}
    kept = {role: row for role, row in merged.items() if row != plain}
    if len(kept) > SELECT_LIMIT:
        raise RefusedError("settings_too_many_roles", limit=SELECT_LIMIT)
    return kept


_READ: Mapping[Kind, Callable[[Field, Edit], object]] = MappingProxyType(
    {
        Kind.CHOICE: _read_choice,
        Kind.CHANNEL: lambda _field, edit: edit.channel(),
        Kind.ROLE: lambda _field, edit: next(iter(edit.roles(edit.values[:1])), None),
        Kind.ROLES: lambda _field, edit: edit.roles(),
        Kind.NAMES: _read_names,
        Kind.ROLES_BY_NAME: _read_roles_by_name,
        Kind.NUMBER: lambda _field, edit: required(whole_number(one(edit.values))),
        Kind.NUMBERS: _read_numbers,
        Kind.NUMBER_BY_NAME: _read_number_by_name,
        Kind.UNLIMITED: _read_unlimited,
        Kind.WORDS: lambda _field, edit: _read_words(edit),
    }
)


def _without(entries: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in entries.items() if other != name}


def _read_words(edit: Edit, *, keep: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the typed words and those to keep. Raises InputErrors with all mistakes.

    A `*` that is no wildcard is a mistake only in typed words, since earlier versions stored such words.
    """
    typed = lines(one(edit.values))
    words = lines("\n".join([*keep, *typed]))
    codes = [(word, code) for word in typed if (code := _misplaced_star(word)) is not None]
    codes += [(word, "settings_word_too_long") for word in typed if len(word) > WORD_LENGTH]
    mistakes = [_word_mistake(code, word) for word, code in codes]
    if len(words) > WORD_COUNT:
        mistakes.append(InputError("settings_too_many_words", limit=WORD_COUNT))
    if mistakes:
        raise InputErrors(mistakes)
    return words


def _misplaced_star(word: str) -> str | None:
    """Return the code of the refusal if a `*` of the word is no wildcard, or None."""
    core = word.strip("*").strip()
    if not core:
        return "settings_word_only_star"
    return "settings_word_inner_star" if "*" in core else None


def _word_mistake(code: str, word: str) -> InputError:
    return InputError(code, word=shorten(word, QUOTED), limit=WORD_LENGTH)


def _add_words(edit: Edit) -> Values:
    return {"words.blocked": _read_words(edit, keep=edit.rules.words.blocked)}


def _remove_words(edit: Edit) -> Values:
    typed = {_compared(word): word for word in lines(one(edit.values))}
    listed = set(map(_compared, edit.rules.words.blocked))
    unlisted = [word for compared, word in typed.items() if compared not in listed]
    if unlisted:
        raise InputErrors([_word_mistake("settings_word_not_listed", word) for word in unlisted])
    return {"words.blocked": tuple(w for w in edit.rules.words.blocked if _compared(w) not in typed)}


def _compared(word: str) -> str:
    return without_joiners(word).casefold()


def _open_to_all(path: str, edit: Edit) -> Values:
    return {path: _without(getattr(edit.rules, path), edit.arg)}


# Actions that change the rules without being a field.
ACTIONS: Mapping[str, Callable[[Edit], Values]] = MappingProxyType(
    {
        "words.add": _add_words,
        "words.remove": _remove_words,
        "gpus.gpu_open": partial(_open_to_all, "gpu_roles"),
        "gpus.deployment_open": partial(_open_to_all, "deployment_roles"),
        "home.tidy": lambda edit: without_missing(edit.rules, edit.context),
    }
)


def resolve(control: SettingControl, context: SettingsContext) -> SettingControl:
    """Return the control with the name of its GPU or deployment as `arg`, instead of the name's token.

    A control for something else is returned unchanged.
    """
    if control.section is Section.GPUS or control.key == "budgets.weight":
        names = Names.DEPLOYMENT if control.name.startswith(Names.DEPLOYMENT) else Names.GPU
        return replace(control, arg=named(control.arg, context.offered(names)))
    return control
