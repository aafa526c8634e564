"""Turn pydantic's errors about configuration into sentences for the operator.

A sentence names the place, as in `deployments.flux.inputs.steps.min: must be at least 1`, and never quotes a
value, which may be a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from pydantic import AfterValidator, ValidationError

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


def that(test: Callable[[Any], object], otherwise: str) -> AfterValidator:
    """Return a validator that refuses a value for which the test is false, with a message."""

    def check(value: Any) -> Any:
        if not test(value):
            raise ValueError(otherwise)
        return value

    return AfterValidator(check)


def mistakes(error: ValidationError, at: str = "", known: Collection[str] = ()) -> Iterator[str]:
    """Yield a sentence for each mistake. A validator reports several with one ValueError, one per line.

    `at` is the path of what was validated, and `known` are the names that can be meant by an unknown one.
    """
    for found in error.errors(include_url=False, include_input=False):
        path = _path(at, found["loc"])
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
        yield from (f"{path}: {line}" if path else line for line in text.splitlines())


def _path(at: str, location: tuple[int | str, ...]) -> str:
    """Join the parts of a path; entries of lists count from 1, as in `gpus[2]`."""
    for part in location:
        at += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if at else part
    return at
