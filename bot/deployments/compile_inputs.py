"""Complete inputs: their settings in the file override the backend's description.

`sizes` in the file replaces the inputs for width and height with one choice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.deployments.choices import Size, input_of, number
from bot.deployments.inputs import NUMBERS, Input
from bot.deployments.schema import Choice, InputSettings, SizesSettings
from bot.deployments.schema.field_types import DESCRIPTION_LENGTH, LARGEST, one_line
from bot.domain.backend import InputDescription, InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.domain.text import shorten
from bot.strings import say

_IMAGES_IN_A_BATCH = 4
_WORDS = frozenset({InputKind.TEXT, InputKind.CHOICE, InputKind.WEIGHTS})
_TEXT_LENGTH = 6000
_SEED = re.compile(r"(^|[^a-z])seed($|[^a-z])")
_NEGATIVE = re.compile(r"(^|[^a-z])neg(ative)?($|[^a-z])")


@dataclass(frozen=True, slots=True)
class Source:
    """What the file and the backend say about an input."""

    key: str
    settings: InputSettings
    described: InputDescription | None = None

    @property
    def display_name(self) -> str:
        return self.described.display_name if self.described is not None else ""

    @property
    def description(self) -> str:
        found = self.described.description if self.described is not None else ""
        return found if found.strip() else self.display_name or self.key.replace("_", " ")

    @property
    def names(self) -> tuple[str, ...]:
        return (self.key, self.display_name, self.settings.option or "")

    @property
    def kind(self) -> InputKind | None:
        """Return the input's kind, or None if the input can't be offered.

        The kind comes from the file's `kind`, otherwise from the backend, otherwise from the file's other
        settings. A choice without choices is a text.
        """
        settings, kind = self.settings, self.settings.kind
        if kind is None and self.described is not None:
            kind = self.described.input_class.kind
        elif kind is None and settings.is_seed:
            kind = InputKind.INTEGER
        elif kind is None and (settings.is_prompt or settings.fixed is not None):
            kind = InputKind.TEXT
        elif kind is None and settings.choices:
            kind = InputKind.CHOICE
        return InputKind.TEXT if kind is InputKind.CHOICE and not self.choices else kind

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Return the choices of the file, or else the described ones, even if the input takes none."""
        return self.settings.choices or _described_choices(self.described)

    @property
    def prompt_rank(self) -> int | None:
        """Return how likely the input is to be the prompt: 0 is the likeliest, and None means not at all.

        The names `prompt` and `positive…` rank first, then names that contain `prompt`, then multi-line
        texts.
        """
        if _named(_NEGATIVE, self.names):
            return None
        lowered = [name.lower().strip() for name in self.names]
        if any(name == "prompt" or name.startswith("positive") for name in lowered):
            return 0
        if any("prompt" in name for name in lowered):
            return 1
        return 2 if self.described is not None and self.described.input_class.multi_line else None


def _named(pattern: re.Pattern[str], names: Iterable[str]) -> bool:
    return any(pattern.search(name.lower()) for name in names)


def find_prompt(sources: Sequence[Source]) -> Source | None:
    """Return the input that the file marks as the prompt, or else the one whose names say so, or None."""
    texts = [each for each in sources if each.kind is InputKind.TEXT and each.settings.offered]
    marked = next((each for each in texts if each.settings.is_prompt), None)
    likely = [
        each
        for each in texts
        if each.settings.is_prompt is None and not each.settings.choices and each.prompt_rank is not None
    ]
    return marked or min(likely, key=lambda each: each.prompt_rank or 0, default=None)


