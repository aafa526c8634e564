"""What an operator writes into `deployments.toml`. Unknown settings are errors, so that typos are noticed.

docs/configuration.md lists the fields with their descriptions; a field without one isn't for the file.
"""

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
from bot.domain.forms import FORM_LIMIT

# The key of the validation context that holds the backend's function from `class_type` to `InputClass`.
CLASSIFY = "classify"
# Discord's limit for the choices of an option or a select.
CHOICES = 25
_CHOICE_LENGTH = 100
# The names of the sizes if the file leaves them out.
SHAPES = ("square", "portrait", "landscape")


class Table(BaseModel):
    """A table of the file. It reports the mistakes between its settings beside those in each."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )

    def mistakes(self) -> Iterator[str]:
        """Yield the mistakes that no setting makes alone."""
        yield from ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if found := [*self.mistakes()]:
            raise ValueError("\n".join(found))
        return self


class Choice(Table):
    """An allowed value: `name` is displayed, `value` is sent."""

    name: Annotated[str, Field(min_length=1, max_length=_CHOICE_LENGTH)]
    """the text shown in Discord"""
    value: Annotated[str, BeforeValidator(lambda value: str(value) if is_number(value) else value)]
    """the value sent"""


def _choice(value: object) -> object:
    """Expand the short form of a choice (`"euler"`, `512`) whose name is its value."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return {"name": value if isinstance(value, str) else f"{value:.15g}", "value": str(value)}


def _input_class(value: object, info: ValidationInfo) -> InputClass:
    """Look up the backend's input class with the function in the validation context."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    context: Mapping[str, Callable[[str], InputClass]] = info.context or {}
    return context[CLASSIFY](value.strip())


# What a default has to be, by kind; the others take text.
_EXPECTED = {
    InputKind.INTEGER: "a whole number",
    InputKind.FLOAT: "a number",
    InputKind.BOOLEAN: "true or false",
    InputKind.IMAGES: "a list of texts",
}


class InputSettings(Table):
    """The settings of an input; omitted ones come from the backend.

    With `kind` or `class_type`, the input works even if the backend doesn't describe it. A `fixed` value is
    always sent and never offered. A `hidden` input uses the backend's default.
    """

    option: OptionName | None = None
    """its name in Discord; default: derived from its name in the workflow"""
    description: str | None = None
    """shown next to the option"""
    kind: InputKind | None = None
    """its type, if ComfyDeploy doesn't say: `text`, `integer`, `float`, `boolean`, `choice`, `image`,
    `images`, `video`, `audio`, `file`, `weights`"""
    class_type: Annotated[InputClass, PlainValidator(_input_class)] | None = None
    """instead of `kind`: its node's class, such as `ComfyUIDeployExternalNumberInt`"""
    choices: tuple[Annotated[Choice, BeforeValidator(_choice)], ...] = ()
    """values, or `{name = …, value = …}`; required for weights"""
    minimum: Number | None = Field(None, alias="min")
    """the smallest number"""
    maximum: Number | None = Field(None, alias="max")
    """the largest number"""
    min_length: Length | None = None
    """the minimum number of characters"""
    max_length: Annotated[int, Field(ge=1, le=6000)] | None = None
    """the maximum number of characters, up to 6000"""
    default: Value | None = None
    """sent if the option is left out; default: ComfyDeploy's"""
    required: bool | None = None
    """whether the option must be given"""
    fixed: Value | None = None
    """always sent, never offered"""
    hidden: bool = False
    """not offered; ComfyDeploy's default applies"""
    max_count: Annotated[int, Field(ge=1, le=10)] | None = None
    """the number of pictures in an image batch, up to 10: `image1`, `image2` …"""
    is_prompt: bool | None = Field(None, alias="prompt")
    """the main text; default: found by its name"""
    is_seed: bool | None = Field(None, alias="seed")
    """drawn by the bot if left out, and shown"""

    @property
    def described_kind(self) -> InputKind | None:
        """Return the kind that the file specifies, or None to use the backend's."""
        if self.kind is None and self.class_type is not None:
            return self.class_type.kind
        return self.kind

    @property
    def offered(self) -> bool:
        return self.fixed is None and not self.hidden

    def mistakes(self) -> Iterator[str]:
        yield from self._limits()
        if self.fixed is not None and self.hidden:
            yield "fixed and hidden exclude each other: a fixed input is never offered"
        if self.fixed is not None and (self.default is not None or self.required):
            yield "fixed leaves nothing to choose: remove default and required"
        if self.is_prompt and self.is_seed:
            yield "an input can't be both the prompt and the seed"
        yield from self._choices()
        yield from self._default()

    def _limits(self) -> Iterator[str]:
        low, high, default = self.minimum, self.maximum, self.default
        if low is not None and high is not None and high < low:
            yield "max is below min"
        elif is_number(default) and beyond(default, low, high):
            yield f"default {beyond(default, low, high)}"
        shortest, longest = self.min_length, self.max_length
        if shortest is not None and longest is not None and longest < shortest:
            yield "max_length is below min_length"
        if isinstance(default, str) and longest is not None and len(default) > longest:
            yield "default is longer than max_length"

    def _choices(self) -> Iterator[str]:
        if not self.choices and "choices" in self.model_fields_set:
            yield "choices must not be empty"
        elif not self.choices and self.described_kind is InputKind.CHOICE and self.offered:
            yield "a choice needs choices; without kind and class_type ComfyDeploy's own are offered"
        names = {choice.name for choice in self.choices}
        if len(names) < len(self.choices):
            yield "two choices have the same name"
        allowed = {*names, *(choice.value for choice in self.choices)}
        if self.choices and self.default is not None and str(self.default) not in allowed:
            yield "default is not one of the choices"

    def _default(self) -> Iterator[str]:
        """Yield a mistake if the default doesn't fit its input.

        Without this check the default would be dropped, and the option would become required.
        """
        value, kind = self.default, self.described_kind
        if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
            yield f"default must be a number between -{LARGEST} and {LARGEST}"
        elif value is not None and kind is not None and not self._accepts(kind, value):
            yield f"default must be {_EXPECTED.get(kind, 'text in quotes')}, as {kind.value} takes"

    def _accepts(self, kind: InputKind, value: object) -> bool:
        match kind:
            case InputKind.INTEGER:
                return is_number(value) and value == int(value)
            case InputKind.FLOAT:
                return is_number(value)
            case InputKind.BOOLEAN:
                return isinstance(value, bool)
            case InputKind.IMAGES:
                return isinstance(value, list) and bool(value)
        return isinstance(value, str) or (bool(self.choices) and is_number(value))

    def no_side(self) -> str:
        """Return why the input can't be a side of a size, or an empty string."""
        kind = self.described_kind
        if not self.offered:
            return f"it is {'hidden' if self.hidden else 'fixed'}"
        if kind not in (None, InputKind.INTEGER, InputKind.FLOAT):
            return f"it is of kind {kind}, not a number"
        return "it is the prompt" if self.is_prompt else "it is a seed" if self.is_seed else ""


