"""Compile `sizes`: replace the inputs for width and height with one choice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.deployments.compile.inputs import Source
from bot.deployments.kinds import input_of
from bot.deployments.kinds.base import NUMBERS, Input, Size
from bot.deployments.schema import SHAPES, Choice, SizesSettings, beyond
from bot.deployments.schema.field_types import LARGEST
from bot.domain.backend import InputKind
from bot.strings import say

# The side of a square if the inputs have no defaults.
_SIDE = 1024
# The sides of the shapes relative to the square's: 832 × 1216 for 1024, which image models are trained on.
_SHAPES = dict(zip(SHAPES, ((1.0, 1.0), (13 / 16, 19 / 16), (19 / 16, 13 / 16)), strict=True))
# Image models take multiples of 8.
_STEP = 8


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
    found, warnings = _fitting(_choices(sizes, width, height), width, height)
    if not found:
        return items, [*warnings, "sizes are not offered: none of them fits"]
    if sizes.default is not None and sizes.default not in found:
        warnings.append(f"the default size '{sizes.default}' is left out")
    first = min(items.index(width), items.index(height))
    items[first] = _input(sizes, width, height, found)
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


def _choices(sizes: SizesSettings, width: Input, height: Input) -> dict[str, Size]:
    """Return the sizes in the file, or else the three shapes with the area of the inputs' defaults."""
    if sizes.choices is not None:
        return {name: Size(*sides) for name, sides in sizes.choices.items()}
    defaults = [item.default for item in (width, height)]
    known = [value for value in defaults if isinstance(value, int | float) and value > 0]
    side = math.sqrt(known[0] * known[1]) if len(known) == len(defaults) else _SIDE
    found: dict[Size, str] = {}
    for name, parts in _SHAPES.items():
        # Narrow limits can make two shapes the same.
        found.setdefault(_within(width, height, *(side * part for part in parts)), name)
    return {name: size for size, name in found.items()}


def _within(width: Input, height: Input, wide: float, high: float) -> Size:
    """Return `wide` × `high` scaled into the inputs' limits, with each side rounded."""
    pairs = ((width, wide), (height, high))
    scale = min([1.0, *(item.maximum / side for item, side in pairs if item.maximum is not None)])
    scale = max([scale, *(item.minimum / side for item, side in pairs if item.minimum is not None)])
    return Size(_rounded(width, wide * scale), _rounded(height, high * scale))


def _rounded(item: Input, side: float) -> int:
    """Return the nearest multiple of the step within the input's limits, or its nearest choice."""
    if item.choices:
        return min((int(float(choice.value)) for choice in item.choices), key=lambda value: abs(value - side))
    low = 1 if item.minimum is None else max(1, math.ceil(item.minimum))
    high = LARGEST if item.maximum is None else math.floor(item.maximum)
    nearest = round(side / _STEP) * _STEP
    least, most = math.ceil(low / _STEP) * _STEP, high // _STEP * _STEP
    return min(max(nearest, least), most) if least <= most else min(max(round(side), low), high)


def _fitting(choices: Mapping[str, Size], width: Input, height: Input) -> tuple[dict[str, Size], list[str]]:
    """Return the sizes within the inputs' limits, and a warning for each of the others."""
    found: dict[str, Size] = {}
    warnings: list[str] = []
    for name, size in choices.items():
        reasons = [
            f"{item.key} {reason}"
            for item, value in ((width, size.width), (height, size.height))
            if value is not None and (reason := _reason(item, value))
        ]
        if reasons:
            warnings.append(f"size '{name}' is left out: {' and '.join(reasons)}")
        else:
            found[name] = size
    return found, warnings


def _reason(item: Input, value: float) -> str:
    """Return why an input doesn't take a value, or an empty string."""
    if item.choices:
        allowed = ", ".join(choice.value for choice in item.choices[:10])
        taken = any(float(choice.value) == value for choice in item.choices)
        return "" if taken else f"{value:.15g} is not one of its choices {allowed}"
    return beyond(value, max(1, item.minimum or 1), item.maximum)


def _input(sizes: SizesSettings, width: Input, height: Input, found: Mapping[str, Size]) -> Input:
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
