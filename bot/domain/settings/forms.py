"""The forms of `/settings`: their boxes, and the current texts in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from types import MappingProxyType

from bot.domain.errors import RefusedError
from bot.domain.settings.fields import FIELDS, Field, Kind
from bot.domain.settings.rules_and_defaults import RoleBudget, ServerRules

# Discord's longest text input.
_TEXT_LENGTH = 4000
_NUMBER_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Box:
    """A text input of a form.

    Its label and help text have the string codes `settings_box_{name}` and `settings_help_{name}`.
    """

    name: str
    paragraph: bool = False
    required: bool = False

    @property
    def max_length(self) -> int:
        return _TEXT_LENGTH if self.paragraph else _NUMBER_LENGTH


@dataclass(frozen=True, slots=True)
class Form:
    """A form. `prefill` returns the current texts of its boxes for an `arg`, in the format that `change`
    reads.
    """

    boxes: tuple[Box, ...]
    prefill: Callable[[ServerRules, str], tuple[str, ...]]

    def stamp(self, rules: ServerRules, arg: str) -> str:
        """Return a digest of the current texts, which differs if they changed while the form was open."""
        texts = "\0".join(self.prefill(rules, arg))
        return blake2b(texts.encode(), digest_size=4).hexdigest()


def form_of(key: str) -> Form:
    """Return the form of a control. Raises RefusedError for a form that this version does not have."""
    if key not in FORMS:
        raise RefusedError("settings_stale")
    return FORMS[key]


def _number_text(number: float | None) -> str:
    return "" if number is None else f"{number:g}" if isinstance(number, float) else str(number)


def _prefill_numbers(field: Field, rules: ServerRules, arg: str) -> tuple[str, ...]:
    numbers = field.value(rules)
    if field.per_role:
        numbers = numbers.get(int(arg) if arg.isascii() and arg.isdigit() else 0, RoleBudget())
    return tuple(_number_text(getattr(numbers, name)) for name in field.boxes)


_PREFILL: Mapping[Kind, Callable[[Field, ServerRules, str], tuple[str, ...]]] = MappingProxyType(
    {
        Kind.NUMBER: lambda field, rules, _arg: (str(field.value(rules)),),
        Kind.NUMBERS: _prefill_numbers,
        Kind.NUMBER_BY_NAME: lambda field, rules, arg: (_number_text(field.value(rules).get(arg)),),
        Kind.WORDS: lambda field, rules, _arg: ("\n".join(field.value(rules)),),
    }
)


def _form(field: Field) -> Form:
    prefill = partial(_PREFILL[field.kind], field)
    if field.boxes:
        prefix = "role_" if field.per_role else ""
        return Form(tuple(Box(f"{prefix}{name}") for name in field.boxes), prefill)
    box = Box(field.name, paragraph=field.kind is Kind.WORDS, required=field.kind is Kind.NUMBER)
    return Form((box,), prefill)


def _words_form(name: str) -> Form:
    return Form((Box(name, paragraph=True, required=True),), lambda _rules, _arg: ("",))


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        **{field.key: _form(field) for field in FIELDS.values() if field.kind in _PREFILL},
        "words.add": _words_form("words_add"),
        "words.remove": _words_form("words_remove"),
    }
)


def fits_in_form(words: Sequence[str]) -> bool:
    """Return whether the whole word list can be edited in one form."""
    return len("\n".join(words)) <= _TEXT_LENGTH
