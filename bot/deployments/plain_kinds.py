"""The kinds of inputs for texts, numbers and files; `kinds.py` has those with choices.

Each kind offers an option and a form's field, and reads and shows values.

A value is stored under the backend's keys, as it is sent. An option for sizes stands for two keys, so a
stored size survives any change of `sizes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from bot.deployments.files import AttachedFile, check_file
from bot.deployments.model import ATTACHMENTS, Input, Size
from bot.deployments.naming import DESCRIPTION_LENGTH, one_line
from bot.deployments.schema.field_types import LARGEST
from bot.deployments.shapes import FormField, OptionSpec, OptionType, OptionValue, Shape
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.domain.text import escape_line, shorten, strip_invisible
from bot.domain.text.numbers import FLOAT, NUMBER_LENGTH, shown_number, typed_integer, typed_number
from bot.strings import say

# Discord's limits: choices of an option or a select, and characters of a text input.
CHOICES = 25
TEXT_LENGTH = 4000
_DEFAULT_LENGTH = 30
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}(\.0*)?", re.ASCII)
# A value as somebody entered it: typed in a command or form, or uploaded.
RawValue = str | int | float | bool | AttachedFile | tuple[AttachedFile, ...]
# Entered values by the names of their options, and values by the backend's keys.
Typed = Mapping[str, RawValue]
Values = Mapping[str, InputValue]


class Kind:
    """What an input does. Subclasses are the kinds of inputs."""

    TYPE = OptionType.STRING

    def __init__(self, item: Input) -> None:
        self.item = item

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the backend's keys."""
        return (self.item.key,)

    @property
    def default(self) -> dict[str, InputValue]:
        """Return the default under the backend's keys, empty without one."""
        value = self.item.default
        return {} if value is None or isinstance(value, Size) else {self.item.key: value}

    @property
    def description(self) -> str:
        """Return the description with the default appended, within Discord's 100 characters."""
        item, suffix = self.item, ""
        text = one_line(item.description) or one_line(item.key) or item.option
        if item.is_seed and not item.send_default:
            suffix = " " + say("option_default_random")
        elif not item.required and item.default not in (None, "") and item.kind not in ATTACHMENTS:
            shown = shorten(one_line(self.show(self.default)), _DEFAULT_LENGTH)
            suffix = " " + say("option_default", value=shown)
        return shorten(text, DESCRIPTION_LENGTH - len(suffix)) + suffix

    def typed(self, layer: Typed) -> Any:
        """Return what somebody entered for this input, as `parse` takes it, or None."""
        return layer.get(self.item.option)

    def parse(self, raw: Any) -> dict[str, InputValue]:
        """Return an entered value under the backend's keys, empty if it is blank.

        Raises InputError, which names the option.
        """
        if isinstance(raw, AttachedFile | tuple | list):
            raise InputError("input_not_text", option=self.item.option)
        if isinstance(raw, str) and not raw.strip():
            return self._blank(raw)
        return {self.item.key: self._value(raw)}

    def takes(self, raw: Any) -> bool:
        """Return whether `parse` accepts an entered value."""
        try:
            self.parse(raw)
        except InputError:
            return False
        return True

    def fits(self, values: Values) -> bool:
        """Return whether there is a stored value that the input still takes."""
        try:
            return bool(self.stored(values))
        except InputError:
            return False

    def stored(self, values: Values) -> dict[str, InputValue]:
        """Return a stored value as the input takes it now, empty if there is none. Raises InputError."""
        value = values.get(self.item.key)
        return {} if value is None else self.parse(value)

    def show(self, values: Values) -> str:
        """Return a stored value as somebody types it, or an empty text."""
        value = values.get(self.item.key)
        if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
            value = int(value)
        return "" if value is None else str(value)

    def option(self, name: str, *, required: bool) -> OptionSpec:
        """Return the slash-command option with this name."""
        return OptionSpec(
            name=name,
            description=self.description,
            type=self.TYPE,
            required=required,
            key=self.item.key,
            **self._limits(),
        )

    def field(self, values: Values, raw: Any = None, *, gone: bool = False) -> FormField:
        """Return the form's field, which shows what was entered before (`raw`), or else a stored value.

        If `gone`, the stored file was deleted, so the form asks for another.
        """
        return self._field(value=self._shown(values, raw))

    def _field(self, **changes: Any) -> FormField:
        item = self.item
        usual = {"name": item.option, "description": self.description, "required": item.required}
        return FormField(**{**usual, **changes})

    def _value(self, raw: OptionValue) -> InputValue:
        raise NotImplementedError

    def _blank(self, raw: str) -> dict[str, InputValue]:
        return {}

    def _limits(self) -> dict[str, Any]:
        return {}

    def _shown(self, values: Values, raw: Any) -> str:
        if raw is None:
            return self.show(values)
        try:
            return self.show(self.parse(raw))
        except InputError:
            return str(raw)