def complete_input(source: Source, *, is_prompt: bool) -> tuple[Input, list[str]]:
    """Return the input, with the name from the file or an empty one, and warnings.

    The prompt becomes required and seeds become optional, unless the file sets `required`.
    """
    settings, kind = source.settings, source.kind
    if kind is None:
        # No user could enter a value for it, so it is hidden and the backend uses its own default.
        hidden = input_of(key=source.key, option=settings.option or "", kind=InputKind.TEXT, hidden=True)
        if source.described is None:
            return hidden, ["is not in ComfyDeploy's description; it needs a 'kind' in the file"]
        given = source.described.input_class.name or "none given"
        return hidden, [f"is of a class that can't be offered ({given})"]
    choices = _allowed_choices(source, kind)
    minimum, maximum = _bounds(source, kind)
    is_text = kind is InputKind.TEXT
    is_seed = kind is InputKind.INTEGER and (
        (not choices and _named(_SEED, source.names)) if settings.is_seed is None else settings.is_seed
    )
    item = input_of(
        key=source.key,
        option=settings.option or "",
        kind=kind,
        display_name="" if settings.option else one_line(source.display_name),
        description=one_line(settings.description or source.description),
        minimum=minimum,
        maximum=maximum,
        min_length=settings.min_length if is_text else None,
        max_length=(settings.max_length or _TEXT_LENGTH) if is_text else None,
        choices=choices,
        max_count=settings.max_count or (_IMAGES_IN_A_BATCH if kind is InputKind.IMAGES else 1),
        fixed=settings.fixed,
        # The value of weights is a URL that the machine downloads, so a user must not choose it.
        hidden=settings.hidden or _needs_choices(source, kind),
        is_prompt=is_prompt,
        is_negative_prompt=is_text and not is_prompt and _named(_NEGATIVE, source.names),
        is_seed=is_seed,
    )
    return _with_default(item, source), [*_warnings(item, source)]


def _needs_choices(source: Source, kind: InputKind) -> bool:
    settings = source.settings
    return kind is InputKind.WEIGHTS and not settings.choices and settings.fixed is None


def _warnings(item: Input, source: Source) -> Iterator[str]:
    settings, kind = source.settings, item.kind
    if _needs_choices(source, kind) and not settings.hidden:
        yield "loads weights: it is offered only with 'choices' in the file"
    elif kind not in NUMBERS and (settings.minimum is not None or settings.maximum is not None):
        yield "is not a number: 'min' and 'max' do not apply"
    elif kind in NUMBERS and len(item.choices) < len(settings.choices):
        yield "is a number: choices that aren't numbers are left out"
    if kind is InputKind.CHOICE and not item.choices and item.offered:
        yield "is a choice without 'choices': any text can be typed"
    if settings.default is not None and item.offered and valid_default(item, settings.default) is None:
        yield f"doesn't take the default {settings.default!r}: it is left out"


def _bounds(source: Source, kind: InputKind) -> tuple[float | None, float | None]:
    """Return the limits from the file, or else the described ones, within Discord's range.

    Limits that contradict each other are left out.
    """
    if kind not in NUMBERS:
        return None, None
    low, high = source.settings.minimum, source.settings.maximum
    if source.described is not None:
        low = source.described.minimum if low is None else low
        high = source.described.maximum if high is None else high
    low, high = _clamped(low, kind, math.ceil), _clamped(high, kind, math.floor)
    return (None, None) if low is not None and high is not None and low > high else (low, high)


def _clamped(value: float | None, kind: InputKind, whole: Callable[[float], int]) -> float | None:
    """Clamp a limit to Discord's range; `whole` rounds an integer's limit inwards."""
    if value is None:
        return None
    bounded = min(max(value, -LARGEST), LARGEST)
    return whole(bounded) if kind is InputKind.INTEGER else bounded


def _allowed_choices(source: Source, kind: InputKind) -> tuple[Choice, ...]:
    if kind in NUMBERS:
        return tuple(each for each in source.settings.choices if number(each.value, kind) is not None)
    if kind is InputKind.CHOICE:
        return source.choices
    return source.settings.choices if kind in _WORDS else ()


def _described_choices(described: InputDescription | None) -> tuple[Choice, ...]:
    """Return the described choices with unique names that are short enough to display."""
    found: dict[str, str] = {}
    for place, option in enumerate(dict.fromkeys(described.choices) if described is not None else (), 1):
        name = shorten(one_line(option) or "(empty)", DESCRIPTION_LENGTH)
        found[f"{name[:90]} {place}" if name in found else name] = option
    return tuple(Choice.model_construct(name=name, value=option) for name, option in found.items())


def _with_default(item: Input, source: Source) -> Input:
    described = source.described
    theirs = valid_default(item, described.default) if described is not None else None
    ours = valid_default(item, source.settings.default)
    default, required = theirs if ours is None else ours, source.settings.required
    if required is None:
        # An input for weights falls back to default weights, which are not described.
        hidden = item.kind is InputKind.WEIGHTS or (described is not None and described.has_hidden_default)
        required = item.is_prompt or (default is None and not hidden and not item.is_seed)
    changes = {
        "default": default,
        "required": required and item.offered,
        "send_default": ours is not None and (ours != theirs or type(ours) is not type(theirs)),
    }
    return item.model_copy(update=changes)


