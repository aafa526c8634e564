"""Compile one input. Settings in the file override the backend's description."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot.deployments.kinds import kind_of
from bot.deployments.model import Choice, Input
from bot.deployments.naming import DESCRIPTION_LENGTH, one_line, unique
from bot.deployments.plain_kinds import number
from bot.deployments.schema import InputConfig
from bot.deployments.schema.field_types import LARGEST
from bot.domain.backend import InputClass, InputDescription, InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.domain.text import shorten

_IMAGES_IN_A_BATCH = 4
_NUMBERS = frozenset({InputKind.INTEGER, InputKind.FLOAT})
_WORDS = frozenset({InputKind.TEXT, InputKind.CHOICE, InputKind.WEIGHTS})
_TEXT_LENGTH = 6000


@dataclass(frozen=True, slots=True)
class InputDraft:
    """An input that is being compiled.

    If several nodes of the workflow have the same key, `described` holds the description of each, and all of
    these nodes receive the same value.
    """

    key: str
    config: InputConfig
    described: tuple[InputDescription, ...]
    input: Input = field(default_factory=lambda: Input(key="", option="", kind=InputKind.TEXT))
    warnings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.config.option or self.key

    @property
    def display_name(self) -> str:
        return next((each.display_name for each in self.described if each.display_name), "")

    @property
    def names(self) -> tuple[str, ...]:
        return (self.key, self.display_name, self.config.option or "")

    @property
    def input_class(self) -> InputClass | None:
        return self.config.class_type or (self.described[0].input_class if self.described else None)

    def with_input(self, item: Input, *warnings: str) -> InputDraft:
        return replace(self, input=item, warnings=(*self.warnings, *warnings))


def kind_for(config: InputConfig, described: InputDescription | None) -> InputKind | None:
    """Return an input's kind, or None if the input can't be offered.

    The kind comes from the file's `kind` or `class_type`, otherwise from the backend's class, otherwise from
    the file's other settings.
    """
    if config.kind is not None or config.class_type is not None:
        return config.described_kind
    if described is not None:
        return described.input_class.kind
    if config.seed:
        return InputKind.INTEGER
    if config.prompt or config.fixed is not None:
        return InputKind.TEXT
    return InputKind.CHOICE if config.choices else None


def compile_input(draft: InputDraft) -> InputDraft:
    """Return the draft with its `input` filled in.

    The final option name and the markers of the prompt and seeds depend on other inputs and are set later.
    """
    config = draft.config
    kind = kind_for(config, draft.described[0] if draft.described else None)
    if kind is None:
        return _left_out(draft)
    choices = _choices(draft, kind)
    if kind is InputKind.CHOICE and not choices:
        kind = InputKind.TEXT
    hidden, warnings = config.hidden, _warnings(draft, kind)
    if kind is InputKind.WEIGHTS and not choices and config.fixed is None:
        # Its value is a URL that the machine downloads, so a user must not choose it.
        hidden = True
    minimum, maximum = _bounds(draft, kind)
    item = Input(
        key=draft.key,
        option=draft.label,
        kind=kind,
        description=_description(draft),
        minimum=minimum,
        maximum=maximum,
        min_length=config.min_length if kind is InputKind.TEXT else None,
        max_length=(config.max_length or _TEXT_LENGTH) if kind is InputKind.TEXT else None,
        choices=choices,
        max_count=config.max_count or (_IMAGES_IN_A_BATCH if kind is InputKind.IMAGES else 1),
        fixed=config.fixed,
        hidden=hidden,
    )
    if config.default is not None and item.offered and valid_default(item, config.default) is None:
        warnings += (f"doesn't take the default {config.default!r}: it is left out",)
    return draft.with_input(_with_default(item, draft), *warnings)


def _left_out(draft: InputDraft) -> InputDraft:
    """Hide an input that no user could enter a value for; the backend uses its own default."""
    if draft.described:
        given = draft.input_class.name if draft.input_class else ""
        warning = f"is of a class that can't be offered ({given or 'none given'})"
    else:
        warning = "is not in ComfyDeploy's description; it needs a 'kind' in the file"
    return draft.with_input(Input(key=draft.key, option="", kind=InputKind.TEXT, hidden=True), warning)


def _warnings(draft: InputDraft, kind: InputKind) -> tuple[str, ...]:
    config = draft.config
    if kind is InputKind.WEIGHTS and not config.choices and config.fixed is None and not config.hidden:
        return ("loads weights: it is offered only with 'choices' in the file",)
    if kind not in _NUMBERS and (config.min is not None or config.max is not None):
        return ("is not a number: 'min' and 'max' do not apply",)
    if kind in _NUMBERS and len(_choices(draft, kind)) < len(config.choices):
        return ("is a number: choices that aren't numbers are left out",)
    return ()


def _description(draft: InputDraft) -> str:
    found = next((each.description for each in draft.described if each.description.strip()), "")
    return one_line(draft.config.description or found or draft.display_name or draft.key.replace("_", " "))


def _bounds(draft: InputDraft, kind: InputKind) -> tuple[float | None, float | None]:
    """Return the limits from the file, or else the narrowest described ones, within Discord's range."""
    if kind not in _NUMBERS:
        return None, None
    lows = [each.minimum for each in draft.described if each.minimum is not None]
    highs = [each.maximum for each in draft.described if each.maximum is not None]
    low = draft.config.min if draft.config.min is not None else max(lows, default=None)
    high = draft.config.max if draft.config.max is not None else min(highs, default=None)
    # If descriptions contradict each other, no value would suit all of them, so the first one decides.
    first = (draft.described[0].minimum, draft.described[0].maximum) if draft.described else (None, None)
    for least, limit in ((low, high), first):
        pair = _clamped(least, kind, math.ceil), _clamped(limit, kind, math.floor)
        if pair[0] is None or pair[1] is None or pair[0] <= pair[1]:
            return pair
    return None, None


