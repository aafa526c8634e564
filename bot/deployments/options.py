"""Convert a deployment's inputs into slash-command options, within Discord's limit of 25."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.deployments.compile.inputs import number
from bot.deployments.model import ATTACHMENTS, Deployment, Input
from bot.deployments.naming import DESCRIPTION_LENGTH, one_line
from bot.domain.backend import InputKind
from bot.domain.errors import StartupError
from bot.domain.presets import NAME_LENGTH
from bot.domain.text import shorten
from bot.strings import say

OptionValue = str | int | float


class OptionType(StrEnum):
    """The Discord option types that `/generate` uses."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class OptionChoice:
    """A choice of a slash-command option.

    In a string option, `value` equals `name`, because ComfyDeploy's value may be too long or a private URL.
    """

    name: str
    value: OptionValue


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """A slash-command option. `key` is its input's key, or None for an option of the bot (`gpu`, `more`, …).

    `choices` holds at most 25. `autocomplete` is used instead if there are more, or if the list would make
    the command exceed Discord's size limit.
    """

    name: str
    description: str
    type: OptionType
    required: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    choices: tuple[OptionChoice, ...] = ()
    autocomplete: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """The options of one deployment; `name` is the name of the deployment and of its subcommand."""

    name: str
    description: str
    options: tuple[OptionSpec, ...]
    group: str | None = None

    def option_for(self, name: str) -> OptionSpec | None:
        return next((option for option in self.options if option.name == name), None)


MORE = "more"
GPU = "gpu"
COUNT = "count"
PRIVATE = "private"
OPTIONS = 25
CHOICES = 25
_DEFAULT_LENGTH = 30
_TYPES = {
    InputKind.INTEGER: OptionType.INTEGER,
    InputKind.FLOAT: OptionType.NUMBER,
    InputKind.BOOLEAN: OptionType.BOOLEAN,
    **dict.fromkeys(ATTACHMENTS, OptionType.ATTACHMENT),
}


def plan_options(
    deployment: Deployment, extra: Sequence[OptionSpec] = (), *, limit: int = OPTIONS
) -> tuple[OptionSpec, ...]:
    """Return a deployment's options: the required ones, then those of its other inputs, then the bot's own.

    `limit` counts all options; inputs that don't fit are set through `more`. Attachments can't be set that
    way, so they get options even beyond `limit`, up to Discord's 25. If they leave no room for the bot's own
    options, `count` and `extra` are left out. Raises StartupError if there are still too many attachments.
    """
    bot_options = [*_gpu_option(deployment), *_count_option(deployment), *extra]
    if len(bot_options) + _file_inputs(deployment) >= OPTIONS:
        # Attachments can't go into `more`, so the bot's other options give way.
        bot_options = _gpu_option(deployment)
    space = limit - len(bot_options)
    inputs = deployment.offered
    chosen = (
        inputs
        if len(inputs) <= space
        else _select_inputs(deployment, space - 1, OPTIONS - len(bot_options) - 1)
    )
    overflow = [item for item in inputs if item not in chosen]
    if overflow:
        bot_options.append(_more_option(overflow))
    specs = _specs(chosen, limit - len(bot_options))
    specs += bot_options
    return tuple(sorted(specs, key=lambda spec: not spec.required))


def _file_inputs(deployment: Deployment) -> int:
    return sum(item.kind in ATTACHMENTS for item in deployment.offered)


def _select_inputs(deployment: Deployment, space: int, limit: int) -> tuple[Input, ...]:
    """Select the inputs that get an option: attachments, then required ones, then the others in the file's
    order.

    Attachments may exceed `space`. Raises StartupError if they exceed `limit`.
    """
    inputs = deployment.offered
    files = [item for item in inputs if item.kind in ATTACHMENTS]
    if len(files) > limit:
        names = ", ".join(item.key for item in files[limit:])
        raise StartupError(
            f"deployment '{deployment.name}' has {len(files)} file inputs and Discord takes {limit} beside "
            f"the other options; hide some in deployments.toml, for example {names}"
        )
    others = [item for item in inputs if item.kind not in ATTACHMENTS]
    others.sort(key=lambda item: not item.required)
    keys = {item.key for item in (*files, *others[: max(0, space - len(files))])}
    return tuple(item for item in inputs if item.key in keys)


def _specs(inputs: Sequence[Input], space: int) -> list[OptionSpec]:
    """Return the options for these inputs. A multi-attachment input gets several options while there is
    space.
    """
    spare = max(0, space - len(inputs))
    specs: list[OptionSpec] = []
    for item in inputs:
        names = item.option_names[: spare + 1]
        spare -= len(names) - 1
        for index, name in enumerate(names):
            specs.append(_option(item, name, required=item.required and index == 0))
    return specs


