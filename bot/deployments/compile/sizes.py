"""Compile `sizes`: replace the inputs for width and height with one choice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from bot.deployments.compile.inputs import InputDraft
from bot.deployments.model import Choice, Input, Size
from bot.deployments.schema import SHAPES, InputConfig, SizesConfig, beyond
from bot.deployments.schema.field_types import LARGEST
from bot.domain.backend import InputKind
from bot.strings import say

_NUMBERS = frozenset({InputKind.INTEGER, InputKind.FLOAT})
# The side of a square if the inputs have no defaults.
_SIDE = 1024
# The sides of the shapes relative to the square's: 832 × 1216 for 1024, which image models are trained on.
_SHAPES = dict(zip(SHAPES, ((1.0, 1.0), (13 / 16, 19 / 16), (19 / 16, 13 / 16)), strict=True))
# Image models take multiples of 8.
_STEP = 8


def is_side(sizes: SizesConfig | None, *names: str) -> bool:
    """Return whether an input with these names is the width or the height of the sizes."""
    return sizes is not None and any(_matches(key, names) for key in sizes.keys)


def join_sides(
    sizes: SizesConfig | None, drafts: Sequence[InputDraft]
) -> tuple[list[InputDraft], tuple[str, ...]]:
    """Replace the inputs for width and height with one for sizes, at the position of the first of the two.

    Return the new list of inputs, and warnings. ComfyDeploy's description may change at any time, so sizes
    that don't fit it are left out with a warning. If no size fits, the two inputs are offered as they are.
    """
    if sizes is None:
        return list(drafts), ()
    pair = [_find(key, drafts) for key in sizes.keys]
    if mistakes := [*_mistakes(sizes, pair)]:
        return list(drafts), tuple(f"sizes are not offered: {mistake}" for mistake in mistakes)
    sides = [draft for draft in pair if draft is not None]
    width, height = (draft.input for draft in sides)
    found, warnings = _fitting(_choices(sizes, width, height), width, height)
    if not found:
        return list(drafts), (*warnings, "sizes are not offered: none of them fits")
    if sizes.default is not None and sizes.default not in found:
        warnings = (*warnings, f"the default size '{sizes.default}' is left out")
    item = _input(sizes, width, height, found)
    joined = InputDraft(item.key, InputConfig(option=sizes.option), described=(), input=item)
    first = min(drafts.index(draft) for draft in sides)
    others = [joined if index == first else draft for index, draft in enumerate(drafts)]
    return [draft for draft in others if draft not in sides], warnings


def _matches(key: str, names: Iterable[str]) -> bool:
    return key.casefold() in (name.strip().casefold() for name in names)


def _find(key: str, drafts: Sequence[InputDraft]) -> InputDraft | None:
    """Return the input with this key, or else with this name."""
    exact = (draft for draft in drafts if draft.key == key)
    named = (draft for draft in drafts if _matches(key, draft.names))
    return next(exact, None) or next(named, None)


def _mistakes(sizes: SizesConfig, pair: Sequence[InputDraft | None]) -> Iterable[str]:
    for key, draft in zip(sizes.keys, pair, strict=True):
        if draft is None:
            yield f"there is no input '{key}'"
        elif draft.input.kind not in _NUMBERS:
            yield f"input '{draft.key}' is of kind '{draft.input.kind}', not a number"
        elif not draft.input.offered:
            yield f"input '{draft.key}' is {'hidden' if draft.input.hidden else 'fixed'}"
        elif draft.input.is_seed:
            yield f"input '{draft.key}' is a seed"
    if pair[0] is not None and pair[0] is pair[1]:
        yield f"width and height are both the input '{pair[0].key}'"


def _choices(sizes: SizesConfig, width: Input, height: Input) -> dict[str, Size]:
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


def _fitting(
    choices: Mapping[str, Size], width: Input, height: Input
) -> tuple[dict[str, Size], tuple[str, ...]]:
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
    return found, tuple(warnings)


def _reason(item: Input, value: float) -> str:
    """Return why an input doesn't take a value, or an empty string."""
    if item.choices:
        allowed = ", ".join(choice.value for choice in item.choices[:10])
        taken = any(float(choice.value) == value for choice in item.choices)
        return "" if taken else f"{value:.15g} is not one of its choices {allowed}"
    return beyond(value, max(1, item.minimum or 1), item.maximum)


def _input(sizes: SizesConfig, width: Input, height: Input, found: Mapping[str, Size]) -> Input:
    chosen = found.get(sizes.default or "")
    # Use both defaults or neither: one alone says nothing about the shape.
    known = [value for value in (width.default, height.default) if isinstance(value, int | float)]
    default = chosen or (Size(*known) if len(known) == 2 else None)
    return Input(
        key=f"{width.key}, {height.key}",
        option=sizes.option,
        kind=InputKind.CHOICE,
        description=sizes.description or say("option_size"),
        required=chosen is None and (width.required or height.required),
        default=default,
        send_default=chosen is not None
        or (default is not None and (width.send_default or height.send_default)),
        choices=tuple(Choice(name, str(size)) for name, size in found.items()),
        parts=(width, height),
        sizes=tuple(found.values()),
    )
