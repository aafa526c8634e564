"""What an operator writes into `deployments.toml`, and reading it. Its mistakes are reported together.

Unknown settings are errors, so that typos are noticed. docs/configuration.md lists the fields with their
descriptions; a field without one isn't for the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from bot.deployments.schema.field_types import (
    LARGEST,
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
    mistakes,
)
from bot.domain import picture_check
from bot.domain.backend import InputKind
from bot.domain.errors import StartupError
from bot.domain.forms import FORM_LIMIT
from bot.domain.text import shown_number

# Discord's limit for the choices of an option or a select.
CHOICES = 25
_CHOICE_LENGTH = 100
_ChoiceName = Annotated[str, Field(min_length=1, max_length=_CHOICE_LENGTH)]


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
        """Yield the mistakes that no setting makes alone. A point begins the path of one in the table."""
        yield from ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if found := [*self.mistakes()]:
            raise ValueError("\n".join(found))
        return self


class Choice(Table):
    """An allowed value: `name` is displayed, `value` is sent."""

    name: _ChoiceName
    """the text shown in Discord"""
    value: Annotated[str, BeforeValidator(lambda value: str(value) if is_number(value) else value)]
    """the value sent"""


def _choice(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return {"name": value if isinstance(value, str) else shown_number(value), "value": str(value)}


class InputSettings(Table):
    """The settings of an input; omitted ones come from the backend.

    With `kind`, the input works even if the backend doesn't describe it. A `fixed` value is always sent and
    never offered. A `hidden` input uses the backend's default.
    """

    option: OptionName | None = None
    """its name in Discord; default: derived from its name in the workflow"""
    description: str | None = None
    """shown next to the option"""
    kind: InputKind | None = None
    """its type, if ComfyDeploy doesn't say: `text`, `integer`, `float`, `boolean`, `choice`, `image`,
    `images`, `video`, `audio`, `file`, `weights`"""
    choices: Annotated[tuple[Annotated[Choice, BeforeValidator(_choice)], ...], Field(min_length=1)] = ()
    """values, or `{name = …, value = …}`; required for weights"""
    minimum: Number | None = Field(None, alias="min")
    """the smallest number"""
    maximum: Number | None = Field(None, alias="max")
    """the largest number"""
    min_length: Length | None = None
    """the minimum number of characters"""
    max_length: Annotated[Length, Field(ge=1)] | None = None
    """the maximum number of characters, up to 4000"""
    default: Value | None = None
    """sent if the option is left out; default: ComfyDeploy's"""
    required: StrictBool | None = None
    """whether the option must be given"""
    fixed: Value | None = None
    """always sent, never offered"""
    hidden: StrictBool = False
    """not offered; ComfyDeploy's default applies"""
    max_count: Annotated[StrictInt, Field(ge=1, le=10)] | None = None
    """the number of pictures in an image batch, up to 10: `image1`, `image2` …"""
    is_prompt: StrictBool | None = Field(None, alias="prompt")
    """the main text; default: found by its name"""
    is_seed: StrictBool | None = Field(None, alias="seed")
    """drawn by the bot if left out, and shown"""

    def mistakes(self) -> Iterator[str]:
        if self.minimum is not None and self.maximum is not None and self.maximum < self.minimum:
            yield "max is below min"
        if self.min_length is not None and self.max_length is not None and self.max_length < self.min_length:
            yield "max_length is below min_length"
        if len({choice.name for choice in self.choices}) < len(self.choices):
            yield "two choices have the same name"


_Side = Annotated[StrictInt, Field(ge=1, le=LARGEST)]


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
    choices: Annotated[dict[_ChoiceName, tuple[_Side, _Side]], Field(min_length=1, max_length=CHOICES)]
    """required: up to 25 names with width and height: `{ square = [1024, 1024], tall = [832, 1216] }`"""

    @property
    def keys(self) -> tuple[str, str]:
        return self.width, self.height


