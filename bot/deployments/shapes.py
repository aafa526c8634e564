"""Records of what Discord shows for an input: a slash-command option, and a field of a form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OptionValue = str | int | float


class OptionType(StrEnum):
    """The Discord option types that `/generate` uses."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class OptionChoice:
    """A choice of a slash-command option.

    In a string option, `value` equals `name`, because ComfyDeploy's value may be too long or a private URL.
    """

    name: str
    value: OptionValue


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """A slash-command option. `key` is its input's key, or None for an option of the bot (`gpu`, `more`, …).

    `choices` holds at most 25. `autocomplete` is used instead if there are more, or if the list would make
    the command exceed Discord's size limit.
    """

    name: str
    description: str
    type: OptionType
    required: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    choices: tuple[OptionChoice, ...] = ()
    autocomplete: bool = False
    key: str | None = None


class Shape(StrEnum):
    """The components that a form's field can be."""

    LINE = "line"
    PARAGRAPH = "paragraph"
    SELECT = "select"
    RADIO = "radio"
    CHECKBOX = "checkbox"
    FILES = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field of a form. `value` is what it shows, and `limit` the most characters or files that it takes."""

    name: str
    description: str
    shape: Shape = Shape.LINE
    value: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    limit: int = 100
