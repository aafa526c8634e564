"""Names as Discord takes them, pydantic types for single values, and sentences about mistakes.

The error messages of types are written to follow the setting's name, as in "must be a finite number".
"""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, TypeGuard
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StrictInt, ValidationError

from bot.domain.runs import InputValue
from bot.domain.text import strip_invisible

NAME_LENGTH = 32
DESCRIPTION_LENGTH = 100
# Discord's limit for a text in a form. Options take longer ones, which no form could show again.
TEXT_LENGTH = 4000
# The names of the bot's own options.
MORE, GPU, COUNT, PRESET, PRIVATE = "more", "gpu", "count", "preset", "private"
RESERVED = frozenset({MORE, GPU, COUNT, PRESET, PRIVATE})
# Discord's pattern allows letters, numbers, `-`, `_`, and the Thai and Devanagari combining marks. The ranges
# are the same as in discord.py.
_THAI = "\u0e31-\u0e3a\u0e47-\u0e4e"
_DEVANAGARI = "\u0900-\u0903\u093a-\u093c\u093e\u093f\u0940-\u094f\u0955-\u0957\u0962\u0963"
_REFUSED = re.compile(rf"[^-_\w{_THAI}{_DEVANAGARI}]+")
# Discord's clients lose precision above this.
LARGEST = 2**53 - 1
_MAX_UNSIGNED_64 = 2**64  # the limit of ComfyUI's nodes


def that(test: Callable[[Any], object], otherwise: str) -> AfterValidator:
    """Return a validator that refuses a value for which the test is false, with a message."""

    def check(value: Any) -> Any:
        if not test(value):
            raise ValueError(otherwise)
        return value

    return AfterValidator(check)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number and not a boolean, which Python counts as one."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    if isinstance(value, int) and abs(value) >= _MAX_UNSIGNED_64:
        raise ValueError("must be a number of at most 64 bits")
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return value
    elif isinstance(value, str | int | float):
        return value
    raise ValueError("must be text, a number, true, false or a list of texts")


def _uuid(value: object) -> str:
    try:
        return str(UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError("must be a UUID like 98244b49-9b56-46b8-83c8-334f27412095") from None


def _limit(value: object) -> int | float:
    if is_number(value) and -LARGEST <= value <= LARGEST:
        return value
    raise ValueError(f"must be a number between -{LARGEST} and {LARGEST}")


def slug(text: str) -> str:
    """Convert `text` to a name that Discord accepts: lower case, words joined by `_`, 1 to 32 characters."""
    # Cut first: NFKC can expand one character into 18.
    lowered = unicodedata.normalize("NFKC", text[: NAME_LENGTH * 8]).lower()
    return _REFUSED.sub("_", lowered).strip("_")[:NAME_LENGTH].strip("_") or "input"


# Names aren't converted, because operators would not find the converted names in their file.
Name = Annotated[
    str,
    that(
        lambda name: 0 < len(name) <= NAME_LENGTH and name == name.lower() and not _REFUSED.search(name),
        f"must have 1 to {NAME_LENGTH} letters in lower case, digits, '-' and '_'",
    ),
]
OptionName = Annotated[
    Name, that(lambda value: value not in RESERVED, "is an option of the bot's own; choose another name")
]
Uuid = Annotated[str, BeforeValidator(_uuid)]
# Discord's limit for the name of a message command.
Label = Annotated[
    str,
    Field(min_length=1, max_length=32),
    that(lambda value: strip_invisible(value) == value, "must be one line of visible text"),
]
Key = Annotated[str, Field(min_length=1, max_length=100)]
Value = Annotated[InputValue, PlainValidator(_value)]
Number = Annotated[int | float, PlainValidator(_limit)]
# A custom_id of /settings has room for 50 characters.
Gpu = Annotated[str, Field(min_length=1, max_length=50)]
Length = Annotated[StrictInt, Field(ge=0, le=TEXT_LENGTH)]

_MESSAGES: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "value_error": "{error}",
}
_ORDINALS = dict(enumerate(("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")))
_EMPTY = re.compile(r"have at least 1 (characters|entries)")


def mistakes(error: ValidationError, known: Collection[str] = ()) -> Iterator[str]:
    """Yield a sentence for each mistake, such as `deployments.flux.inputs.steps.min: must be at least 1`.

    The sentence ends with the place in a list, as in `ROLES: must be one of gateway, web (the second)`. It
    never quotes a value, which may be a secret. A validator reports several mistakes with one ValueError, one
    per line. `known` are the names that can be meant by an unknown one.
    """
    for found in error.errors(include_url=False, include_input=False):
        path = ".".join(part for part in found["loc"] if isinstance(part, str))
        places = [part for part in reversed(found["loc"]) if isinstance(part, int)]
        entries = " of the ".join(_ORDINALS.get(place, f"entry {place + 1}") for place in places)
        inside = "in " if places and found["loc"][-1] != places[0] else ""
        which = f" ({inside}the {entries})" if places else ""
        if found["type"] == "extra_forbidden":
            name = str(found["loc"][-1])  # which may be known in another table
            near = difflib.get_close_matches(name, [each for each in known if each != name], n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield f"{path}: is not a setting{which}{hint}"
            continue
        values = {name: str(value) for name, value in found.get("ctx", {}).items()}
        if "expected" in values:
            values["expected"] = values["expected"].replace(" or ", ", ").replace("'", "")
        text = _MESSAGES.get(found["type"], found["msg"]).format_map(values)
        text = _EMPTY.sub("not be empty", text)
        for line in text.splitlines():
            yield (path + line if line.startswith(".") else f"{path}: {line}" if path else line) + which