class TextKind(Kind):
    """A free text."""

    def _blank(self, raw: str) -> dict[str, InputValue]:
        return {self.item.key: self._value(raw)}

    def _value(self, raw: OptionValue) -> str:
        item = self.item
        # PostgreSQL can't store NUL, and lone surrogates can't be encoded in UTF-8.
        text = str(raw).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
        length = len(text)
        if item.max_length is not None and length > item.max_length:  # before any work on the text
            raise InputError("input_too_long", option=item.option, length=length, maximum=item.max_length)
        if item.required and not strip_invisible(text):
            raise InputError("input_required", option=item.option)
        if item.min_length is not None and length < item.min_length:
            raise InputError("input_too_short", option=item.option, length=length, minimum=item.min_length)
        return text

    def field(self, values: Values, raw: Any = None, *, gone: bool = False) -> FormField:
        item, text = self.item, self._shown(values, raw)
        shape, limit = Shape.PARAGRAPH if item.is_prompt else Shape.LINE, item.max_length or TEXT_LENGTH
        if len(text) > TEXT_LENGTH and self.takes(text):
            about = say("edit_long_text")
            return self._field(shape=shape, description=about, required=False, limit=min(limit, TEXT_LENGTH))
        text = text[:TEXT_LENGTH]
        # Keep space for a value that is older than a lowered limit.
        return self._field(shape=shape, value=text, limit=max(len(text), min(limit, TEXT_LENGTH)))

    def _limits(self) -> dict[str, Any]:
        return {"min_length": self.item.min_length, "max_length": self.item.max_length}


class IntegerKind(Kind):
    """A whole number."""

    TYPE = OptionType.INTEGER

    def _value(self, raw: OptionValue) -> int | float:
        item, value = self.item, self._number(raw)
        low = -LARGEST if item.minimum is None else item.minimum
        high = LARGEST if item.maximum is None else item.maximum
        if value < low:
            raise InputError("input_too_small", option=item.option, value=shown_number(value), minimum=low)
        if value > high:
            raise InputError("input_too_large", option=item.option, value=shown_number(value), maximum=high)
        return value

    def _number(self, raw: OptionValue) -> int | float:
        if isinstance(raw, float) and math.isfinite(raw) and raw == int(raw):
            raw = int(raw)
        if isinstance(raw, int) and not isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and (found := typed_integer(raw)) is not None:
            return found
        raise InputError("input_not_integer", option=self.item.option, value=excerpt(raw))

    def _limits(self) -> dict[str, Any]:
        return {"minimum": self.item.minimum, "maximum": self.item.maximum}


class FloatKind(IntegerKind):
    """A number."""

    TYPE = OptionType.NUMBER

    def _number(self, raw: OptionValue) -> int | float:
        if isinstance(raw, str) and (found := typed_number(raw)) is not None:
            raw = found
        if isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
            return raw
        raise InputError("input_not_number", option=self.item.option, value=excerpt(raw))


class FilesKind(Kind):
    """One or several files, stored as links."""

    TYPE = OptionType.ATTACHMENT

    def typed(self, layer: Typed) -> list[tuple[str, RawValue]] | None:
        """Return the files with the names of their options, in order."""
        found: list[tuple[str, RawValue]] = []
        for name in self.item.option_names:
            given = layer.get(name)
            if given is not None:
                found += [(name, each) for each in (given if isinstance(given, tuple) else (given,))]
        return found or None

    def parse(self, raw: list[tuple[str, RawValue]]) -> dict[str, InputValue]:
        urls = []
        for name, file in raw:
            if not isinstance(file, AttachedFile):
                raise InputError("input_not_a_file", option=name)
            urls.append(check_file(self.item.kind, name, file))
        return self._links(urls)

    def stored(self, values: Values) -> dict[str, InputValue]:
        return self._links(links_of(values.get(self.item.key))[: self.item.max_count])

    def show(self, values: Values) -> str:
        return " ".join(links_of(values.get(self.item.key)))

    def field(self, values: Values, raw: Any = None, *, gone: bool = False) -> FormField:
        item = self.item
        has_file = (bool(raw) or item.key in values) and not gone
        changes: dict[str, Any] = {"description": say("edit_file_deleted")} if gone else {}
        if has_file:
            changes = {"description": say("edit_keep_file")}
        return self._field(
            name=item.option_names[0],
            shape=Shape.FILES,
            required=gone or (item.required and not has_file),
            limit=min(item.max_count, 10) if item.kind is InputKind.IMAGES else 1,
            **changes,
        )

    def _links(self, urls: list[str]) -> dict[str, InputValue]:
        # An `IMAGES` input takes a list even for one picture.
        if not urls:
            return {}
        return {self.item.key: urls if self.item.kind is InputKind.IMAGES else urls[0]}


def links_of(value: InputValue | None) -> list[str]:
    """Return the links that an input for files holds."""
    return value if isinstance(value, list) else [] if value is None else [str(value)]


def excerpt(value: OptionValue) -> str:
    return escape_line(str(value), 60)


def number(text: str, kind: InputKind) -> int | float | None:
    """Return the number that a text, such as the value of a choice, represents.

    Return None if the text isn't a number, the number is out of Discord's range, or `kind` is INTEGER and the
    number has a fraction.
    """
    # Python also parses `1_0` and `nan`, which users would not recognize among the choices.
    form = _INTEGER if kind is InputKind.INTEGER else FLOAT
    if len(text) > NUMBER_LENGTH or not form.fullmatch(text):
        return None
    value = int(text.partition(".")[0]) if kind is InputKind.INTEGER else float(text)
    return value if -LARGEST <= value <= LARGEST else None
