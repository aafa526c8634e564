"""The schema of `deployments.toml`. Unknown settings are errors, so that typos are noticed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Self, TypeGuard
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from bot.deployments.naming import NAME_LENGTH, RESERVED, acceptable, slug
from bot.domain.backend import InputClass, InputKind
from bot.domain.runs import InputValue

_MODEL = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
# The key of the validation context that holds the backend's function from `class_type` to `InputClass`.
CLASSIFY = "classify"
# Discord's clients lose precision above this.
LARGEST = 2**53 - 1
_EXPECTED = {
    InputKind.INTEGER: "a whole number",
    InputKind.FLOAT: "a number",
    InputKind.BOOLEAN: "true or false",
    InputKind.IMAGES: "a list of texts",
}
_MAX_UNSIGNED_64 = 2**64  # the limit of ComfyUI's nodes


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: object) -> object:
    """Validate a value of a queue call: text, a number, a boolean, or a list of texts."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    if isinstance(value, int) and abs(value) >= _MAX_UNSIGNED_64:
        raise ValueError("must be a number of at most 64 bits")
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return value
    elif isinstance(value, str | int | float):
        return value
    raise ValueError("must be text, a number, true, false or a list of texts")


def _choice(value: object) -> object:
    """Expand the short form of a choice (`"euler"`, `512`) whose name is its value."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return {"name": str(value), "value": str(value)}


def _uuid(value: object) -> str:
    form = "must be a UUID like 98244b49-9b56-46b8-83c8-334f27412095, as in its address"
    if not isinstance(value, str):
        raise ValueError(f"{form}, in quotes")  # noqa: TRY004  # pydantic handles only ValueError
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError(f"{form}, not {value!r}") from None


def _number_as_text(value: object) -> object:
    return str(value) if _is_number(value) else value


def _limit(value: object) -> int | float:
    if _is_number(value) and -LARGEST <= value <= LARGEST:
        return value
    raise ValueError(f"must be a number between -{LARGEST} and {LARGEST}")


def _name(value: str) -> str:
    """Reject names that Discord doesn't accept.

    They aren't converted, because operators would not find the converted names in their file.
    """
    if acceptable(value):
        return value
    hint = f" such as {similar!r}," if (similar := slug(value, "")) else ""
    raise ValueError(
        f"must be what Discord takes,{hint} not {value!r}: 1 to {NAME_LENGTH} letters in lower case, digits, "
        "'-' and '_'"
    )


def _option(value: str) -> str:
    if value in RESERVED:
        raise ValueError(f"can't be {value!r}, which is the bot's own")
    return value


def _input_class(value: object, info: ValidationInfo) -> InputClass:
    """Look up a class of the backend with the function in the validation's context."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    context: Mapping[str, Callable[[str], InputClass]] = info.context or {}
    return context[CLASSIFY](value.strip())


class ChoiceConfig(BaseModel):
    """A choice, `{name = "Fast", value = "euler"}`: `name` is displayed, `value` is sent."""

    model_config = _MODEL

    name: Annotated[str, Field(min_length=1, max_length=100)]
    value: Annotated[str, BeforeValidator(_number_as_text)]


Name = Annotated[str, AfterValidator(_name)]
Value = Annotated[InputValue, PlainValidator(_value)]
Number = Annotated[int | float, PlainValidator(_limit)]
Gpu = Annotated[str, Field(min_length=1, max_length=100)]
Length = Annotated[int, Field(ge=0, le=6000)]


class InputConfig(BaseModel):
    """The configuration of an input; omitted settings come from the backend.

    With `kind` or `class_type`, the input works even if the backend doesn't describe it.
    """

    model_config = _MODEL

    option: Annotated[Name, AfterValidator(_option)] | None = None
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
            raise PydanticCustomError("several", "{mistakes}", {"mistakes": mistakes})
        return self


