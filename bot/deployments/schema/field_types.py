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

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationError

from bot.domain.runs import InputValue

NAME_LENGTH = 32
DESCRIPTION_LENGTH = 100
# The names of the bot's own options.
MORE, GPU, COUNT, PRESET, PRIVATE = "more", "gpu", "count", "preset", "private"
RESERVED = frozenset({MORE, GPU, COUNT, PRESET, PRIVATE})
# Discord's pattern allows letters, numbers, `-`, `_`, and the Thai and Devanagari combining marks. The ranges
# are the same as in discord.py.
_THAI = "\u0e31-\u0e3a\u0e47-\u0e4e"
_DEVANAGARI = "\u0900-\u0903\u093a-\u093c\u093e\u093f\u0940-\u094f\u0955-\u0957\u0962\u0963"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
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


def slug(text: str, fallback: str = "input") -> str:
    """Convert `text` to a name that Discord accepts: lower case, words joined by `_`, 1 to 32 characters."""
    # Cut first: NFKC can expand one character into 18.
    lowered = unicodedata.normalize("NFKC", text[: NAME_LENGTH * 8]).lower()
    return _REFUSED.sub("_", lowered).strip("_")[:NAME_LENGTH].strip("_") or fallback


def unique(name: str, taken: Collection[str], *, room: int = 0) -> str:
    """Return `name`, numbered if it is taken, leaving room for `room` more characters."""
    length = NAME_LENGTH - room
    candidate, number = name[:length], 2
    while candidate in taken:
        ending = f"_{number}"
        candidate, number = name[: length - len(ending)] + ending, number + 1
    return candidate


def one_line(text: str) -> str:
    """Join the lines of a description. If the text is invisible, return an empty string instead, because
    Discord might refuse invisible text.
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if any(char.isprintable() and not char.isspace() for char in line) else ""


# Emoji that are used alone or before U+FE0F: those of the Basic Multilingual Plane, then those beyond it.
_PICTOGRAPH = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623"
    "\u2626\u262a\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653\u265f\u2660\u2663\u2665\u2666\u2668\u267b\u267e"
    "\u267f\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5\u26c8\u26ce"
    "\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705\u2708-\u270d\u270f\u2712\u2714"
    "\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763\u2764\u2795-\u2797\u27a1"
    "\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb"
    "\U0001f90c-\U0001f9ff\U0001fa70-\U0001faff]"
)
_PART = f"{_PICTOGRAPH}\ufe0f?[\U0001f3fb-\U0001f3ff]?"
_EMOJI = re.compile(f"{_PART}(?:\u200d{_PART}){{0,4}}|[\U0001f1e6-\U0001f1ff]{{2}}")

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
# One bad emoji makes Discord refuse the whole message. Custom emoji can be deleted at any time.
Emoji = Annotated[str, that(_EMOJI.fullmatch, "must be a single Unicode emoji, such as 🔍")]
# Discord's limit for the name of a message command.
Label = Annotated[
    str,
    Field(min_length=1, max_length=32),
    that(lambda value: one_line(value) == value, "must be one line of visible text"),
]
Key = Annotated[str, Field(min_length=1, max_length=100)]
Value = Annotated[InputValue, PlainValidator(_value)]
Number = Annotated[int | float, PlainValidator(_limit)]
# A custom_id of /settings has room for 50 characters.
Gpu = Annotated[str, Field(min_length=1, max_length=50)]
Length = Annotated[int, Field(ge=0, le=6000)]

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
_EMPTY = re.compile(r"have at least 1 (characters|entries)")


def mistakes(error: ValidationError, at: str = "", known: Collection[str] = ()) -> Iterator[str]:
    """Yield a sentence for each mistake, such as `deployments.flux.inputs.steps.min: must be at least 1`.

    No sentence quotes a value, which may be a secret. A validator reports several mistakes with one
    ValueError, one per line. `at` is the path of what was validated, and `known` are the names that can be
    meant by an unknown one.
    """
    for found in error.errors(include_url=False, include_input=False):
        path = at
        for part in found["loc"]:  # entries of lists count from 1, as in `gpus[2]`
            path += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if path else part
        if found["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(found["loc"][-1]), known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield f"{path}: is not a setting{hint}"
            continue
        values = {name: str(value) for name, value in found.get("ctx", {}).items()}
        if "expected" in values:
            values["expected"] = values["expected"].replace(" or ", ", ").replace("'", "")
        text = _MESSAGES.get(found["type"], found["msg"]).format_map(values)
        text = _EMPTY.sub("not be empty", text)
        for line in text.splitlines():
            yield path + line if line.startswith(".") else f"{path}: {line}" if path else line
