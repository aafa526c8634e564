"""The schema of `deployments.toml`. Unknown settings are errors, so that typos are noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticKnownError

from bot.deployments.schema.field_types import (
    LARGEST,
    Emoji,
    Gpu,
    Key,
    Label,
    Length,
    Name,
    Number,
    OptionName,
    Uuid,
    Value,
    is_number,
)
from bot.domain.backend import InputClass, InputKind
from bot.domain.runs import InputValue

_MODEL = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
# The key of the validation context that holds the backend's function from `class_type` to `InputClass`.
CLASSIFY = "classify"
_EXPECTED = {
    InputKind.INTEGER: "a whole number",
    InputKind.FLOAT: "a number",
    InputKind.BOOLEAN: "true or false",
    InputKind.IMAGES: "a list of texts",
}


def _choice(value: object) -> object:
    """Expand the short form of a choice (`"euler"`, `512`) whose name is its value."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return {"name": str(value), "value": str(value)}


def _number_as_text(value: object) -> object:
    return str(value) if is_number(value) else value


def _input_class(value: object, info: ValidationInfo) -> InputClass:
    """Look up the backend's input class with the function in the validation context."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    context: Mapping[str, Callable[[str], InputClass]] = info.context or {}
    return context[CLASSIFY](value.strip())


class ChoiceConfig(BaseModel):
    """A choice, `{name = "Fast", value = "euler"}`: `name` is displayed, `value` is sent."""

    model_config = _MODEL

    name: Annotated[str, Field(min_length=1, max_length=100)]
    value: Annotated[str, BeforeValidator(_number_as_text)]


class InputConfig(BaseModel):
    """The configuration of an input; omitted settings come from the backend.

    With `kind` or `class_type`, the input works even if the backend doesn't describe it.
    """

    model_config = _MODEL

    option: OptionName | None = None
    description: str | None = None
    kind: InputKind | None = None
    class_type: Annotated[InputClass, PlainValidator(_input_class)] | None = None
    choices: tuple[Annotated[ChoiceConfig, BeforeValidator(_choice)], ...] = ()
    min: Number | None = None
    max: Number | None = None
    min_length: Length | None = None
    max_length: Annotated[int, Field(ge=1, le=6000)] | None = None
    default: Value | None = None
    required: bool | None = None
    fixed: Value | None = None
    hidden: bool = False
    max_count: Annotated[int, Field(ge=1, le=10)] | None = None
    prompt: bool | None = None
    seed: bool | None = None

    @property
    def described_kind(self) -> InputKind | None:
        """Return the kind that the file specifies, or None to use the backend's."""
        if self.kind is None and self.class_type is not None:
            return self.class_type.kind
        return self.kind

    @property
    def offered(self) -> bool:
        return self.fixed is None and not self.hidden

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if mistakes := [*_ranges(self), *_offers(self), *_choices(self), *_default(self)]:
            raise ValueError("\n".join(mistakes))
        return self


def _ranges(config: InputConfig) -> Iterator[str]:
    low, high, default = config.min, config.max, config.default
    if low is not None and high is not None and high < low:
        yield "max is below min"
    elif is_number(default) and beyond(default, low, high):
        yield f"default {beyond(default, low, high)}"
    shortest, longest = config.min_length, config.max_length
    if shortest is not None and longest is not None and longest < shortest:
        yield "max_length is below min_length"
    if isinstance(default, str) and longest is not None and len(default) > longest:
        yield "default is longer than max_length"


def _offers(config: InputConfig) -> Iterator[str]:
    if config.fixed is not None and config.hidden:
        yield "fixed and hidden exclude each other: a fixed input is never offered"
    if config.fixed is not None and (config.default is not None or config.required):
        yield "fixed leaves nothing to choose: remove default and required"
    if config.prompt and config.seed:
        yield "an input can't be both the prompt and the seed"


