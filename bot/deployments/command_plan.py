"""Plan the slash command as data, within Discord's limits; `build_generate` passes it to discord.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bot.deployments.choices import own_input
from bot.deployments.inputs import Input, OptionChoice
from bot.deployments.model import Deployment
from bot.deployments.schema import CHOICES
from bot.deployments.schema.field_types import DESCRIPTION_LENGTH, MORE, PRESET, PRIVATE, TEXT_LENGTH
from bot.domain.backend import InputKind
from bot.domain.errors import StartupError
from bot.domain.requests import NAME_LENGTH
from bot.domain.text import shorten
from bot.sentences import say


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """A slash-command option for an input, or for one of the bot's own (`gpu`, `more`, …).

    `choices` holds at most 25. If there are more, or if the list would make the command exceed Discord's size
    limit, it is empty, and `autocomplete` takes its place.
    """

    name: str
    item: Input
    description: str
    required: bool = False
    choices: tuple[OptionChoice, ...] = ()

    @property
    def autocomplete(self) -> bool:
        return self.name == PRESET or bool(self.item.option_choices() and not self.choices)

    @property
    def size(self) -> int:
        return len(self.name) + len(self.description) + _choices_size(self.choices)


# The options that each deployment gets.
_ABOUT_PRESET = "A saved set of inputs; what you type here overrides it"
_ABOUT_PRIVATE = "Only you can see the result. Moderators can open it, too."
_EXTRA = (
    own_input(PRESET, InputKind.TEXT, _ABOUT_PRESET, max_length=NAME_LENGTH),
    own_input(PRIVATE, InputKind.BOOLEAN, _ABOUT_PRIVATE),
)
MAX_COMMAND_SIZE = 8000
MAX_SUBCOMMANDS = 25
_OPTIONS = 25
# What gives way, step by step, if the command is too large: lists of choices with more characters than the
# last number, which autocomplete replaces, then descriptions, then options, whose inputs move into `more`.
_STEPS = (
    *((_OPTIONS, DESCRIPTION_LENGTH, size) for size in (MAX_COMMAND_SIZE, 1000, 300, 0)),
    *((_OPTIONS, length, 0) for length in (80, 60, 45, 30, 20)),
    *((options, 20, 0) for options in (20, 15, 10, 7, 5)),
    (5, 10, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """The options of one deployment; `name` is the name of the deployment and of its subcommand."""

    name: str
    description: str
    options: tuple[OptionSpec, ...]
    group: str | None = None

    @property
    def size(self) -> int:
        return len(self.name) + len(self.description) + sum(option.size for option in self.options)


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """The plan of `/generate`. A single deployment's options belong to the command itself; several
    deployments become subcommands.
    """

    name: ClassVar = "generate"
    description: ClassVar = "Generate a picture, video or sound with ComfyDeploy"
    commands: tuple[CommandSpec, ...]

    @property
    def is_single(self) -> bool:
        return len(self.commands) == 1

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(spec.group for spec in self.commands if spec.group and not self.is_single))

    def command(self, deployment: str) -> CommandSpec | None:
        return next((spec for spec in self.commands if spec.name == deployment), None)

    def path(self, deployment: str) -> str:
        """Return a deployment's command as a user types it, such as `/generate video ltx`."""
        spec = self.command(deployment)
        if spec is None or self.is_single:
            return f"/{self.name}"
        return f"/{self.name} {spec.group} {spec.name}" if spec.group else f"/{self.name} {spec.name}"

    @property
    def size(self) -> int:
        """Return the number of characters that Discord counts: all names, descriptions and choices."""
        if self.is_single:
            return len(self.name) + self.commands[0].size - len(self.commands[0].name)
        groups = sum(len(group) + len(say("command_generate_group", group=group)) for group in self.groups)
        return len(self.name) + len(self.description) + groups + sum(spec.size for spec in self.commands)


def _choices_size(choices: Sequence[OptionChoice]) -> int:
    return sum(len(name) + len(str(value)) for name, value in choices)


