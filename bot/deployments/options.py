"""Convert a deployment's inputs into slash-command options, within Discord's limit of 25."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.deployments.kinds import ChoiceKind, kind_of
from bot.deployments.model import ATTACHMENTS, Deployment, Input
from bot.deployments.naming import DESCRIPTION_LENGTH
from bot.deployments.plain_kinds import CHOICES
from bot.deployments.shapes import OptionChoice, OptionSpec, OptionType
from bot.domain.errors import StartupError
from bot.domain.presets import NAME_LENGTH
from bot.domain.text import shorten
from bot.strings import say


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
            specs.append(kind_of(item).option(name, required=item.required and index == 0))
    return specs


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
    kinds = (kind_of(item) for item in deployment.offered if item.option == option)
    kind = next(kinds, None)
    return kind.option_choices() if isinstance(kind, ChoiceKind) else ()


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
