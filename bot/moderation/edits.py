"""How one field is set, checked by the rules' own limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from pydantic import ValidationError

from bot.errors import InputError, RefusedError
from bot.rules import ServerRules
from bot.text import visible

# Discord's selects take so many.
MANY = 25


def replaced(rules: ServerRules, values: Mapping[str, Any]) -> ServerRules:
    """With values at dotted paths (`approval.hours`). Raises InputError for the first out of range."""
    tree = rules.model_dump()
    for path, value in values.items():
        *above, name = path.split(".")
        branch = tree
        for part in above:
            branch = branch[part]
        branch[name] = value
    try:
        return ServerRules.model_validate(tree)
    except ValidationError as error:
        raise _explained(error) from error


def _explained(error: ValidationError) -> InputError:
    problem = error.errors(include_url=False)[0]
    context = problem.get("ctx", {})
    lowest, highest = context.get("ge", context.get("gt")), context.get("le")
    shown = str(problem["input"])[:40]
    if lowest is not None:
        code = "settings_too_small" if "ge" in context else "settings_not_above"
        return InputError(code, value=shown, limit=lowest)
    if highest is not None:
        return InputError("settings_too_large", value=shown, limit=highest)
    if problem["type"] == "string_too_long":
        return InputError("settings_word_too_long", word=shown, limit=context.get("max_length"))
    if problem["type"] == "too_long":
        return InputError("settings_too_many_words", limit=context.get("max_length"))
    return InputError("settings_not_offered", value=shown)


def whole_number(text: str) -> int | None:
    """As people type it: `1,000`, `1 000`; nothing is None. Raises InputError."""
    plain = text.replace(",", "").replace(" ", "").replace("\u00a0", "").replace("_", "")
    if not plain:
        return None
    digits = plain.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
        raise InputError("settings_not_integer", value=text[:40])
    return int(plain)


def decimal_number(text: str) -> float | None:
    """With a point or a comma; nothing is None. Raises InputError."""
    plain = text.strip().replace(",", ".")
    if not plain:
        return None
    try:
        number = float(plain)
    except ValueError:
        raise InputError("settings_not_number", value=text[:40]) from None
    if not isfinite(number):
        raise InputError("settings_not_number", value=text[:40])
    return number


def needed(number: int | None) -> int:
    """Where leaving it empty means nothing. Raises InputError."""
    if number is None:
        raise InputError("settings_number_needed")
    return number


def lines(text: str) -> tuple[str, ...]:
    """One entry a line, without empty lines, invisible characters and repeats, sorted."""
    entries = {visible(line) for line in text.splitlines()}
    return tuple(sorted(entries - {""}, key=lambda entry: (entry.casefold(), entry)))


def known_ids(values: Iterable[str], known: frozenset[int], refusal: str) -> frozenset[int]:
    """Ids that are there now. Raises RefusedError with the code otherwise."""
    found = set()
    for value in values:
        if not (value.isascii() and value.isdigit()) or int(value) not in known:
            raise RefusedError(refusal)
        found.add(int(value))
    return frozenset(found)


def known_names(values: Sequence[str], known: Iterable[str], refusal: str) -> frozenset[str]:
    """Names that are offered now. Raises RefusedError with the code otherwise."""
    offered = set(known)
    if not offered.issuperset(values):
        raise RefusedError(refusal)
    return frozenset(values)


def one(values: Sequence[str]) -> str:
    """The single value of a select. Raises RefusedError for anything else, which no client sends."""
    if len(values) != 1:
        raise RefusedError("settings_stale")
    return values[0]