def _choices(config: InputConfig) -> Iterator[str]:
    if not config.choices and "choices" in config.model_fields_set:
        yield "choices must not be empty"
    elif not config.choices and config.described_kind is InputKind.CHOICE and config.offered:
        yield "a choice needs choices; without kind and class_type ComfyDeploy's own are offered"
    names = {choice.name for choice in config.choices}
    if len(names) < len(config.choices):
        yield "two choices have the same name"
    allowed = {*names, *(choice.value for choice in config.choices)}
    if config.choices and config.default is not None and str(config.default) not in allowed:
        yield "default is not one of the choices"


def _default(config: InputConfig) -> Iterator[str]:
    """Yield a mistake if the default doesn't fit its input.

    Without this check the default would be dropped, and the option would become required.
    """
    value, kind = config.default, config.described_kind
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        yield f"default must be a number between -{LARGEST} and {LARGEST}"
    elif value is not None and kind is not None and not _accepts(config, kind, value):
        yield f"default must be {_EXPECTED.get(kind, 'text in quotes')}, as {kind.value} takes"


def _accepts(config: InputConfig, kind: InputKind, value: InputValue) -> bool:
    match kind:
        case InputKind.INTEGER:
            return is_number(value) and value == int(value)
        case InputKind.FLOAT:
            return is_number(value)
        case InputKind.BOOLEAN:
            return isinstance(value, bool)
        case InputKind.IMAGES:
            return isinstance(value, list) and bool(value)
    return isinstance(value, str) or (bool(config.choices) and is_number(value))


# The names of the choices if the file leaves them out.
SHAPES = ("square", "portrait", "landscape")
_MAX_SIZES = 25
_CHOICE_LENGTH = 100


def _size(value: object) -> tuple[int, int]:
    match value:
        case [int(width), int(height)] if all(is_number(side) and 1 <= side <= LARGEST for side in value):
            return width, height
    raise ValueError("must be two whole numbers above 0, as in [1024, 1024]")


class SizesConfig(BaseModel):
    """One choice that replaces two inputs. `width` and `height` are the inputs' keys or names.

    If `choices` is None, the choices are square, portrait and landscape.
    """

    model_config = _MODEL

    width: Annotated[str, Field(min_length=1)] = "width"
    height: Annotated[str, Field(min_length=1)] = "height"
    option: OptionName = "size"
    description: str | None = None
    default: str | None = None
    choices: dict[str, Annotated[tuple[int, int], PlainValidator(_size)]] | None = None

    @property
    def keys(self) -> tuple[str, str]:
        return self.width, self.height

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        mistakes = [*_size_names(self.choices), *_same_sizes(self.choices or {})]
        if self.width == self.height:
            mistakes.append("width and height are the same input; each needs its own")
        if self.default is not None and self.default not in (self.choices or SHAPES):
            mistakes.append("default is not one of the choices")
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self


def _size_names(choices: Mapping[str, object] | None) -> Iterator[str]:
    if choices is None:
        return
    if not choices:
        yield "choices must not be empty; leave it out for square, portrait and landscape"
    if len(choices) > _MAX_SIZES:
        yield f"there are {len(choices)} choices and Discord takes {_MAX_SIZES}"
    if not all(0 < len(name) <= _CHOICE_LENGTH for name in choices):
        yield f"the name of a choice must have 1 to {_CHOICE_LENGTH} characters"
    if len({name.casefold() for name in choices}) < len(choices):
        yield "two choices have the same name"