def _size(value: object) -> tuple[int, int]:
    match value:
        case [int(width), int(height)] if all(is_number(side) and 1 <= side <= LARGEST for side in value):
            return width, height
    raise ValueError("must be two whole numbers above 0, as in [1024, 1024]")


class SizesSettings(Table):
    """One choice that replaces two inputs. `width` and `height` are the inputs' keys or names."""

    width: Annotated[str, Field(min_length=1)] = "width"
    """the key of the input for the width; default: `width`"""
    height: Annotated[str, Field(min_length=1)] = "height"
    """the key of the input for the height; default: `height`"""
    option: OptionName = "size"
    """its name in Discord; default: `size`"""
    description: str | None = None
    """shown next to the option"""
    default: str | None = None
    """sent if the option is left out; default: ComfyDeploy's defaults"""
    choices: dict[str, Annotated[tuple[int, int], PlainValidator(_size)]] | None = None
    """up to 25 names with width and height: `{ square = [1024, 1024], tall = [832, 1216] }`; default: square,
    portrait and landscape, with the area of the inputs' defaults"""

    @property
    def keys(self) -> tuple[str, str]:
        return self.width, self.height

    def mistakes(self) -> Iterator[str]:
        if self.choices is not None:
            yield from _wrong_sizes(self.choices)
        if self.width == self.height:
            yield "width and height are the same input; each needs its own"
        if self.default is not None and self.default not in (self.choices or SHAPES):
            yield "default is not one of the choices"