def _ranges(config: InputConfig) -> Iterator[str]:
    low, high, default = config.min, config.max, config.default
    if low is not None and high is not None and high < low:
        yield f"maximum {high:g} is below minimum {low:g}"
    elif _is_number(default):
        if low is not None and default < low:
            yield f"default {default:g} is below minimum {low:g}"
        if high is not None and default > high:
            yield f"default {default:g} is above maximum {high:g}"
    shortest, longest = config.min_length, config.max_length
    if shortest is not None and longest is not None and longest < shortest:
        yield f"max_length {longest} is below min_length {shortest}"
    if isinstance(default, str) and longest is not None and len(default) > longest:
        yield f"the default has {len(default)} characters, more than max_length {longest}"


def _offers(config: InputConfig) -> Iterator[str]:
    if config.fixed is not None and config.hidden:
        yield "'fixed' and 'hidden' exclude each other: a fixed input is never offered"
    if config.fixed is not None and (config.default is not None or config.required):
        yield "'fixed' leaves nothing to choose: remove 'default' and 'required'"
    if config.prompt and config.seed:
        yield "an input can't be both the prompt and the seed"


def _choices(config: InputConfig) -> Iterator[str]:
    if not config.choices and "choices" in config.model_fields_set:
        yield "'choices' must not be empty"
    elif not config.choices and config.described_kind is InputKind.CHOICE and config.offered:
        yield "a choice needs 'choices'; without 'kind' and 'class_type' ComfyDeploy's own are offered"
    names = [choice.name for choice in config.choices]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"choice {name!r} is there twice"
    allowed = {*names, *(choice.value for choice in config.choices)}
    if config.choices and config.default is not None and str(config.default) not in allowed:
        yield f"default {config.default!r} is not one of the choices"


def _default(config: InputConfig) -> Iterator[str]:
    """Yield a mistake if the default doesn't fit its input.

    Without this the default would be dropped and the option become required.
    """
    value, kind = config.default, config.described_kind
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        yield f"the default must be a number between -{LARGEST} and {LARGEST}"
    elif value is not None and kind is not None and not _accepts(config, kind, value):
        yield f"default {value!r} is not {_EXPECTED.get(kind, 'text in quotes')}, as {kind.value!r} takes"


def _accepts(config: InputConfig, kind: InputKind, value: InputValue) -> bool:
    match kind:
        case InputKind.INTEGER:
            return _is_number(value) and value == int(value)
        case InputKind.FLOAT:
            return _is_number(value)
        case InputKind.BOOLEAN:
            return isinstance(value, bool)
        case InputKind.IMAGES:
            return isinstance(value, list) and bool(value)
    return isinstance(value, str) or (bool(config.choices) and _is_number(value))


# The names of the choices if the file leaves them out.
SHAPES = ("square", "portrait", "landscape")
_MAX_SIZES = 25
_CHOICE_LENGTH = 100


def _size(value: object) -> tuple[int, int]:
    match value:
        case [int(width), int(height)] if all(_is_number(side) and 1 <= side <= LARGEST for side in value):
            return width, height
    raise ValueError("must be two whole numbers above 0, as in [1024, 1024]")


class SizesConfig(BaseModel):
    """One choice that replaces two inputs. `width` and `height` are the keys of the inputs."""

    model_config = _MODEL

    width: Annotated[str, Field(min_length=1)] = "width"
    height: Annotated[str, Field(min_length=1)] = "height"
    option: Annotated[Name, AfterValidator(_option)] = "size"
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
            mistakes.append(f"width and height are both the input {self.width!r}; they need one each")
        if self.default is not None and self.default not in (self.choices or SHAPES):
            mistakes.append(f"default {self.default!r} is not one of the choices")
        if mistakes:
            raise PydanticCustomError("several", "{mistakes}", {"mistakes": mistakes})
        return self