def _same_sizes(choices: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    if len(set(choices.values())) < len(choices):
        yield "two choices have the same size"


# Discord's limits: the fields of a form, and the options of the select of follow-ups without a button.
_MAX_ASKED = 5
_MAX_FOLLOW_UPS = 25


class FollowUpConfig(BaseModel):
    """An action that can follow a result: a run of `deployment`.

    Inputs are named by their key or option in that deployment. An input in `carry` is copied from the input
    of the same name in the result's deployment.
    """

    model_config = _MODEL

    deployment: Name
    label: Label
    emoji: Emoji | None = None
    input: Key | None = None
    carry: tuple[Key, ...] = ()
    inputs: dict[Key, Value] = Field(default_factory=dict)
    ask: Annotated[tuple[Key, ...], Field(max_length=_MAX_ASKED)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if mistakes := [*_named_twice(self)]:
            raise ValueError("\n".join(mistakes))
        return self


def _named_twice(config: FollowUpConfig) -> Iterator[str]:
    for name in config.carry:
        if name in config.inputs:
            yield f"{name} is in both carry and inputs; one value can be sent"
    if config.input is not None and config.input in (*config.carry, *config.inputs, *config.ask):
        yield f"{config.input} takes the result, so it can't be in carry, inputs or ask"


class DeploymentConfig(BaseModel):
    """The configuration of a deployment; `name` is its key in the file."""

    model_config = _MODEL

    name: Name
    deployment_id: Uuid
    title: str | None = None
    description: str | None = None
    group: Name | None = None
    gpus: tuple[Gpu, ...] | None = None
    default_gpu: Gpu | None = None
    concurrency_limit: Annotated[int, Field(ge=1)] | None = None
    max_count: Annotated[int, Field(ge=1, le=10)] | None = None
    age_restricted: bool = False
    only_listed_inputs: bool = False
    sizes: SizesConfig | None = None
    inputs: dict[Annotated[str, Field(min_length=1)], InputConfig] = Field(default_factory=dict)
    then: Annotated[tuple[FollowUpConfig, ...], Field(max_length=_MAX_FOLLOW_UPS)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        checks = (_gpus, _markers, _same_options, _same_labels, _sizes)
        if mistakes := [mistake for check in checks for mistake in check(self)]:
            raise ValueError("\n".join(mistakes))
        return self


def _gpus(config: DeploymentConfig) -> Iterator[str]:
    if config.gpus is None:
        return
    if config.default_gpu is not None and config.default_gpu not in config.gpus:
        yield "default_gpu is not one of gpus"
    if len(set(config.gpus)) < len(config.gpus):
        yield "a GPU appears twice in gpus"


def _markers(config: DeploymentConfig) -> Iterator[str]:
    prompts = [key for key, item in config.inputs.items() if item.prompt]
    if len(prompts) > 1:
        yield f"inputs {', '.join(prompts)} are all marked as the prompt; only one can be"


def _same_options(config: DeploymentConfig) -> Iterator[str]:
    sides = config.sizes.keys if config.sizes is not None else ()
    keys: dict[str, list[str]] = {config.sizes.option: ["sizes"]} if config.sizes is not None else {}
    for key, item in config.inputs.items():
        if item.option is not None and item.offered and key not in sides:
            keys.setdefault(item.option, []).append(key)
    for option, duplicates in keys.items():
        if len(duplicates) > 1:
            yield f"{', '.join(duplicates)} all have the option {option}; only one can"


def _same_labels(config: DeploymentConfig) -> Iterator[str]:
    if len({follow_up.label.casefold() for follow_up in config.then}) < len(config.then):
        yield "a label appears twice in then"


def _sizes(config: DeploymentConfig) -> Iterator[str]:
    """Yield the mistakes in `sizes` that can be found without the backend's description."""
    sizes = config.sizes
    if sizes is None:
        return
    for side, key in enumerate(sizes.keys):
        item = config.inputs.get(key)
        if item is None:
            continue
        if reason := _no_side(item):
            yield f"sizes can't set input {key}: {reason}"
        for name, size in (sizes.choices or {}).items():
            if limit := beyond(size[side], item.min, item.max):
                yield f"size {name}: {key} {limit}"


def _no_side(item: InputConfig) -> str:
    """Return why an input can't be a side of a size, or an empty string."""
    kind = item.described_kind
    if not item.offered:
        return f"it is {'hidden' if item.hidden else 'fixed'}"
    if kind not in (None, InputKind.INTEGER, InputKind.FLOAT):
        return f"it is of kind {kind}, not a number"
    return "it is the prompt" if item.prompt else "it is a seed" if item.seed else ""


def beyond(value: float, low: float | None, high: float | None) -> str:
    """Describe how a number violates the limits, or return an empty string."""
    if low is not None and value < low:
        return f"is below the minimum {low:.15g}"
    if high is not None and value > high:
        return f"is above the maximum {high:.15g}"
    return ""
