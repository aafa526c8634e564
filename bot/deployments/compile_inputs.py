"""Complete inputs: their settings in the file override the backend's description.

`sizes` in the file replaces the inputs for width and height with one choice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.deployments.choices import input_of, size_text
from bot.deployments.inputs import NUMBERS, Input, number
from bot.deployments.schema import Choice, InputSettings, SizesSettings
from bot.deployments.schema.field_types import DESCRIPTION_LENGTH, LARGEST, TEXT_LENGTH
from bot.domain.backend import InputDescription, InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.domain.text import shorten, strip_invisible

_IMAGES_IN_A_BATCH = 4
_WORDS = frozenset({InputKind.TEXT, InputKind.CHOICE, InputKind.WEIGHTS})
_SEED = re.compile(r"(^|[^a-z])seed($|[^a-z])")
_NEGATIVE = re.compile(r"(^|[^a-z])neg(ative)?($|[^a-z])")
NO_PROMPT = 4


@dataclass(frozen=True, slots=True)
class Source:
    """What the file and the backend say about an input."""

    settings: InputSettings
    described: InputDescription

    @classmethod
    def of(cls, key: str, settings: InputSettings, described: InputDescription | None = None) -> Source:
        return cls(settings, described or InputDescription(key=key))

    @property
    def names(self) -> tuple[str, ...]:
        return (self.described.key, self.described.display_name, self.settings.option or "")

    @property
    def kind(self) -> InputKind | None:
        """Return the input's kind, or None if the input can't be offered.

        The kind comes from the file's `kind`, otherwise from the backend, otherwise from the file's other
        settings. A choice without choices is a text.
        """
        settings, described = self.settings, self.described
        kind = settings.kind or described.kind
        if kind is None and described.class_name is None:
            if settings.is_seed:
                kind = InputKind.INTEGER
            elif settings.is_prompt or settings.fixed is not None:
                kind = InputKind.TEXT
            elif settings.choices:
                kind = InputKind.CHOICE
        has_choices = settings.choices or described.choices
        return InputKind.TEXT if kind is InputKind.CHOICE and not has_choices else kind

    @property
    def prompt_rank(self) -> int:
        """Return how likely the input is to be the prompt, from 0 to NO_PROMPT, which means not at all.

        The input that the file marks ranks first, then the names `prompt` and `positive…`, then names that
        contain `prompt`, then multi-line texts.
        """
        marked, names = self.settings.is_prompt, [name.lower().strip() for name in self.names]
        if marked is not None or self.settings.choices or _named(_NEGATIVE, names):
            return 0 if marked else NO_PROMPT
        if any(name == "prompt" or name.startswith("positive") for name in names):
            return 1
        if any("prompt" in name for name in names):
            return 2
        return 3 if self.described.multi_line else NO_PROMPT


def _named(pattern: re.Pattern[str], names: Iterable[str]) -> bool:
    return any(pattern.search(name.lower()) for name in names)


def find_prompt(sources: Sequence[Source]) -> Source | None:
    """Return the input that is likeliest to be the prompt, or None."""
    free = (each for each in sources if each.settings.fixed is None and not each.settings.hidden)
    texts = (each for each in free if each.kind is InputKind.TEXT and each.prompt_rank < NO_PROMPT)
    return min(texts, key=lambda each: each.prompt_rank, default=None)


def complete_input(source: Source, *, is_prompt: bool) -> tuple[Input, list[str]]:
    """Return the input, with the name from the file or an empty one, and warnings.

    The prompt becomes required and seeds become optional, unless the file sets `required`. An input of
    weights falls back to default weights, which are not described.
    """
    settings, described, kind = source.settings, source.described, source.kind
    key, option = described.key, settings.option or ""
    if kind is None:
        # No user could enter a value for it, so it is hidden and the backend uses its own default.
        hidden = input_of(key=key, option=option, kind=InputKind.TEXT, hidden=True)
        if described.class_name is None:
            return hidden, ["is not in ComfyDeploy's description; it needs a 'kind' in the file"]
        return hidden, [f"is of a class that can't be offered ({described.class_name or 'none given'})"]
    is_text, is_weights, choices = kind is InputKind.TEXT, kind is InputKind.WEIGHTS, _choices(source, kind)
    minimum, maximum = _bounds(source, kind)
    about = described.description if described.description.strip() else described.display_name
    fields = {
        "key": key,
        "option": option,
        "kind": kind,
        "display_name": "" if option else strip_invisible(described.display_name),
        "description": strip_invisible(settings.description or about or key.replace("_", " ")),
        "minimum": minimum,
        "maximum": maximum,
        "min_length": settings.min_length if is_text else None,
        "max_length": (settings.max_length or TEXT_LENGTH) if is_text else None,
        "choices": choices,
        "max_count": settings.max_count or (_IMAGES_IN_A_BATCH if kind is InputKind.IMAGES else 1),
        "fixed": settings.fixed,
        # The value of weights is a URL that the machine downloads, so a user must not choose it.
        "hidden": settings.hidden or (is_weights and not choices and settings.fixed is None),
        "is_prompt": is_prompt,
        "is_negative_prompt": is_text and _named(_NEGATIVE, source.names),
        "is_seed": kind is InputKind.INTEGER
        and ((not choices and _named(_SEED, source.names)) if settings.is_seed is None else settings.is_seed),
    }
    item = input_of(**fields)
    theirs, ours = _valid_default(item, described.default), _valid_default(item, settings.default)
    default, required = theirs if ours is None else ours, settings.required
    if required is None:
        has_default = default is not None or is_weights or described.has_hidden_default
        required = is_prompt or not (has_default or item.is_seed)
    fields |= {"default": default, "required": required, "send_default": ours not in (None, theirs)}
    return input_of(**fields), [*_warnings(item, settings, refuses_default=ours is None)]


def _warnings(item: Input, settings: InputSettings, *, refuses_default: bool) -> Iterator[str]:
    is_number = item.kind in NUMBERS
    if item.hidden and not settings.hidden:
        yield "loads weights: it is offered only with 'choices' in the file"
    elif not is_number and (settings.minimum is not None or settings.maximum is not None):
        yield "is not a number: 'min' and 'max' do not apply"
    elif is_number and len(item.choices) < len(settings.choices):
        yield "is a number: choices that aren't numbers are left out"
    if settings.default is not None and item.offered and refuses_default:
        yield f"doesn't take the default {settings.default!r}: it is left out"


def _bounds(source: Source, kind: InputKind) -> tuple[float | None, float | None]:
    """Return the limits from the file, or else the described ones, within Discord's range.

    An integer's limits are rounded inwards. Limits that contradict each other are left out.
    """
    settings, described = source.settings, source.described
    if kind not in NUMBERS:
        return None, None
    low = described.minimum if settings.minimum is None else settings.minimum
    high = described.maximum if settings.maximum is None else settings.maximum
    up, down = (math.ceil, math.floor) if kind is InputKind.INTEGER else (float, float)
    low = None if low is None else up(min(max(low, -LARGEST), LARGEST))
    high = None if high is None else down(min(max(high, -LARGEST), LARGEST))
    return (None, None) if low is not None and high is not None and low > high else (low, high)


def _choices(source: Source, kind: InputKind) -> tuple[Choice, ...]:
    """Return the choices of the file, or else the described ones, as far as an input of this kind takes them.

    Described choices get unique names that are short enough to display.
    """
    given = source.settings.choices
    if kind in NUMBERS:
        values = ((each, number(each.value, kind)) for each in given)
        return tuple(each for each, value in values if value is not None and abs(value) <= LARGEST)
    if given or kind is not InputKind.CHOICE:
        return given if kind in _WORDS else ()
    found: dict[str, str] = {}
    for place, option in enumerate(dict.fromkeys(source.described.choices), 1):
        name = shorten(strip_invisible(option) or "(empty)", DESCRIPTION_LENGTH)
        found[f"{name[:90]} {place}" if name in found else name] = option
    return tuple(Choice.model_construct(name=name, value=option) for name, option in found.items())


def _valid_default(item: Input, value: InputValue | None) -> InputValue | None:
    """Return `value` as a default that the input takes, or None.

    An empty default is none, unless the input takes free text or has an empty choice.
    """
    if value is None or (value in ("", []) and item.kind not in _WORDS):
        return None
    try:
        return item.stored({item.key: value}).get(item.key)
    except InputError:
        return None


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
    exact = {item.key: item for item in items}
    named = {key: item for key in sizes.keys for source, item in reversed(inputs) if is_called(source, key)}
    sides = [exact.get(key) or named.get(key) for key in sizes.keys]
    if mistakes := [*_mistakes(sizes, sides)]:
        return items, [f"sizes are not offered: {mistake}" for mistake in mistakes]
    width, height = (item for item in sides if item is not None)
    refused = {
        name: item.key
        for name, size in sizes.choices.items()
        for item, side in zip((width, height), size, strict=True)
        if not item.fits({item.key: side})
    }
    found = {name: size for name, size in sizes.choices.items() if name not in refused}
    warnings = [f"size '{name}' is left out: {key} doesn't take it" for name, key in refused.items()]
    if not found:
        return items, [*warnings, "sizes are not offered: none of them fits"]
    if sizes.default is not None and sizes.default not in found:
        warnings.append(f"the default size '{sizes.default}' is left out")
    first = min(items.index(width), items.index(height))
    items[first] = _size_input(sizes, width, height, found)
    return [item for item in items if item not in (width, height)], warnings


def is_called(source: Source, key: str) -> bool:
    """Return whether a key, or a name in any case, is that of an input."""
    return key.casefold() in (name.strip().casefold() for name in source.names)


def _mistakes(sizes: SizesSettings, sides: Sequence[Input | None]) -> Iterator[str]:
    for key, item in zip(sizes.keys, sides, strict=True):
        if item is None:
            yield f"there is no input '{key}'"
        elif item.kind not in NUMBERS or not item.offered or item.is_seed:
            yield f"input '{item.key}' must be a number that is offered, and no seed"
    if sides[0] is not None and sides[0] is sides[1]:
        yield f"width and height are both the input '{sides[0].key}'"


def _size_input(
    sizes: SizesSettings, width: Input, height: Input, found: Mapping[str, tuple[int, int]]
) -> Input:
    sent = {name: {width.key: size[0], height.key: size[1]} for name, size in found.items()}
    chosen = sent.get(sizes.default or "")
    # Use both defaults or neither: one alone says nothing about the shape.
    default = {**width.default_values, **height.default_values}
    default = default if len(default) == 2 else {}
    return input_of(
        key=f"{width.key}, {height.key}",
        option=sizes.option,
        kind=InputKind.CHOICE,
        description=strip_invisible(sizes.description or "") or "The shape of the result",
        required=chosen is None and (width.required or height.required),
        default_values=chosen or default,
        send_default=bool(chosen or (default and (width.send_default or height.send_default))),
        choices=tuple(Choice.model_construct(name=name, value=size_text(found[name])) for name in found),
        parts=(width, height),
        sent=sent,
    )
