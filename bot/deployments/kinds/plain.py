"""The kinds of inputs for texts, numbers and files."""

from __future__ import annotations

import math
import re
from typing import Any

from bot.deployments.files import AttachedFile, check_file
from bot.deployments.kinds.base import (
    TEXT_LENGTH,
    FormField,
    Input,
    OptionValue,
    RawValue,
    Shape,
    Typed,
    Values,
    excerpt,
)
from bot.deployments.schema.field_types import LARGEST
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.domain.text import strip_invisible
from bot.domain.text.numbers import FLOAT, NUMBER_LENGTH, shown_number, typed_integer, typed_number
from bot.strings import say

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}(\.0*)?", re.ASCII)


class TextInput(Input):
    """A free text."""

    def _blank(self, raw: str) -> dict[str, InputValue]:
        return {self.key: self._value(raw)}

    def _value(self, raw: OptionValue) -> str:
        # PostgreSQL can't store NUL, and lone surrogates can't be encoded in UTF-8.
        text = str(raw).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
        length = len(text)
        if self.max_length is not None and length > self.max_length:  # before any work on the text
            raise InputError("input_too_long", option=self.option, length=length, maximum=self.max_length)
        if self.required and not strip_invisible(text):
            raise InputError("input_required", option=self.option)
        if self.min_length is not None and length < self.min_length:
            raise InputError("input_too_short", option=self.option, length=length, minimum=self.min_length)
        return text

    def field(self, values: Values, raw: Any = None, *, gone: bool = False) -> FormField:
        text = self._shown(values, raw)
        shape, limit = Shape.PARAGRAPH if self.is_prompt else Shape.LINE, self.max_length or TEXT_LENGTH
        if len(text) > TEXT_LENGTH and self.takes(text):
            about = say("edit_long_text")
            return self._field(shape=shape, description=about, required=False, limit=min(limit, TEXT_LENGTH))
        text = text[:TEXT_LENGTH]
        # Keep space for a value that is older than a lowered limit.
        return self._field(shape=shape, value=text, limit=max(len(text), min(limit, TEXT_LENGTH)))


class IntegerInput(Input):
    """A whole number."""

    def _value(self, raw: OptionValue) -> int | float:
        value = self._number(raw)
        low = -LARGEST if self.minimum is None else self.minimum
        high = LARGEST if self.maximum is None else self.maximum
        if value < low:
            raise InputError("input_too_small", option=self.option, value=shown_number(value), minimum=low)
        if value > high:
            raise InputError("input_too_large", option=self.option, value=shown_number(value), maximum=high)
        return value

    def _number(self, raw: OptionValue) -> int | float:
        if isinstance(raw, float) and math.isfinite(raw) and raw == int(raw):
            raw = int(raw)
        if isinstance(raw, int) and not isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and (found := typed_integer(raw)) is not None:
            return found
        raise InputError("input_not_integer", option=self.option, value=excerpt(raw))


class FloatInput(IntegerInput):
    """A number."""

    def _number(self, raw: OptionValue) -> int | float:
        if isinstance(raw, str) and (found := typed_number(raw)) is not None:
            raw = found
        if isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
            return raw
        raise InputError("input_not_number", option=self.option, value=excerpt(raw))


class FilesInput(Input):
    """One or several files, stored as links."""

    def typed(self, layer: Typed) -> list[tuple[str, RawValue]] | None:
        """Return the files with the names of their options, in order."""
        found: list[tuple[str, RawValue]] = []
        for name in self.option_names:
            given = layer.get(name)
            if given is not None:
                found += [(name, each) for each in (given if isinstance(given, tuple) else (given,))]
        return found or None

    def parse(self, raw: list[tuple[str, RawValue]]) -> dict[str, InputValue]:
        urls = []
        for name, file in raw:
            if not isinstance(file, AttachedFile):
                raise InputError("input_not_a_file", option=name)
            urls.append(check_file(self.kind, name, file))
        return self._links(urls)

    def stored(self, values: Values) -> dict[str, InputValue]:
        return self._links(links_of(values.get(self.key))[: self.max_count])

    def show(self, values: Values) -> str:
        return " ".join(links_of(values.get(self.key)))

    def field(self, values: Values, raw: Any = None, *, gone: bool = False) -> FormField:
        has_file = (bool(raw) or self.key in values) and not gone
        changes: dict[str, Any] = {"description": say("edit_file_deleted")} if gone else {}
        if has_file:
            changes = {"description": say("edit_keep_file")}
        return self._field(
            name=self.option_names[0],
            shape=Shape.FILES,
            required=gone or (self.required and not has_file),
            limit=min(self.max_count, 10) if self.kind is InputKind.IMAGES else 1,
            **changes,
        )

    def _links(self, urls: list[str]) -> dict[str, InputValue]:
        # An `IMAGES` input takes a list even for one picture.
        if not urls:
            return {}
        return {self.key: urls if self.kind is InputKind.IMAGES else urls[0]}


def links_of(value: InputValue | None) -> list[str]:
    """Return the links that an input for files holds."""
    return value if isinstance(value, list) else [] if value is None else [str(value)]


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
