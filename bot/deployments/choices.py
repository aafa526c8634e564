"""The kinds of inputs that offer something to choose, and the class for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bot.deployments.files import FilesInput
from bot.deployments.inputs import (
    ATTACHMENTS,
    NUMBERS,
    FloatInput,
    Input,
    IntegerInput,
    OptionChoice,
    OptionValue,
    TextInput,
    Values,
    excerpt,
)
from bot.deployments.schema import CHOICES, Choice
from bot.deployments.schema.field_types import LARGEST
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.forms import NO, YES, FormField, Option, Shape
from bot.domain.runs import InputValue
from bot.domain.text import sentence_case, shorten
from bot.domain.text.numbers import typed_integer, typed_number
from bot.strings import say

# Each radio button is a line of the form, so longer lists are selects. Discord takes 2 to 10.
_RADIO_BUTTONS = 5
_SHOWN_CHOICES = 10
# The shapes that people know, as portraits. A size that rounds a shape's sides for the model still has that
# shape.
_SHAPES = ((1, 1), (2, 3), (3, 4), (4, 5), (9, 16), (1, 2), (9, 21))
_SAME_SHAPE = 0.03
_SIZE_NAME = 50
_GONE_LENGTH = 50
_YES = frozenset({YES, "y", "true", "on", "1"})
_NO = frozenset({NO, "n", "false", "off", "0"})


class _ChoosingInput(Input):
    """A kind whose form shows all that can be chosen."""

    def names(self, values: Values) -> tuple[str, ...]:
        """Return the names to choose from in a form that shows these values."""
        return tuple(choice.name for choice in self.choices)

    def field(self, values: Values, raw: Any = None, *, gone: bool = False) -> FormField:
        if not values and not self.required and not self.is_seed:
            # Preselect the default: a checkbox, which is on or off, could otherwise show another value.
            values = self.default_values
        shown, names = self._shown(values, raw), self.names(values)
        shape = self._shape(names, shown)
        options = tuple(Option(name, self.labels.get(name, name)) for name in names)
        if shape is not Shape.LINE and shown not in ("", *names):
            gone_now = say("edit_gone", value=shorten(shown, _GONE_LENGTH))
            return self._field(shape=shape, options=options, description=gone_now)
        return self._field(shown, shape=shape, options=options)

    @property
    def labels(self) -> Mapping[str, str]:
        """Return what a form or a list shows in place of some names."""
        return {}

    def _shape(self, names: tuple[str, ...], shown: str) -> Shape:
        # A select can be cleared, a group of radio buttons can't.
        must_choose = self.required or (bool(self.default_values) and shown in names)
        if must_choose and 2 <= len(names) <= _RADIO_BUTTONS:
            return Shape.RADIO
        return Shape.SELECT if len(names) <= CHOICES else Shape.LINE


class BooleanInput(_ChoosingInput):
    """Yes or no."""

    def _value(self, raw: OptionValue) -> bool:
        word = str(raw).strip().lower()
        if word in _YES or word in _NO:
            return word in _YES
        raise InputError("input_not_boolean", option=self.option, value=excerpt(raw))

    def show(self, values: Values) -> str:
        value = values.get(self.key)
        return (YES if value else NO) if isinstance(value, bool) else super().show(values)

    def names(self, values: Values) -> tuple[str, ...]:
        return YES, NO

    def _shape(self, names: tuple[str, ...], shown: str) -> Shape:
        return Shape.CHECKBOX if shown in names else super()._shape(names, shown)


class ChoiceInput(_ChoosingInput):
    """A choice among named texts or numbers."""

    def parse(self, raw: Any) -> dict[str, InputValue]:
        if not isinstance(raw, OptionValue):
            return super().parse(raw)
        choice = find_choice(self.choices, raw)
        if choice is not None:
            return self._chosen(choice)
        if isinstance(raw, str) and not raw.strip():
            return {}
        names = ", ".join(each.name for each in self.choices[:_SHOWN_CHOICES])
        if len(self.choices) > _SHOWN_CHOICES:
            names += ", …"
        raise InputError("input_choice", option=self.option, value=excerpt(raw), choices=names)

    def stored(self, values: Values) -> dict[str, InputValue]:
        choice = self._of_value(values)
        return self._chosen(choice) if choice is not None else super().stored(values)

    def show(self, values: Values) -> str:
        choice = self._of_value(values)
        return choice.name if choice is not None else super().show(values)

    def option_choices(self) -> tuple[OptionChoice, ...]:
        """Return all choices: numbers as numbers, everything else by name."""
        is_number, labels = self.kind in NUMBERS, self.labels
        found = (
            (each.name, number(each.value, self.kind) if is_number else each.name) for each in self.choices
        )
        return tuple(
            OptionChoice(labels.get(name, name), value) for name, value in found if value is not None
        )

    def _chosen(self, choice: Choice) -> dict[str, InputValue]:
        value = number(choice.value, self.kind) if self.kind in NUMBERS else None
        return {self.key: choice.value if value is None else value}

    def _of_value(self, values: Values) -> Choice | None:
        """Return the choice of a stored value. Its value counts before the name of another choice."""
        value = values.get(self.key)
        if value is None or isinstance(value, list):
            return None
        text = super().show(values)
        same = (each for each in self.choices if each.value == text)
        return next(same, None) or find_choice(self.choices, value)


class GpuInput(ChoiceInput):
    """The bot's own option for the GPU. `weights` say what a second on one counts."""

    weights: Mapping[str, float] = {}

    @property
    def labels(self) -> Mapping[str, str]:
        found = {each.name: self.weights.get(each.name, 1) for each in self.choices}
        return {gpu: say("gpu_weight", gpu=gpu, weight=f"{w:g}") for gpu, w in found.items() if w != 1}

    def _shape(self, names: tuple[str, ...], shown: str) -> Shape:
        return Shape.SELECT if len(names) <= CHOICES else Shape.LINE