def _wrong_sizes(choices: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    if not choices:
        yield "choices must not be empty; leave it out for square, portrait and landscape"
    if len(choices) > CHOICES:
        yield f"there are {len(choices)} choices and Discord takes {CHOICES}"
    if not all(0 < len(name) <= _CHOICE_LENGTH for name in choices):
        yield f"the name of a choice must have 1 to {_CHOICE_LENGTH} characters"
    if len({name.casefold() for name in choices}) < len(choices):
        yield "two choices have the same name"
    if len(set(choices.values())) < len(choices):
        yield "two choices have the same size"


class FollowUpSettings(Table):
    """An action that can follow a result: a run of `deployment`.

    Inputs are named by their key or option in that deployment. An input in `carry` is copied from the input
    of the same name in the result's deployment.
    """

    deployment: Name
    """required: NAME of the deployment that it starts"""
    label: Label
    """required: the text of its button, up to 32 characters; short ones fit a phone's row"""
    emoji: Emoji | None = None
    """one Unicode emoji before the label"""
    input: Key | None = None
    """the input that takes the result, by key or option; default: the only one for that kind of file"""
    carry: tuple[Key, ...] = ()
    """inputs copied from the result, by key or option; `prompt` is the prompt, whatever its key"""
    inputs: Mapping[Key, Value] = {}
    """fixed values, such as `{ scale = 4 }`"""
    ask: Annotated[tuple[Key, ...], Field(max_length=FORM_LIMIT)] = ()
    """inputs that a form asks for first. Required inputs without a value join them, up to five in all;
    without any, one press starts the run"""

    def mistakes(self) -> Iterator[str]:
        for name in self.carry:
            if name in self.inputs:
                yield f"{name} is in both carry and inputs; one value can be sent"
        if self.input is not None and self.input in (*self.carry, *self.inputs, *self.ask):
            yield f"{self.input} takes the result, so it can't be in carry, inputs or ask"


class DeploymentSettings(Table):
    """The settings of a deployment; `name` is its key in the file."""

    name: Name
    deployment_id: Uuid
    """required: its id, from its page in ComfyDeploy"""
    title: str | None = None
    """its name in messages; default: the workflow's name"""
    description: str | None = None
    """shown next to the subcommand; default: the workflow's description"""
    group: Name | None = None
    """a word before the subcommand: `/generate video ltx`"""
    example: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """a prompt to try, which `/help` shows; default: the workflow's own prompt"""
    gpus: tuple[Gpu, ...] | None = None
    """the GPUs to choose from; default: all that ComfyDeploy documents; `[]`: no choice"""
    default_gpu: Gpu | None = None
    """sent if the user chooses none; default: the machine's own, which servers' GPU rules can't know"""
    expected_seconds: Annotated[int, Field(ge=1)] | None = None
    """how long a run takes, for the estimates until five results have shown it"""
    concurrency_limit: Annotated[int, Field(ge=1)] | None = None
    """its concurrent runs; default: ComfyDeploy's limit"""
    max_count: Annotated[int, Field(ge=1, le=10)] | None = None
    """the maximum of `count`, up to 10; default: 4 with a seed to vary, otherwise 1. Below 4 there is no
    button *4 more*, at 1 no `count`"""
    age_restricted: bool = False
    """allowed only in age-restricted channels"""
    only_listed_inputs: bool = False
    """offer only the inputs listed here"""
    sizes: SizesSettings | None = None
    """one choice instead of two inputs for width and height; see below"""
    inputs: Mapping[Annotated[str, Field(min_length=1)], InputSettings] = {}
    """a table per input, by its `input_id` in the workflow; see below"""
    follow_ups: Annotated[tuple[FollowUpSettings, ...], Field(max_length=CHOICES)] = Field((), alias="then")
    """follow-ups of a result; see below"""

    def mistakes(self) -> Iterator[str]:
        if self.gpus is not None and self.default_gpu not in (None, *self.gpus):
            yield "default_gpu is not one of gpus"
        if self.gpus is not None and len(set(self.gpus)) < len(self.gpus):
            yield "a GPU appears twice in gpus"
        prompts = [key for key, item in self.inputs.items() if item.is_prompt]
        if len(prompts) > 1:
            yield f"inputs {', '.join(prompts)} are all marked as the prompt; only one can be"
        yield from self._same_options()
        if len({each.label.casefold() for each in self.follow_ups}) < len(self.follow_ups):
            yield "a label appears twice in then"
        if self.sizes is not None:
            yield from self._sides(self.sizes)

    def _same_options(self) -> Iterator[str]:
        sides = self.sizes.keys if self.sizes is not None else ()
        keys: dict[str, list[str]] = {self.sizes.option: ["sizes"]} if self.sizes is not None else {}
        for key, item in self.inputs.items():
            if item.option is not None and item.offered and key not in sides:
                keys.setdefault(item.option, []).append(key)
        for option, same in keys.items():
            if len(same) > 1:
                yield f"{', '.join(same)} all have the option {option}; only one can"

    def _sides(self, sizes: SizesSettings) -> Iterator[str]:
        """Yield the mistakes in `sizes` that can be found without the backend's description."""
        for side, key in enumerate(sizes.keys):
            item = self.inputs.get(key)
            if item is None:
                continue
            if reason := item.no_side():
                yield f"sizes can't set input {key}: {reason}"
            for name, size in (sizes.choices or {}).items():
                if limit := beyond(size[side], item.minimum, item.maximum):
                    yield f"size {name}: {key} {limit}"


def beyond(value: float, low: float | None, high: float | None) -> str:
    """Describe how a number violates the limits, or return an empty string."""
    if low is not None and value < low:
        return f"is below the minimum {low:.15g}"
    if high is not None and value > high:
        return f"is above the maximum {high:.15g}"
    return ""
