"""The forms of `/settings`: which boxes each has, what stands in them, and whether that is still so. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType

from bot.errors import RefusedError
from bot.moderation.budget_changes import LIMITS, ROLE_LIMITS
from bot.rules import RoleBudget, ServerRules

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


def _ages(rules: ServerRules, _arg: str) -> tuple[str, ...]:
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
        "people.ages": Form(_boxes(("account_days", "member_days")), _ages),
        "record.retention": Form((Box("retention_days", required=True),), _retention),
    }
)


def fits(rules: ServerRules) -> bool:
    """Whether the whole word list can be edited in one form."""
    return len(_word_list(rules, "")[0]) <= LONGEST_TEXT