class Size(NamedTuple):
    """A width and a height that one option sets; None is a value that only the backend knows."""

    width: int | float | None
    height: int | float | None

    def __str__(self) -> str:
        return " × ".join("?" if value is None else f"{value:.15g}" for value in self)


class SizeInput(ChoiceInput):
    """A width and a height, chosen by one name and stored as two inputs, which are its `parts`.

    Only the bot knows this input. `sizes` are the values of its choices.
    """

    default_size: Size | None = None
    sizes: tuple[Size, ...] = ()

    @property
    def backend_keys(self) -> tuple[str, ...]:
        return tuple(part.key for part in self.parts)

    @property
    def default_values(self) -> dict[str, InputValue]:
        return self._sides(self.default_size) if self.default_size is not None else {}

    def stored(self, values: Values) -> dict[str, InputValue]:
        """Return the two sides, which need not be among the choices, but within the limits of the inputs."""
        found: dict[str, InputValue] = {}
        for part in self.parts:
            if part.key in values:
                found |= part.stored({part.key: str(values[part.key])})
        defaults = {key: value for part in self.parts for key, value in part.default_values.items()}
        return {**defaults, **found} if found else {}

    def show(self, values: Values) -> str:
        try:
            sides = self.stored(values)
        except InputError:  # beyond today's limits, or no numbers
            sides = {key: value for key, value in values.items() if key in self.backend_keys}
        if not sides:
            return ""
        numbers = [
            number(str(sides[part.key]), part.kind) if part.key in sides else None for part in self.parts
        ]
        size = Size(*numbers)
        names = (name for name, each in zip(self.choices, self.sizes, strict=True) if each == size)
        choice = next(names, None)
        return choice.name if choice is not None else str(size)

    @property
    def labels(self) -> Mapping[str, str]:
        return {
            each.name: _size_label(each.name, size)
            for each, size in zip(self.choices, self.sizes, strict=True)
        }

    def names(self, values: Values) -> tuple[str, ...]:
        names, shown = super().names(values), self.show(values)
        is_other = shown not in ("", *names) and self.fits(values)
        return (*names, shown) if is_other else names

    def _chosen(self, choice: Choice) -> dict[str, InputValue]:
        return self._sides(self.sizes[self.choices.index(choice)])

    def _sides(self, size: Size) -> dict[str, InputValue]:
        return {part.key: side for part, side in zip(self.parts, size, strict=True) if side is not None}


def _size_label(name: str, size: Size) -> str:
    """Return a size's name with its shape and sides, such as "Portrait 2:3 · 832 × 1216"."""
    wide, high = float(size.width or 1), float(size.height or 1)
    shapes = [*_SHAPES, *((w, h) for h, w in _SHAPES)]
    known = [f" {w}:{h}" for w, h in shapes if abs(wide * h / (high * w) - 1) <= _SAME_SHAPE]
    shape = known[0] if known and ":" not in name else ""
    return f"{shorten(sentence_case(name), _SIZE_NAME)}{shape} · {size}"


def find_choice(choices: tuple[Choice, ...], value: OptionValue) -> Choice | None:
    """Return the choice whose name or value matches, or None. Exact matches take precedence over matches in
    any case, and these over equal numbers (`512.0` is `512`).
    """
    text = f"{value:.15g}" if isinstance(value, float) else str(value).strip()
    folded, as_number = text.casefold(), typed_number(text)
    tests = (
        lambda choice: choice.name == text,
        lambda choice: choice.value == text,
        lambda choice: folded in (choice.name.casefold(), choice.value.casefold()),
        lambda choice: as_number is not None and typed_number(choice.value) == as_number,
    )
    return next((choice for test in tests for choice in choices if test(choice)), None)


def number(text: str, kind: InputKind) -> int | float | None:
    """Return the number that a text, such as the value of a choice, represents.

    Return None if the text isn't a number of this kind, or the number is out of Discord's range.
    """
    found = typed_integer(text) if kind is InputKind.INTEGER else typed_number(text)
    return found if found is not None and abs(found) <= LARGEST else None


_BY_KIND: Mapping[InputKind, type[Input]] = {
    InputKind.INTEGER: IntegerInput,
    InputKind.FLOAT: FloatInput,
    InputKind.BOOLEAN: BooleanInput,
    **dict.fromkeys(ATTACHMENTS, FilesInput),
}


def input_of(**fields: Any) -> Input:
    """Return an input with these fields, which aren't validated, of the class for its kind."""
    if fields.get("parts"):
        return SizeInput.model_construct(**fields)
    kind = ChoiceInput if fields.get("choices") else _BY_KIND.get(fields["kind"], TextInput)
    return kind.model_construct(**fields)