def _clamped(value: float | None, kind: InputKind, whole: Callable[[float], int]) -> float | None:
    """Clamp a limit to Discord's range; `whole` rounds an integer's limit inwards."""
    if value is None:
        return None
    bounded = min(max(value, -LARGEST), LARGEST)
    return whole(bounded) if kind is InputKind.INTEGER else bounded


def _choices(draft: InputDraft, kind: InputKind) -> tuple[Choice, ...]:
    """Return the choices from the file, or else the described ones, with unique names that are short enough
    to display.
    """
    if kind not in _WORDS | _NUMBERS:
        return ()
    if draft.config.choices:
        choices = (Choice(choice.name, choice.value) for choice in draft.config.choices)
        return tuple(
            choice for choice in choices if kind not in _NUMBERS or number(choice.value, kind) is not None
        )
    if kind is not InputKind.CHOICE:
        return ()
    return _described_choices(draft)


def _described_choices(draft: InputDraft) -> tuple[Choice, ...]:
    options = dict.fromkeys(option for each in draft.described for option in each.choices)
    taken: set[str] = set()
    same: Counter[str] = Counter()
    choices = []
    for option in options:
        name = shorten(one_line(option) or "(empty)", DESCRIPTION_LENGTH)
        if name in taken:
            stem = name[:28]
            same[stem] += 1
            name = unique(stem, taken, first=same[stem] + 1)
        taken.add(name)
        choices.append(Choice(name, option))
    return tuple(choices)


def _with_default(item: Input, draft: InputDraft) -> Input:
    theirs = _first_valid(item, draft)
    ours = valid_default(item, draft.config.default)
    default = theirs if ours is None else ours
    required = draft.config.required
    if required is None:
        # An input for weights falls back to default weights, which are not described.
        hidden = item.kind is InputKind.WEIGHTS or any(each.has_hidden_default for each in draft.described)
        required = default is None and not hidden
    return replace(
        item,
        default=default,
        required=required and item.offered,
        send_default=ours is not None and (ours != theirs or type(ours) is not type(theirs)),
    )


def _first_valid(item: Input, draft: InputDraft) -> InputValue | None:
    """Return the first described default that is valid for the input."""
    found = (valid_default(item, each.default) for each in draft.described)
    return next((value for value in found if value is not None), None)


def valid_default(item: Input, value: InputValue | None) -> InputValue | None:
    """Return `value` as a default that the input takes, or None.

    An empty default is none, unless the input takes free text or has an empty choice.
    """
    if value is None or (not value and value in ("", []) and item.kind not in _WORDS):
        return None
    try:
        return kind_of(item).stored({item.key: value}).get(item.key)
    except InputError:
        return None