def valid_default(item: Input, value: InputValue | None) -> InputValue | None:
    """Return `value` as a default that the input takes, or None.

    An empty default is none, unless the input takes free text or has an empty choice.
    """
    if value is None or (not value and value in ("", []) and item.kind not in _WORDS):
        return None
    try:
        return item.stored({item.key: value}).get(item.key)
    except InputError:
        return None


def is_side(sizes: SizesSettings | None, names: Iterable[str]) -> bool:
    """Return whether an input with these names is the width or the height of the sizes."""
    return sizes is not None and any(_matches(key, names) for key in sizes.keys)


def join_sides(
    sizes: SizesSettings | None, inputs: Sequence[tuple[Source, Input]]
) -> tuple[list[Input], list[str]]:
    """Replace the inputs for width and height with one for sizes, at the position of the first of the two.

    Return the new list of inputs, and warnings. ComfyDeploy's description may change at any time, so sizes
    that don't fit it are left out with a warning. If no size fits, the two inputs are offered as they are.
    """
    items = [item for _, item in inputs]
    if sizes is None:
        return items, []
    sides = [_find(key, inputs) for key in sizes.keys]
    if mistakes := [*_mistakes(sizes, sides)]:
        return items, [f"sizes are not offered: {mistake}" for mistake in mistakes]
    width, height = (item for item in sides if item is not None)
    choices = {name: Size(*sides) for name, sides in sizes.choices.items()}
    refused = {
        name: item.key
        for name, size in choices.items()
        for item, side in zip((width, height), size, strict=True)
        if not item.takes(side)
    }
    found = {name: size for name, size in choices.items() if name not in refused}
    warnings = [f"size '{name}' is left out: {key} doesn't take it" for name, key in refused.items()]
    if not found:
        return items, [*warnings, "sizes are not offered: none of them fits"]
    if sizes.default is not None and sizes.default not in found:
        warnings.append(f"the default size '{sizes.default}' is left out")
    first = min(items.index(width), items.index(height))
    items[first] = _size_input(sizes, width, height, found)
    return [item for item in items if item not in (width, height)], warnings


def _matches(key: str, names: Iterable[str]) -> bool:
    return key.casefold() in (name.strip().casefold() for name in names)


def _find(key: str, inputs: Sequence[tuple[Source, Input]]) -> Input | None:
    """Return the input with this key, or else with this name."""
    exact = (item for _, item in inputs if item.key == key)
    named = (item for source, item in inputs if _matches(key, source.names))
    return next(exact, None) or next(named, None)


def _mistakes(sizes: SizesSettings, sides: Sequence[Input | None]) -> Iterator[str]:
    for key, item in zip(sizes.keys, sides, strict=True):
        if item is None:
            yield f"there is no input '{key}'"
        elif item.kind not in NUMBERS:
            yield f"input '{item.key}' is of kind '{item.kind}', not a number"
        elif not item.offered:
            yield f"input '{item.key}' is {'hidden' if item.hidden else 'fixed'}"
        elif item.is_seed:
            yield f"input '{item.key}' is a seed"
    if sides[0] is not None and sides[0] is sides[1]:
        yield f"width and height are both the input '{sides[0].key}'"


def _size_input(sizes: SizesSettings, width: Input, height: Input, found: dict[str, Size]) -> Input:
    chosen = found.get(sizes.default or "")
    # Use both defaults or neither: one alone says nothing about the shape.
    known = [value for value in (width.default, height.default) if isinstance(value, int | float)]
    default = chosen or (Size(*known) if len(known) == 2 else None)
    return input_of(
        key=f"{width.key}, {height.key}",
        option=sizes.option,
        kind=InputKind.CHOICE,
        description=sizes.description or say("option_size"),
        required=chosen is None and (width.required or height.required),
        default_size=default,
        send_default=chosen is not None
        or (default is not None and (width.send_default or height.send_default)),
        choices=tuple(Choice.model_construct(name=name, value=str(size)) for name, size in found.items()),
        parts=(width, height),
        sizes=tuple(found.values()),
    )