def plan_commands(deployments: Sequence[Deployment]) -> CommandPlan:
    """Plan `/generate` for these deployments.

    Raises StartupError, which names what to cut, if Discord's limits can't be met.
    """
    if mistakes := [*_structure_mistakes(deployments)]:
        raise StartupError(*mistakes)
    for step in _STEPS:
        plan = _plan(deployments, *step)
        if plan.size <= MAX_COMMAND_SIZE:
            return plan
    largest = sorted(plan.commands, key=lambda spec: spec.size, reverse=True)[:3]
    names = ", ".join(f"'{spec.name}' ({spec.size})" for spec in largest)
    raise StartupError(
        f"/generate has {plan.size} characters of names and descriptions and Discord takes "
        f"{MAX_COMMAND_SIZE}; hide inputs or remove deployments in deployments.toml; "
        f"the largest are {names}"
    )


def _structure_mistakes(deployments: Sequence[Deployment]) -> Iterator[str]:
    if len(deployments) <= 1:
        return
    top = [item.name for item in deployments if not item.group]
    groups = Counter(item.group for item in deployments if item.group)
    if len(top) + len(groups) > MAX_SUBCOMMANDS:
        yield (
            f"there are {len(top) + len(groups)} deployments and groups at the top level and Discord takes "
            f"{MAX_SUBCOMMANDS}; give some of them a 'group' in deployments.toml"
        )
    for group, count in groups.items():
        if count > MAX_SUBCOMMANDS:
            yield f"group '{group}' has {count} deployments and Discord takes {MAX_SUBCOMMANDS}; split it"
        if group in top:
            yield f"'{group}' is the name of a group and of a deployment; rename one in deployments.toml"


def _plan(deployments: Sequence[Deployment], limit: int, length: int, list_size: int) -> CommandPlan:
    def option(item: Input, name: str) -> OptionSpec:
        choices = item.option_choices() if len(item.choices) <= CHOICES else ()
        return OptionSpec(
            name=name,
            item=item,
            description=shorten(item.hint, length),
            required=item.required and name == item.option_names[0],
            choices=choices if _choices_size(choices) <= list_size else (),
        )

    commands = []
    for each in deployments:
        about = shorten(each.description or each.name, DESCRIPTION_LENGTH)
        options = [option(item, name) for item, name in _options_of(each, limit)]
        options.sort(key=lambda option: not option.required)
        commands.append(CommandSpec(name=each.name, description=about, options=(*options,), group=each.group))
    return CommandPlan((*commands,))


def _options_of(deployment: Deployment, limit: int) -> Sequence[tuple[Input, str]]:
    """Return the inputs that get options, with their names: the deployment's, then the bot's own.

    `limit` counts all options; inputs that don't fit are set through `more`, optional ones first. Attachments
    can't be set that way, so they get options even beyond `limit`. Raises StartupError if there are too many.
    """
    gpu = [deployment.gpu_input] if len(deployment.gpus) > 1 else []
    count = [deployment.count_input] if deployment.max_count > 1 else []
    own = [*gpu, *count, *_EXTRA]
    offered, files = deployment.offered, sum(item.takes_file for item in deployment.offered)
    space, inputs = limit - len(own), offered
    if len(offered) > space:
        ranked = sorted(offered, key=lambda item: (not item.takes_file, not item.required))
        kept = {item.key for item in ranked[: max(space - 1, files)]}
        inputs = tuple(item for item in offered if item.key in kept)
        if overflow := [item for item in offered if item.key not in kept]:
            about = say("option_more", names=", ".join(item.option for item in overflow))
            fields = {"max_length": TEXT_LENGTH, "required": any(item.required for item in overflow)}
            own.append(own_input(MORE, InputKind.TEXT, about, **fields))
    if len(own) + len(inputs) > _OPTIONS:
        raise StartupError(
            f"deployment '{deployment.name}' has {files} file inputs and Discord takes {_OPTIONS} options; "
            "hide some in deployments.toml"
        )
    # An input for several attachments gets several options while there is space.
    spare = max(0, limit - len(own) - len(inputs))
    named: list[tuple[Input, str]] = []
    for item in inputs:
        names = item.option_names[: spare + 1]
        spare -= len(names) - 1
        named += ((item, name) for name in names)
    return [*named, *((item, item.option) for item in own)]