def _option(item: Input, name: str, *, required: bool) -> OptionSpec:
    kind = _TYPES.get(item.kind, OptionType.STRING)
    text = kind is OptionType.STRING and not item.choices
    numeric = kind in (OptionType.INTEGER, OptionType.NUMBER) and not item.choices
    return OptionSpec(
        name=name,
        description=describe(item),
        type=kind,
        required=required,
        minimum=item.minimum if numeric else None,
        maximum=item.maximum if numeric else None,
        min_length=item.min_length if text else None,
        max_length=item.max_length if text else None,
        choices=option_choices(item) if len(item.choices) <= CHOICES else (),
        autocomplete=len(item.choices) > CHOICES,
        key=item.key,
    )


def option_choices(item: Input) -> tuple[OptionChoice, ...]:
    """Return all choices of an input: numbers as numbers, everything else by name."""
    choices = []
    for choice in item.choices:
        value = number(choice.value, item.kind) if item.kind in _TYPES else choice.name
        if value is not None:
            choices.append(OptionChoice(choice.name, value))
    return tuple(choices)


def describe(item: Input) -> str:
    """Return an option's description with the default appended, within Discord's 100 characters."""
    text = one_line(item.description) or one_line(item.key) or item.option
    suffix = _default_suffix(item)
    return shorten(text, DESCRIPTION_LENGTH - len(suffix)) + suffix


def _default_suffix(item: Input) -> str:
    if item.is_seed and not item.send_default:
        return " " + say("option_default_random")
    if item.required or item.default in (None, "") or item.kind in ATTACHMENTS:
        return ""
    return " " + say("option_default", value=shorten(default_text(item), _DEFAULT_LENGTH))


def default_text(item: Input) -> str:
    """Return an input's default as a user would type it."""
    if isinstance(item.default, bool):
        return "yes" if item.default else "no"
    names = {choice.value: choice.name for choice in item.choices}
    return one_line(names.get(str(item.default), str(item.default)))


def _gpu_option(deployment: Deployment) -> list[OptionSpec]:
    gpus = deployment.gpus
    if len(gpus) < 2:
        return []
    suffix = " " + say("option_default", value=deployment.default_gpu) if deployment.default_gpu else ""
    return [
        OptionSpec(
            name=GPU,
            description=shorten(say("option_gpu"), DESCRIPTION_LENGTH - len(suffix)) + suffix,
            type=OptionType.STRING,
            choices=tuple(OptionChoice(gpu, gpu) for gpu in gpus) if len(gpus) <= CHOICES else (),
            autocomplete=len(gpus) > CHOICES,
        )
    ]


def _count_option(deployment: Deployment) -> list[OptionSpec]:
    if deployment.max_count < 2:
        return []
    return [
        OptionSpec(
            name=COUNT,
            description=say("option_count"),
            type=OptionType.INTEGER,
            minimum=1,
            maximum=deployment.max_count,
        )
    ]


def _more_option(inputs: Sequence[Input]) -> OptionSpec:
    names = ", ".join(item.option for item in inputs)
    return OptionSpec(
        name=MORE,
        description=shorten(say("option_more", names=names), DESCRIPTION_LENGTH),
        type=OptionType.STRING,
        required=any(item.required for item in inputs),
        max_length=6000,
    )


def autocomplete(deployment: Deployment, option: str, current: str) -> list[OptionChoice]:
    """Return up to 25 choices whose names contain `current`. Names that start with it come first."""
    choices = _choices(deployment, option)
    query = current.strip().casefold()
    names = [(choice.name.casefold(), choice) for choice in choices]
    starting = [choice for name, choice in names if name.startswith(query)]
    containing = [choice for name, choice in names if query in name and not name.startswith(query)]
    return (starting + containing)[:CHOICES]


def _choices(deployment: Deployment, option: str) -> tuple[OptionChoice, ...]:
    if option == GPU:
        return tuple(OptionChoice(gpu, gpu) for gpu in deployment.gpus)
    matching = (item for item in deployment.offered if item.option == option)
    item = next(matching, None)
    return option_choices(item) if item else ()


PRESET_OPTION = OptionSpec(
    name="preset",
    description=say("option_preset"),
    type=OptionType.STRING,
    max_length=NAME_LENGTH,
    autocomplete=True,
)
PRIVATE_OPTION = OptionSpec(name=PRIVATE, description=say("option_private"), type=OptionType.BOOLEAN)
# The options that each deployment gets. If the command is too large, the last ones are dropped first.
EXTRA_OPTIONS = (PRESET_OPTION, PRIVATE_OPTION)
