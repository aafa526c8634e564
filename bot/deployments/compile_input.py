"""One input: the file's word over ComfyDeploy's. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot.comfydeploy.deployments import InputType
from bot.deployments.model import Choice, Input, InputKind
from bot.deployments.naming import DESCRIPTION_LENGTH, kind_of, one_line, shorten, unique
from bot.deployments.schema import LARGEST, InputConfig
from bot.domain.runs import InputValue

_IMAGES_IN_A_BATCH = 4
_NUMBERS = frozenset({InputKind.INTEGER, InputKind.FLOAT})
_WORDS = frozenset({InputKind.TEXT, InputKind.CHOICE, InputKind.WEIGHTS})
_TEXT_LENGTH = 6000
# As people write numbers. Not more digits than Python turns into a number without a thought.
INTEGER = re.compile(r"[+-]?[0-9]{1,30}(\.0*)?", re.ASCII)
FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,4})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Draft:
    """An input on its way. `nodes` share its key: ComfyDeploy gives each of them the same value."""

    key: str
    config: InputConfig
    nodes: tuple[InputType, ...]
    input: Input = field(default_factory=lambda: Input(key="", option="", kind=InputKind.TEXT))
    warnings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.config.option or self.key

    @property
    def display_name(self) -> str:
        return next((node.display_name for node in self.nodes if node.display_name), "")

    @property
    def names(self) -> tuple[str, ...]:
        return (self.key, self.display_name, self.config.option or "")

    @property
    def class_type(self) -> str:
        return self.config.class_type or (self.nodes[0].class_type if self.nodes else "")

    def with_input(self, item: Input, *warnings: str) -> Draft:
        return replace(self, input=item, warnings=(*self.warnings, *warnings))


def kind_for(config: InputConfig, node: InputType | None) -> InputKind | None:
    """The file's kind, its class type, ComfyDeploy's, or what the file's markers imply."""
    if config.kind is not None or config.class_type is not None:
        return config.described_kind
    if node is not None:
        return kind_of(node.class_type, node.type)
    if config.seed:
        return InputKind.INTEGER
    if config.prompt or config.fixed is not None:
        return InputKind.TEXT
    return InputKind.CHOICE if config.choices else None


def compile_input(draft: Draft) -> Draft:
    """Fills `draft.input`, all but its option name and markers, which depend on the other inputs."""
    config, node = draft.config, draft.nodes[0] if draft.nodes else None
    kind = kind_for(config, node)
    if kind is None:
        return _left_out(draft)
    choices = _choices(draft, kind)
    if kind is InputKind.CHOICE and not choices:
        kind = InputKind.TEXT
    hidden, warnings = config.hidden, _warnings(draft, kind)
    if kind is InputKind.WEIGHTS and not choices and config.fixed is None:
        # Its value is a URL that the machine downloads: a stranger must not choose it.
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


def _left_out(draft: Draft) -> Draft:
    """Nothing a person could give: left to ComfyDeploy's own default."""
    if draft.nodes:
        told = f"is of a class that can't be offered ({draft.class_type or 'none given'})"
    else:
        told = "is not in ComfyDeploy's description; it needs a 'kind' in the file"
    return draft.with_input(Input(key=draft.key, option="", kind=InputKind.TEXT, hidden=True), told)


def _warnings(draft: Draft, kind: InputKind) -> tuple[str, ...]:
    config = draft.config
    if kind is InputKind.WEIGHTS and not config.choices and config.fixed is None and not config.hidden:
        return ("loads weights: it is offered only with 'choices' in the file",)
    if kind not in _NUMBERS and (config.min is not None or config.max is not None):
        return ("is not a number: 'min' and 'max' do not apply",)
    if kind in _NUMBERS and len(_choices(draft, kind)) < len(config.choices):
        return ("is a number: choices that are none were left out",)
    return ()


def _description(draft: Draft) -> str:
    told = next((node.description for node in draft.nodes if node.description.strip()), "")
    return one_line(draft.config.description or told or draft.display_name or draft.key.replace("_", " "))


