"""The fields of forms: `bot/ui/forms.py` builds a form of them, `bot/gateway/interactions.py` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

T = TypeVar("T")
# Discord's limits: the fields of a form and buttons of a row, the options of a select, and the roles chosen
# in one.
FORM_LIMIT, SELECT_LIMIT = 5, 25
# The values of a checkbox.
YES, NO = "yes", "no"


class Shape(StrEnum):
    """The components that a field can be."""

    LINE = "line"
    PARAGRAPH = "paragraph"
    SELECT = "select"
    RADIO = "radio"
    CHECKBOX = "checkbox"
    FILES = "files"
    ROLES = "roles"
    CHANNEL = "channel"


class Option(NamedTuple):
    """Something to choose in a field: the value that it submits, its label, and what explains it."""

    value: str
    label: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field of a form. `name` is its custom_id.

    `values` are what it shows: its text, what is chosen in it, or the value of the checkbox. An empty text or
    select shows `placeholder`. It takes at most `length` characters, and `most` files or choices.
    """

    name: str
    label: str
    description: str = ""
    shape: Shape = Shape.LINE
    values: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    placeholder: str = ""
    required: bool = False
    length: int = 100
    most: int = 1

    @property
    def value(self) -> str:
        """Return the text, the only choice, or the value of the checkbox."""
        return "".join(self.values)


def batches(items: Sequence[T], size: int = SELECT_LIMIT) -> list[tuple[T, ...]]:
    """Split what doesn't fit into one select, or into one row or form with its limit as `size`."""
    return [tuple(items[n : n + size]) for n in range(0, len(items), size)]