def _size_names(choices: Mapping[str, object] | None) -> Iterator[str]:
    if choices is None:
        return
    if not choices:
        yield "'choices' must not be empty; leave it out for square, portrait and landscape"
    if len(choices) > _MAX_SIZES:
        yield f"there are {len(choices)} choices and Discord takes {_MAX_SIZES}"
    first: dict[str, str] = {}
    for name in choices:
        if not name or len(name) > _CHOICE_LENGTH:
            yield f"the name {name!r} has {len(name)} characters and Discord takes 1 to {_CHOICE_LENGTH}"
        if (other := first.setdefault(name.casefold(), name)) != name:
            yield f"choices {other!r} and {name!r} have the same name"


def _same_sizes(choices: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    first: dict[tuple[int, int], str] = {}
    for name, size in choices.items():
        if (other := first.setdefault(size, name)) != name:
            yield f"choices {other!r} and {name!r} have the same size"


class DeploymentConfig(BaseModel):
    """The configuration of a deployment; `name` is its key in the file."""

    model_config = _MODEL

    name: Name
    deployment_id: Annotated[str, BeforeValidator(_uuid)]
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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if mistakes := [*_gpus(self), *_markers(self), *_same_options(self), *_sizes(self)]:
            raise PydanticCustomError("several", "{mistakes}", {"mistakes": mistakes})
        return self


def _gpus(config: DeploymentConfig) -> Iterator[str]:
    if config.gpus is None:
        return
    if config.default_gpu is not None and config.default_gpu not in config.gpus:
        yield f"default_gpu {config.default_gpu!r} is not one of its gpus"
    if len(set(config.gpus)) < len(config.gpus):
        yield "a GPU is there twice in 'gpus'"


def _markers(config: DeploymentConfig) -> Iterator[str]:
    prompts = [key for key, item in config.inputs.items() if item.prompt]
    if len(prompts) > 1:
        yield f"inputs {', '.join(map(repr, prompts))} are all marked as the prompt; one can be"


def _same_options(config: DeploymentConfig) -> Iterator[str]:
    keys: dict[str, list[str]] = {}
    for key, item in config.inputs.items():
        if config.sizes is not None and key in config.sizes.keys:
            continue
        if item.option is not None and item.offered:
            keys.setdefault(item.option, []).append(key)
    for option, duplicates in keys.items():
        if len(duplicates) > 1:
            yield f"inputs {', '.join(map(repr, duplicates))} all have the option {option!r}; one can"
    if config.sizes is not None and config.sizes.option in keys:
        others = ", ".join(map(repr, keys[config.sizes.option]))
        yield f"sizes and input {others} both have the option {config.sizes.option!r}; one can"


def _sizes(config: DeploymentConfig) -> Iterator[str]:
    """Yield the mistakes in sizes that are evident from the file alone. The compiler finds the rest."""
    sizes = config.sizes
    if sizes is None:
        return
    for side, key in enumerate(sizes.keys):
        item = config.inputs.get(key)
        if item is None:
            continue
        if reason := _no_side(item):
            yield f"sizes can't set input {key!r}: {reason}"
        for name, size in (sizes.choices or {}).items():
            if limit := beyond(size[side], item.min, item.max):
                yield f"size {name!r}: {key} {limit}"


def _no_side(item: InputConfig) -> str:
    """Return why an input can't be a side of a size, or an empty string."""
    kind = item.described_kind
    if not item.offered:
        return f"it is {'hidden' if item.hidden else 'fixed'}"
    if kind not in (None, InputKind.INTEGER, InputKind.FLOAT):
        return f"it is of kind '{kind}', not a number"
    return "it is the prompt" if item.prompt else "it is a seed" if item.seed else ""


def beyond(value: float, low: float | None, high: float | None) -> str:
    """Return how a number violates the limits, as words, or an empty string."""
    if low is not None and value < low:
        return f"{value:.15g} is below minimum {low:.15g}"
    if high is not None and value > high:
        return f"{value:.15g} is above maximum {high:.15g}"
    return ""
