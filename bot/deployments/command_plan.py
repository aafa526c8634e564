"""Plan the slash command as data, within Discord's size limits; `build_generate` passes it to discord.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.deployments.model import Deployment
from bot.deployments.naming import DESCRIPTION_LENGTH, one_line
from bot.deployments.options import OPTIONS, CommandSpec, plan_options
from bot.deployments.shapes import OptionSpec
from bot.domain.errors import StartupError
from bot.domain.text import shorten
from bot.strings import say


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPlan:
    """The plan of `/generate`. A single deployment's options belong to the command itself; several
    deployments become subcommands.
    """

    name: str
    description: str
    commands: tuple[CommandSpec, ...]

    @property
    def is_single(self) -> bool:
        return len(self.commands) == 1

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the subcommand groups, in order."""
        return tuple(dict.fromkeys(spec.group for spec in self.commands if spec.group and not self.is_single))

    def command(self, deployment: str) -> CommandSpec | None:
        return next((spec for spec in self.commands if spec.name == deployment), None)

    def path(self, spec: CommandSpec) -> str:
        """Return the command as a user types it: `/generate`, `/generate flux` or `/generate video ltx`."""
        group = [spec.group] if spec.group else []
        words = [self.name] if self.is_single else [self.name, *group, spec.name]
        return "/" + " ".join(words)

    def path_of(self, deployment: str) -> str | None:
        """Return a deployment's command as a user types it, or None if it isn't offered."""
        spec = self.command(deployment)
        return self.path(spec) if spec is not None else None


def group_description(group: str) -> str:
    return say("command_generate_group", group=group)


def size(plan: CommandPlan) -> int:
    """Return the number of characters that Discord counts: all names, descriptions, choice names and choice
    values.
    """
    total = len(plan.name)
    if plan.is_single:
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


MAX_COMMAND_SIZE = 8000
MAX_SUBCOMMANDS = 25
_NAME = "generate"
_SHORTER = (80, 60, 45, 30, 20)
_FEWER_OPTIONS = (20, 15, 10, 7, 5)


def plan_commands(deployments: Sequence[Deployment], extra: Sequence[OptionSpec] = ()) -> CommandPlan:
    """Plan `/generate` for these deployments. `extra` holds the options that every deployment gets.

    If even the smallest plan is too large, options of `extra` are dropped, last ones first, and then `count`.
    Raises StartupError, which names what to cut, if Discord's limits can't be met.
    """
    if mistakes := [*_structure_mistakes(deployments)]:
        raise StartupError(*mistakes)
    plan = _fitting_plan(deployments, extra)
    # `extra` and `count` are conveniences: drop them rather than fail to start.
    while plan is None and extra:
        extra = extra[:-1]
        plan = _fitting_plan(deployments, extra)
    if plan is None:
        deployments = [replace(deployment, max_count=1) for deployment in deployments]
        plan = _fitting_plan(deployments, extra)
    if plan is None:
        *_, smallest = _smaller_plans(deployments, extra)
        raise StartupError(_too_large(smallest))
    return plan


def _fitting_plan(deployments: Sequence[Deployment], extra: Sequence[OptionSpec]) -> CommandPlan | None:
    """Return the largest plan within Discord's limit, or None."""
    plans = _smaller_plans(deployments, extra)
    return next((plan for plan in plans if size(plan) <= MAX_COMMAND_SIZE), None)


def _structure_mistakes(deployments: Sequence[Deployment]) -> Iterator[str]:
    if not deployments:
        yield "there is no deployment to offer"
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
    return CommandPlan(name=_NAME, description=say("command_generate"), commands=commands)


def _smaller_plans(deployments: Sequence[Deployment], extra: Sequence[OptionSpec]) -> Iterator[CommandPlan]:
    """Yield the plan, then smaller ones: more autocomplete, then shorter descriptions, then more inputs in
    `more`.
    """
    plan = _plan(deployments, extra, OPTIONS)
    yield plan
    while (smaller := _with_autocomplete(plan)) is not None:
        plan = smaller
        yield plan
    for length in _SHORTER:
        yield _with_short_descriptions(plan, length)
    for limit in _FEWER_OPTIONS:
        plan = _plan(deployments, extra, limit)
        while (smaller := _with_autocomplete(plan)) is not None:
            plan = smaller
        yield _with_short_descriptions(plan, _SHORTER[-1])


def _with_autocomplete(plan: CommandPlan) -> CommandPlan | None:
    """Replace the longest list of choices with autocomplete. Return None if the plan has no such list."""
    lists = [
        (choices_size(option), spec.name, option.name)
        for spec in plan.commands
        for option in spec.options
        if option.choices
    ]
    if not lists:
        return None
    _, command, name = max(lists, key=lambda entry: entry[0])
    return _map_options(
        plan,
        lambda spec, option: (
            replace(option, choices=(), autocomplete=True)
            if (spec.name, option.name) == (command, name)
            else option
        ),
    )


def _with_short_descriptions(plan: CommandPlan, length: int) -> CommandPlan:
    return _map_options(
        plan, lambda _, option: replace(option, description=shorten(option.description, length))
    )


def _map_options(plan: CommandPlan, change: Callable[[CommandSpec, OptionSpec], OptionSpec]) -> CommandPlan:
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
        f"{MAX_COMMAND_SIZE}; hide inputs or remove deployments in deployments.toml; "
        f"the largest are {names}"
    )