def _bounds(draft: Draft, kind: InputKind) -> tuple[float | None, float | None]:
    """The narrowest of all its nodes, within what Discord can carry; the file's own replace them."""
    if kind not in _NUMBERS:
        return None, None
    lows = [node.min_value for node in draft.nodes if node.min_value is not None]
    highs = [node.max_value for node in draft.nodes if node.max_value is not None]
    low = draft.config.min if draft.config.min is not None else max(lows, default=None)
    high = draft.config.max if draft.config.max is not None else min(highs, default=None)
    # Nodes that contradict each other: no value would suit both, and the first decides.
    first = (draft.nodes[0].min_value, draft.nodes[0].max_value) if draft.nodes else (None, None)
    for least, limit in ((low, high), first):
        pair = _clamped(least, kind, math.ceil), _clamped(limit, kind, math.floor)
        if pair[0] is None or pair[1] is None or pair[0] <= pair[1]:
            return pair
    return None, None


def _clamped(value: float | None, kind: InputKind, whole: Callable[[float], int]) -> float | None:
    """An integer's limit is the next one inside of it."""
    if value is None:
        return None
    bounded = min(max(value, -LARGEST), LARGEST)
    return whole(bounded) if kind is InputKind.INTEGER else bounded


def _choices(draft: Draft, kind: InputKind) -> tuple[Choice, ...]:
    """The file's choices, else the node's own. Names are unique and short enough to be shown."""
    if kind not in _WORDS | _NUMBERS:
        return ()
    if draft.config.choices:
        choices = (Choice(choice.name, choice.value) for choice in draft.config.choices)
        return tuple(
            choice for choice in choices if kind not in _NUMBERS or number(choice.value, kind) is not None
        )
    if kind is not InputKind.CHOICE:
        return ()
    return _node_choices(draft)


def number(text: str, kind: InputKind) -> int | float | None:
    """A choice's value as the number it stands for; None when it is none (or, for an integer, a fraction)."""
    # Python reads more as a number than a person would find among the choices again: `1_0`, `nan`.
    form = INTEGER if kind is InputKind.INTEGER else FLOAT
    if not form.fullmatch(text):
        return None
    value = int(text.partition(".")[0]) if kind is InputKind.INTEGER else float(text)
    return value if -LARGEST <= value <= LARGEST else None


def _node_choices(draft: Draft) -> tuple[Choice, ...]:
    options = dict.fromkeys(option for node in draft.nodes for option in node.enum_options)
    taken: set[str] = set()
    choices = []
    for option in options:
        name = shorten(one_line(option) or "(empty)", DESCRIPTION_LENGTH)
        if name in taken:
            name = unique(name[:28], taken)
        taken.add(name)
        choices.append(Choice(name, option))
    return tuple(choices)


def _with_default(item: Input, draft: Draft) -> Input:
    theirs = _first_usable(item, draft)
    ours = valid_default(item, draft.config.default)
    default = theirs if ours is None else ours
    required = draft.config.required
    if required is None:
        # A LoRA or checkpoint node has its own weights to fall back on and does not report them; a default
        # that is wired to another node works, it only can't be shown.
        wired = any(isinstance(node.default_value, tuple) for node in draft.nodes)
        required = default is None and not wired and item.kind is not InputKind.WEIGHTS
    return replace(
        item,
        default=default,
        required=required and item.offered,
        send_default=ours is not None and (ours != theirs or type(ours) is not type(theirs)),
    )


def _first_usable(item: Input, draft: Draft) -> InputValue | None:
    """ComfyDeploy's default; a list is a wire to another node, so nothing that could be shown."""
    for node in draft.nodes:
        value = node.default_value
        if value is not None and not isinstance(value, tuple):
            found = valid_default(item, value)
            if found is not None:
                return found
    return None


def valid_default(item: Input, value: InputValue | None) -> InputValue | None:
    """`value` when the input takes it as a default, else None: out of range, of the wrong type, empty."""
    if value is None:
        return None
    if item.kind in _NUMBERS:
        return _usable_number(item, value)
    if item.kind is InputKind.BOOLEAN:
        return value if isinstance(value, bool) else None
    if item.kind is InputKind.IMAGES:
        return value if isinstance(value, list) and value else None
    if item.choices and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # as its choices are written
    if not isinstance(value, str):
        return None
    if item.kind in _WORDS and item.kind is not InputKind.TEXT and item.choices:
        return next((choice.value for choice in item.choices if value in (choice.value, choice.name)), None)
    return value or (value if item.kind is InputKind.TEXT else None)


def _usable_number(item: Input, value: InputValue) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if item.kind is InputKind.INTEGER:
        if value != int(value):
            return None
        value = int(value)
    low = -LARGEST if item.minimum is None else item.minimum
    high = LARGEST if item.maximum is None else item.maximum
    return value if low <= value <= high else None
