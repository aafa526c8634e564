"""Inputs with choices, and the class for each kind of input."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

from bot.deployments.files import FilesInput
from bot.deployments.inputs import (
    ATTACHMENTS,
    NUMBERS,
    Input,
    NumberInput,
    OptionChoice,
    OptionValue,
    TextInput,
    Values,
    excerpt,
    number,
    shown_value,
)
from bot.deployments.schema import CHOICES, Choice
from bot.deployments.schema.field_types import GPU
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.forms import NO, YES, FormField, Option, Shape
from bot.domain.runs import InputValue
from bot.domain.text import listed, sentence_case, shorten, typed_number

# Each radio button is a line of the form, so longer lists are selects. Discord takes 2 to 10.
_RADIO_BUTTONS = 5
_SHOWN_CHOICES = 10
# The shapes that people know, as portraits. A size that rounds a shape's sides for the model still has that
# shape.
_SHAPES = ((1, 1), (2, 3), (3, 4), (4, 5), (9, 16), (1, 2), (9, 21))
_SAME_SHAPE = 0.03
_SIZE_NAME = 50
_GONE_LENGTH = 50


class ChoiceInput(Input):
    """A choice among named texts or numbers, or between yes and no.

    `sent` is what each choice sends, by its name. `labels` are shown in place of some names.
    """

    sent: Mapping[str, Values] = {}
    labels: Mapping[str, str] = {}

    def _parsed(self, raw: OptionValue) -> dict[str, InputValue]:
        """Return what a choice sends, which is meant by its name or its value.

        Exact matches take precedence over those in any case, and these over equal numbers (`512.0` is `512`).
        """
        text, choices = shown_value(raw).strip(), self.choices
        folded, as_number = text.casefold(), typed_number(text)
        found = chain(
            (each for each in choices if each.name == text),
            (each for each in choices if each.value == text),
            (each for each in choices if folded in (each.name.casefold(), each.value.casefold())),
            (each for each in choices if as_number is not None and typed_number(each.value) == as_number),
        )
        if (choice := next(found, None)) is not None:
            return {**self.sent[choice.name]}
        if not text:
            return {}
        names = listed((each.name for each in self.choices), _SHOWN_CHOICES)
        raise InputError("input_choice", option=self.option, value=excerpt(raw), choices=names)

    def stored(self, values: Values) -> dict[str, InputValue]:
        # A stored value counts before the name of another choice.
        same = [sent for sent in self.sent.values() if sent == self.own(values)]
        return {**same[0]} if same else super().stored(values)

    def show(self, values: Values) -> str:
        found = self.own(values)
        with suppress(InputError):
            found = self.stored(values)
        names = (name for name, sent in self.sent.items() if sent == found)
        texts = (shown_value(found[key]) if key in found else "?" for key in self.backend_keys)
        return next(names, " × ".join(texts)) if found else ""

    def names(self, values: Values) -> tuple[str, ...]:
        """Return the names to choose from in a form that shows these values."""
        return tuple(choice.name for choice in self.choices)

    def field(self, values: Values, raw: Any = None) -> FormField:
        if not values and not self.required and not self.is_seed:
            # Preselect the default: a checkbox, which is on or off, could otherwise show another value.
            values = self.default_values
        shown, names = self._shown(values, raw), self.names(values)
        # A select can be cleared, a group of radio buttons can't. The GPU can always be left to ComfyDeploy.
        must_choose = self.required or (self.default_values and shown in names and self.option != GPU)
        if self.kind is InputKind.BOOLEAN and shown in names:
            shape = Shape.CHECKBOX
        elif must_choose and 2 <= len(names) <= _RADIO_BUTTONS:
            shape = Shape.RADIO
        else:
            shape = Shape.SELECT if len(names) <= CHOICES else Shape.LINE
        options = tuple(Option(name, self.labels.get(name, name)) for name in names)
        if shape is not Shape.LINE and shown not in ("", *names):
            gone_now = f"“{shorten(shown, _GONE_LENGTH)}” isn't offered any more. Choose another."
            return self._field(shape=shape, options=options, description=gone_now)
        return self._field(shown, shape=shape, options=options)

    def option_choices(self) -> tuple[OptionChoice, ...]:
        """Return all choices: numbers as numbers, everything else by name. Discord has its own yes and no."""
        if self.kind is InputKind.BOOLEAN:
            return ()
        is_number = self.kind in NUMBERS
        values = (number(each.value, self.kind) if is_number else each.name for each in self.choices)
        labels = (self.labels.get(each.name, each.name) for each in self.choices)
        return tuple((label, value) for label, value in zip(labels, values, strict=True) if value is not None)


class SizeInput(ChoiceInput):
    """A width and a height, chosen by one name and stored as two inputs, which are its `parts`.

    Only the bot knows this input.
    """

    def stored(self, values: Values) -> dict[str, InputValue]:
        """Return the two sides, which need not be among the choices, but within the limits of the inputs.

        If only one is stored, the other has its default.
        """
        if not (own := self.own(values)):
            return {}
        defaults = {key: value for part in self.parts for key, value in part.default_values.items()}
        sides = {**defaults, **own}
        return {key: value for part in self.parts for key, value in part.stored(sides).items()}

    def names(self, values: Values) -> tuple[str, ...]:
        names, shown = super().names(values), self.show(values)
        is_other = shown not in ("", *names) and self.fits(values)
        return (*names, shown) if is_other else names


def size_text(sides: Iterable[int]) -> str:
    return " × ".join(map(shown_value, sides))


def _size_label(name: str, sides: Collection[Any]) -> str:
    """Return a size's name with its shape and sides, such as "Portrait 2:3 · 832 × 1216"."""
    wide, high = map(float, sides)
    shapes = [*_SHAPES, *((w, h) for h, w in _SHAPES)]
    known = [f" {w}:{h}" for w, h in shapes if abs(wide * h / (high * w) - 1) <= _SAME_SHAPE]
    shape = known[0] if known and ":" not in name else ""
    return f"{shorten(sentence_case(name), _SIZE_NAME)}{shape} · {size_text(sides)}"


