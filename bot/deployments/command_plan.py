"""The slash command as data: what `plan_commands` makes and `build_generate` hands to discord.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.deployments.model import Deployment
from bot.deployments.naming import DESCRIPTION_LENGTH, one_line, shorten
from bot.deployments.options import OPTIONS, CommandSpec, OptionSpec, plan_options
from bot.domain.errors import StartupError


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPlan:
    """`/generate`: with one command its options are the command's own, else each is a subcommand."""

    name: str
    description: str
    commands: tuple[CommandSpec, ...]

    @property
    def direct(self) -> bool:
        return len(self.commands) == 1

    @property
    def groups(self) -> tuple[str, ...]:
        """The subcommand groups, in order."""
        return tuple(dict.fromkeys(spec.group for spec in self.commands if spec.group and not self.direct))

    def command(self, deployment: str) -> CommandSpec | None:
        return next((spec for spec in self.commands if spec.name == deployment), None)

    def path(self, spec: CommandSpec) -> str:
        """What a person types to reach `spec`: `/generate`, `/generate flux`, `/generate video ltx`."""
        words = [self.name] if self.direct else [self.name, *([spec.group] if spec.group else []), spec.name]
        return "/" + " ".join(words)


def group_description(group: str) -> str:
    return f"Deployments: {group}"


def size(plan: CommandPlan) -> int:
    """The characters Discord counts against 8,000: every name, description, choice name and choice value."""
    total = len(plan.name)
    if plan.direct:
        return total + len(plan.commands[0].description) + options_size(plan.commands[0].options)
    total += len(plan.description)
    total += sum(len(group) + len(group_description(group)) for group in plan.groups)
    return total + sum(command_size(spec) for spec in plan.commands)


def command_size(spec: CommandSpec) -> int:
    return len(spec.name) + len(spec.description) + options_size(spec.options)


def options_size(options: Iterable[OptionSpec]) -> int:
    return sum(len(option.name) + len(option.description) + choices_size(option) for option in options)


def choices_size(option: OptionSpec) -> int:
    return sum(len(choice.name) + len(str(choice.value)) for choice in option.choices)


LARGEST_COMMAND = 8000
SUBCOMMANDS = 25
_NAME = "generate"
_DESCRIPTION = "Generate a picture, video or sound with ComfyDeploy"
_SHORTER = (80, 60, 45, 30, 20)
_FEWER_OPTIONS = (20, 15, 10, 7, 5)


def plan_commands(deployments: Sequence[Deployment], extra: Sequence[OptionSpec] = ()) -> CommandPlan:
    """`/generate` for these deployments; `extra` are the bot's own further options, in each of them.

    StartupError when Discord's limits can't be met, naming what to cut.
    """
    if mistakes := [*_misfits(deployments)]:
        raise StartupError(*mistakes)
    # Conveniences, and no reason not to start.
    if extra and _smallest(deployments, extra) > LARGEST_COMMAND:
        extra = ()
    several = any(deployment.max_count > 1 for deployment in deployments)
    if several and _smallest(deployments, extra) > LARGEST_COMMAND:
        deployments = [replace(deployment, max_count=1) for deployment in deployments]
    plan = _plan(deployments, extra, OPTIONS)
    for candidate in _ever_smaller(plan, deployments, extra):
        if size(candidate) <= LARGEST_COMMAND:
            return candidate
        plan = candidate
    raise StartupError(_too_large(plan))


def _misfits(deployments: Sequence[Deployment]) -> Iterator[str]:
    if not deployments:
        yield "there is no deployment to offer"
    if len(deployments) <= 1:
        return
    top = [item.name for item in deployments if not item.group]
    groups = Counter(item.group for item in deployments if item.group)
    if len(top) + len(groups) > SUBCOMMANDS:
        yield (
            f"there are {len(top) + len(groups)} deployments and groups beside each other and Discord takes "
            f"{SUBCOMMANDS}; give some of them a 'group' in deployments.toml"
        )
    for group, count in groups.items():
        if count > SUBCOMMANDS:
            yield f"group '{group}' has {count} deployments and Discord takes {SUBCOMMANDS}; split it"
        if group in top:
            yield f"'{group}' is the name of a group and of a deployment; rename one in deployments.toml"


def _plan(deployments: Sequence[Deployment], extra: Sequence[OptionSpec], limit: int) -> CommandPlan:
    commands = tuple(
        CommandSpec(
            name=item.name,
            description=shorten(one_line(item.description) or item.name, DESCRIPTION_LENGTH),
            options=plan_options(item, extra, limit=limit),
            group=item.group,
        )
        for item in deployments
    )
    return CommandPlan(name=_NAME, description=_DESCRIPTION, commands=commands)


def _ever_smaller(
    plan: CommandPlan, deployments: Sequence[Deployment], extra: Sequence[OptionSpec]
) -> Iterator[CommandPlan]:
    """The plan, then choices as autocomplete, then shorter descriptions, then more inputs in `more`."""
    yield plan
    while (smaller := _largest_list_completed(plan)) is not None:
        plan = smaller
        yield plan
    for length in _SHORTER:
        yield _described_in(plan, length)
    for limit in _FEWER_OPTIONS:
        plan = _plan(deployments, extra, limit)
        while (smaller := _largest_list_completed(plan)) is not None:
            plan = smaller
        yield _described_in(plan, _SHORTER[-1])


def _smallest(deployments: Sequence[Deployment], extra: Sequence[OptionSpec]) -> int:
    """The least room that the command can do with."""
    return min(size(plan) for plan in _ever_smaller(_plan(deployments, extra, OPTIONS), deployments, extra))


def _largest_list_completed(plan: CommandPlan) -> CommandPlan | None:
    """The longest list of choices becomes autocomplete; None when none is left."""
    lists = [
        (choices_size(option), spec.name, option.name)
        for spec in plan.commands
        for option in spec.options
        if option.choices
    ]
    if not lists:
        return None
    _, command, name = max(lists, key=lambda entry: entry[0])
    return _changed(
        plan,
        lambda spec, option: (
            replace(option, choices=(), autocomplete=True)
            if (spec.name, option.name) == (command, name)
            else option
        ),
    )


def _described_in(plan: CommandPlan, length: int) -> CommandPlan:
    return _changed(plan, lambda _, option: replace(option, description=shorten(option.description, length)))


def _changed(plan: CommandPlan, change: Callable[[CommandSpec, OptionSpec], OptionSpec]) -> CommandPlan:
    commands = (
        replace(spec, options=tuple(change(spec, option) for option in spec.options))
        for spec in plan.commands
    )
    return replace(plan, commands=tuple(commands))


def _too_large(plan: CommandPlan) -> str:
    largest = sorted(plan.commands, key=command_size, reverse=True)[:3]
    names = ", ".join(f"'{spec.name}' ({command_size(spec)})" for spec in largest)
    return (
        f"/generate has {size(plan)} characters of names and descriptions and Discord takes "
        f"{LARGEST_COMMAND}; hide inputs or remove deployments in deployments.toml, the largest being {names}"
    )