class FollowUpSettings(Table):
    """An action that can follow a result: a run of `deployment`.

    Inputs are named by their key or option in that deployment. An input in `carry` is copied from the input
    of the same name in the result's deployment.
    """

    deployment: Name
    """required: NAME of the deployment that it starts"""
    label: Label
    """required: the text of its button, up to 32 characters; short ones fit a phone's row"""
    input: Key | None = None
    """the input that takes the result, by key or option; default: the first for that kind of file"""
    carry: tuple[Key, ...] = ()
    """inputs copied from the result, by key or option; `prompt` is the prompt, whatever its key"""
    inputs: Mapping[Key, Value] = {}
    """fixed values, such as `{ scale = 4 }`"""
    ask: Annotated[tuple[Key, ...], Field(max_length=FORM_LIMIT)] = ()
    """inputs that a form asks for first. Required inputs without a value join them, up to five in all;
    without any, one press starts the run"""


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
    concurrency_limit: Annotated[StrictInt, Field(ge=1)] | None = None
    """its concurrent runs; default: ComfyDeploy's limit"""
    max_count: Annotated[StrictInt, Field(ge=1, le=10)] | None = None
    """the maximum of `count`, up to 10; default: 4 with a seed to vary, otherwise 1. Below 4 there is no
    button *4 more*, at 1 no `count`"""
    age_restricted: StrictBool = False
    """allowed only in age-restricted channels"""
    only_listed_inputs: StrictBool = False
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
        prompts = [key for key, item in self.inputs.items() if item.is_prompt]
        if len(prompts) > 1:
            yield f"inputs {', '.join(prompts)} are all marked as the prompt; only one can be"
        if len({each.label.casefold() for each in self.follow_ups}) < len(self.follow_ups):
            yield "a label appears twice in then"


class PictureCheckSettings(Table):
    """The settings of the picture check."""

    labels: Mapping[Annotated[str, Field(min_length=1, max_length=100)], picture_check.Label] = {}
    """what a checker's own names mean: `{ porn = "explicit", sexy = "suggestive" }`. Names that aren't listed
    count only if they are `explicit`, `nudity` or `suggestive`. Read at the start, not by `/reload`"""


class DeploymentsFile(Table):
    """All of the file."""

    deployments: Annotated[Mapping[str, DeploymentSettings], Field(validate_default=True)] = {}
    picture_check: PictureCheckSettings = PictureCheckSettings()

    @field_validator("deployments", mode="before")
    @classmethod
    def _named(cls, tables: Any) -> Any:
        """Name each deployment by the key of its table."""
        if not isinstance(tables, dict) or not tables:
            raise ValueError("none is described; begin with [deployments.NAME]")
        found = {name: table for name, table in tables.items() if isinstance(table, dict)}
        if told := [f".{name}.name: is not a setting" for name, table in found.items() if "name" in table]:
            raise ValueError("\n".join(told))
        return tables | {name: {**table, "name": name} for name, table in found.items()}

    def mistakes(self) -> Iterator[str]:
        names: dict[str, str] = {}
        for name, each in self.deployments.items():
            if (other := names.setdefault(each.deployment_id, name)) != name:
                yield f"deployments.{name}: has the same deployment_id as {other}"


_MODELS = (DeploymentsFile, DeploymentSettings, InputSettings, Choice, SizesSettings, FollowUpSettings)
_NAMES = ["labels", *(each.alias or name for model in _MODELS for name, each in model.model_fields.items())]


def load_deployments_file(path: Path) -> DeploymentsFile:
    """Read the file. Raises StartupError with every mistake."""
    try:
        # Windows editors write a byte order mark, which TOML doesn't allow.
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        # No TOML, no UTF-8, brackets that are nested too deep, or a number of more than 4,300 digits.
        raise StartupError(f"{path.name} can't be read as TOML: {error}") from None
    except OSError as error:
        raise StartupError(f"{path} can't be read: {error.strerror}") from None
    try:
        return DeploymentsFile.model_validate(data)
    except ValidationError as error:
        raise StartupError(*mistakes(error, known=_NAMES)) from None