_YES_OR_NO = (
    Choice.model_construct(name=YES, value="true"),
    Choice.model_construct(name=NO, value="false"),
)
_BY_KIND: Mapping[InputKind, type[Input]] = {
    InputKind.INTEGER: NumberInput,
    InputKind.FLOAT: NumberInput,
    **dict.fromkeys(ATTACHMENTS, FilesInput),
}


def input_of(**fields: Any) -> Input:
    """Return an input with these fields, which aren't validated, of the class for its kind.

    What requests need of it again and again is derived here: names, keys, defaults, and what choices send,
    which only an input for sizes is given.
    """
    key, option, kind = fields["key"], fields["option"], fields["kind"]
    choices, parts, default = fields.get("choices", ()), fields.get("parts", ()), fields.get("default")
    fields["offered"] = fields.get("fixed") is None and not fields.get("hidden")
    count = fields.get("max_count", 1) if kind is InputKind.IMAGES else 1
    fields["option_names"] = (option,) if count == 1 else tuple(f"{option}{n + 1}" for n in range(count))
    if parts:
        fields["backend_keys"] = keys = tuple(part.key for part in parts)
        sizes = fields["sent"].items()
        fields["labels"] = {name: _size_label(name, [size[key] for key in keys]) for name, size in sizes}
        return SizeInput.model_construct(**fields)
    fields |= {"backend_keys": (key,), "default_values": {} if default is None else {key: default}}
    if kind is InputKind.BOOLEAN:
        fields |= {"choices": _YES_OR_NO, "sent": {YES: {key: True}, NO: {key: False}}}
    elif choices or kind is InputKind.CHOICE:
        values = {each.name: number(each.value, kind) if kind in NUMBERS else each.value for each in choices}
        fields["sent"] = {name: {key: value} for name, value in values.items()}
    else:
        return _BY_KIND.get(kind, TextInput).model_construct(**fields)
    return ChoiceInput.model_construct(**fields)


def own_input(name: str, kind: InputKind, description: str, **fields: Any) -> Input:
    """Return an input of the bot's own, such as `gpu`, by its name."""
    return input_of(key=name, option=name, kind=kind, description=description, **fields)
