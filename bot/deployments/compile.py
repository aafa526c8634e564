"""Complete the settings of a deployment with the backend's description."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.deployments.choices import Size, input_of
from bot.deployments.compile_inputs import Source, complete_input, find_prompt
from bot.deployments.inputs import NUMBERS, Input
from bot.deployments.model import Deployment
from bot.deployments.schema import SHAPES, Choice, DeploymentSettings, InputSettings, SizesSettings, beyond
from bot.deployments.schema.field_types import LARGEST, RESERVED, one_line, slug, unique
from bot.domain.backend import DeploymentDescription, InputDescription, InputKind
from bot.strings import say

_UNCONFIGURED = InputSettings()
_HIDDEN = InputSettings(hidden=True)
MAX_COUNT = 4
# The side of a square if the inputs have no defaults.
_SIDE = 1024
# The sides of the shapes relative to the square's: 832 × 1216 for 1024, which image models are trained on.
_SHAPES = dict(zip(SHAPES, ((1.0, 1.0), (13 / 16, 19 / 16), (19 / 16, 13 / 16)), strict=True))
# Image models take multiples of 8.
_STEP = 8


def compile_deployment(
    settings: DeploymentSettings, info: DeploymentDescription | None, gpus: tuple[str, ...]
) -> Deployment:
    """Return the deployment as `/generate` offers it, without its follow-ups.

    `info` may be None only if the file alone describes the deployment (see `describes_itself`). `gpus` are
    the backend's GPUs. Inputs in the file come first, in the file's order. The backend lists the others in
    no meaningful order, so the likely prompt is put first among them.
    """
    sources = _sources(settings, info)
    prompt, separate, warnings = find_prompt(sources), [], []
    for source in sources:
        item, mistakes = complete_input(source, is_prompt=source is prompt)
        separate.append((source, item))
        warnings += [f"input '{item.key}' {mistake}" for mistake in mistakes]
    joined, size_warnings = join_sides(settings.sizes, separate)
    allowed, default_gpu, gpu_warnings = _gpus(settings, info, gpus)
    inputs = _with_names(joined)
    title = settings.title or (one_line(info.name) if info else "") or settings.name
    changes = {
        "title": title,
        "description": one_line(settings.description or (info.description if info else "") or title),
        "inputs": inputs,
        "gpus": allowed,
        "default_gpu": default_gpu,
        "pinned_gpu": info.gpu if info else None,
        "concurrency_limit": settings.concurrency_limit or (info.concurrency_limit if info else None),
        "max_count": settings.max_count
        or (MAX_COUNT if any(item.varies_in_batch for item in inputs.values()) else 1),
        "run_timeout": info.run_timeout if info else None,
        "follow_ups": (),
        "warnings": tuple(
            f"deployment '{settings.name}': {text}" for text in (*warnings, *size_warnings, *gpu_warnings)
        ),
    }
    return Deployment.model_construct(**{**dict(settings), **changes})


def describes_itself(settings: DeploymentSettings) -> bool:
    """Return whether the file alone is enough to offer the deployment: it has inputs, all of a known kind."""
    return bool(settings.inputs) and all(Source(key, item).kind for key, item in settings.inputs.items())


def _sources(settings: DeploymentSettings, info: DeploymentDescription | None) -> list[Source]:
    described: dict[str, list[InputDescription]] = {}
    for each in info.inputs if info else ():
        described.setdefault(each.key, []).append(each)
    listed = [Source(key, item, tuple(described.pop(key, ()))) for key, item in settings.inputs.items()]
    rest = [Source(key, _UNCONFIGURED, tuple(found)) for key, found in described.items()]
    if settings.only_listed_inputs:
        rest = [
            each if is_side(settings.sizes, each.names) else Source(each.key, _HIDDEN, each.described)
            for each in rest
        ]
    return listed + sorted(rest, key=lambda source: source.prompt_rank != 0)


def _with_names(items: Iterable[Input]) -> dict[str, Input]:
    """Assign valid, unique option names to the offered inputs, avoiding those of the bot's own options.

    Names from the file win over those from the backend.
    """
    found = {item.key: item for item in items}
    taken = set(RESERVED)
    for item in sorted(found.values(), key=lambda item: not item.option):
        option = _option(item, taken) if item.offered else slug(item.option or item.key)
        found[item.key] = named = _named(item, option)
        taken.update(named.option_names if item.offered else ())
    return found


def _named(item: Input, option: str) -> Input:
    return item.model_copy(update={"option": option})


def _option(item: Input, taken: set[str]) -> str:
    name = item.option or slug(item.key)
    if name in RESERVED:
        name = f"{name}_input"
    batch = item.kind is InputKind.IMAGES and item.max_count > 1
    if batch and not item.option:
        name = name.removesuffix("s") or name
    room = len(str(item.max_count)) if batch else 0
    # An input with several attachments uses only its numbered names, so `image1` and `image` can coexist.
    tried = set() if batch else set(taken)
    while True:
        option = unique(name, tried, room=room)
        if taken.isdisjoint(_named(item, option).option_names):
            return option
        tried.add(option)


def _gpus(
    settings: DeploymentSettings, info: DeploymentDescription | None, known: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """Return the GPUs to choose from, the default GPU, and warnings.

    If the backend pins the deployment's GPU, it ignores any other. A choice is then offered only if the file
    asks for it.
    """
    pinned = info.gpu if info else None
    gpus, default = settings.gpus, settings.default_gpu
    if gpus is None:
        gpus = (pinned,) if pinned else known if default in (None, *known) else (*known, str(default))
    elif len(gpus) == 1:
        default = gpus[0]
    if pinned and (default not in (None, pinned) or set(gpus) != {pinned}):
        return gpus, default, (f"ComfyDeploy pins its GPU to {pinned}, whatever is chosen here",)
    return gpus, default, ()


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


def _size_input(sizes: SizesSettings, width: Input, height: Input, found: Mapping[str, Size]) -> Input:
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
