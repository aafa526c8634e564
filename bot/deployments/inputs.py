"""The inputs of `/generate`: what every kind of input does, and the kinds for texts and numbers.

A value is stored under the backend's keys, as it is sent. An option for sizes stands for two keys, so a
stored size survives any change of `sizes`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bot.deployments.schema import InputSettings
from bot.deployments.schema.field_types import DESCRIPTION_LENGTH, LARGEST, TEXT_LENGTH, is_number
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.forms import NO, YES, FormField, Shape
from bot.domain.runs import InputValue
from bot.domain.text import (
    escape_line,
    sentence_case,
    shorten,
    shown_number,
    strip_invisible,
    typed_integer,
    typed_number,
)

ATTACHMENTS = frozenset({InputKind.IMAGE, InputKind.IMAGES, InputKind.VIDEO, InputKind.AUDIO, InputKind.FILE})
NUMBERS = frozenset({InputKind.INTEGER, InputKind.FLOAT})
_DEFAULT_LENGTH = 30
OptionValue = str | int | float


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """An attachment, with Discord's names. Its type may be missing; `size` is in bytes."""

    url: str
    filename: str
    content_type: str | None
    size: int
    width: int | None = None
    height: int | None = None


# A value as somebody entered it: typed in a command or form, or uploaded.
RawValue = str | int | float | bool | AttachedFile | tuple[AttachedFile, ...]
# Entered values by the names of their options, and values by the backend's keys.
Typed = Mapping[str, RawValue]
Values = Mapping[str, InputValue]
# A choice of a slash-command option: its name and its value. In a string option, the value equals the name,
# because ComfyDeploy's value may be too long or a private URL.
OptionChoice = tuple[str, OptionValue]


class Input(InputSettings):
    """An input of a deployment: its settings, completed from the backend's description by `input_of`.

    `key` is the backend's name for it, `option` its name in Discord. `option_names` are that name, or one per
    attachment (`image1`, `image2`). If the user omits an input, `default` is sent if `send_default` is set.
    Otherwise a seed is drawn at random, and any other input uses the backend's default. `default_values`
    hold the default under `backend_keys`; without a usable default they are empty. `max_count` applies to
    `IMAGES` only.

    `parts` are the two inputs that an option for sizes sets.
    """

    takes_file: ClassVar[bool] = False

    key: str
    option: str
    kind: InputKind
    display_name: str = ""
    description: str = ""
    required: bool = False
    max_count: int = 1
    is_prompt: bool = False
    is_negative_prompt: bool = False
    is_seed: bool = False
    send_default: bool = False
    parts: tuple[Input, ...] = ()
    offered: bool = True
    option_names: tuple[str, ...] = ()
    backend_keys: tuple[str, ...] = ()
    default_values: Mapping[str, InputValue] = {}

    @property
    def varies_in_batch(self) -> bool:
        """Return whether each run of a batch gets a different value, without which all would be identical."""
        return self.is_seed and self.offered and not self.choices

    @property
    def hint(self) -> str:
        """Return the description with the default appended, within Discord's 100 characters."""
        text = self.description or strip_invisible(self.key) or self.option
        default = shorten(self.default_text, _DEFAULT_LENGTH)
        suffix = f" (default {default})" if default else ""
        return shorten(text, DESCRIPTION_LENGTH - len(suffix)) + suffix

    @property
    def default_text(self) -> str:
        """Return what applies if the input is left out, in a line, or an empty text if nothing is known."""
        if self.is_seed and not self.send_default:
            return "random"
        if self.required or self.takes_file:
            return ""
        return strip_invisible(self.show(self.default_values))

    def option_choices(self) -> tuple[OptionChoice, ...]:
        return ()

    def typed(self, layer: Typed) -> Any:
        """Return what somebody entered for this input, as `parse` takes it, or None."""
        return layer.get(self.option)

    def parse(self, raw: Any) -> dict[str, InputValue]:
        """Return an entered value under the backend's keys, empty if it is blank. Raises InputError."""
        if not isinstance(raw, OptionValue):
            raise InputError("input_not_text", option=self.option)
        return self._parsed(raw)

    def _parsed(self, raw: OptionValue) -> dict[str, InputValue]:
        raise NotImplementedError

    def stored(self, values: Values) -> dict[str, InputValue]:
        """Return a stored value as the input takes it now, empty if there is none. Raises InputError."""
        value = values.get(self.key)
        return {} if value is None else self.parse(value)

    def fits(self, values: Values) -> bool:
        """Return whether there is a stored value that the input still takes."""
        try:
            return bool(self.stored(values))
        except InputError:
            return False

    def own(self, values: Values) -> dict[str, InputValue]:
        return {key: values[key] for key in self.backend_keys if key in values}

    def show(self, values: Values) -> str:
        """Return a stored value as somebody types it, or an empty text."""
        value = values.get(self.key)
        return "" if value is None else shown_value(value)

    def field(self, values: Values, raw: Any = None) -> FormField:
        """Return the form's field, which shows what was entered before (`raw`), or else a stored value."""
        return self._field(self._shown(values, raw))

    def _field(self, value: str = "", **changes: Any) -> FormField:
        label = self.display_name or sentence_case(self.option.replace("_", " "))
        is_new = self.description.casefold() != label.casefold()
        usual = {
            "name": self.option,
            "label": label,
            "values": (value,) if value else (),
            "description": shorten(self.description, DESCRIPTION_LENGTH) if is_new else "",
            "placeholder": shorten(self.default_text, DESCRIPTION_LENGTH),
            "required": self.required,
        }
        return FormField(**{**usual, **changes})

    def _shown(self, values: Values, raw: Any) -> str:
        try:
            return self.show(values if raw is None else self.parse(raw))
        except InputError:
            return shown_value(raw)


class TextInput(Input):
    """A free text."""

    def _parsed(self, raw: OptionValue) -> dict[str, InputValue]:
        # PostgreSQL can't store NUL, and lone surrogates can't be encoded in UTF-8.
        text = str(raw).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
        length = len(text)
        if self.max_length is not None and length > self.max_length:  # before any work on the text
            raise InputError("input_too_long", option=self.option, length=length, maximum=self.max_length)
        if self.required and not strip_invisible(text):
            raise InputError("input_required", option=self.option)
        if self.min_length is not None and length < self.min_length:
            raise InputError("input_too_short", option=self.option, length=length, minimum=self.min_length)
        return {self.key: text}

    def field(self, values: Values, raw: Any = None) -> FormField:
        text = self._shown(values, raw)[:TEXT_LENGTH]
        shape = Shape.PARAGRAPH if self.is_prompt else Shape.LINE
        # Keep space for a value that is older than a lowered limit.
        return self._field(text, shape=shape, length=max(len(text), self.max_length or TEXT_LENGTH))


class NumberInput(Input):
    """A number, or a whole number."""

    def _parsed(self, raw: OptionValue) -> dict[str, InputValue]:
        if isinstance(raw, str) and not raw.strip():
            return {}
        value = number(raw, self.kind)
        if value is None:
            code = "input_not_integer" if self.kind is InputKind.INTEGER else "input_not_number"
            raise InputError(code, option=self.option, value=excerpt(raw))
        low = -LARGEST if self.minimum is None else self.minimum
        high = LARGEST if self.maximum is None else self.maximum
        shown = {"option": self.option, "value": shown_number(value)}
        if value < low:
            raise InputError("input_too_small", **shown, minimum=shown_number(low))
        if value > high:
            raise InputError("input_too_large", **shown, maximum=shown_number(high))
        return {self.key: value}


def number(raw: OptionValue, kind: InputKind) -> int | float | None:
    """Return an entered value, or that of a choice, as a number, or None if it isn't one of this kind."""
    if isinstance(raw, str):
        return typed_integer(raw) if kind is InputKind.INTEGER else typed_number(raw)
    if isinstance(raw, bool) or (isinstance(raw, float) and not math.isfinite(raw)):
        return None
    if kind is InputKind.INTEGER:
        return int(raw) if raw == int(raw) else None
    return raw


def shown_value(value: InputValue) -> str:
    """Return a value as people write it: 9 and not 9.0, yes and not True."""
    if isinstance(value, bool):
        return YES if value else NO
    return shown_number(value) if is_number(value) else str(value)


def excerpt(value: OptionValue) -> str:
    return escape_line(shown_value(value), 60)
