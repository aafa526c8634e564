"""The slash command as data: what `plan_commands` makes and `build_generate` hands to discord.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

OptionValue = str | int | float


class OptionType(StrEnum):
    """Discord's option types that `/generate` uses."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class OptionChoice:
    """One of an option's fixed choices. A string's value is its name: that always fits and tells no URL."""

    name: str
    value: OptionValue


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """One option. `key` is the input it fills, None for the bot's own (`gpu`, `more`, …).

    At most 25 `choices`; `autocomplete` stands for more of them, or for ones left out to save characters.
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
    """One deployment's options; `name` is the deployment's and the subcommand's."""

    name: str
    description: str
    options: tuple[OptionSpec, ...]
    group: str | None = None

    @property
    def more(self) -> bool:
        return any(option.name == MORE for option in self.options)

    def option_for(self, name: str) -> OptionSpec | None:
        return next((option for option in self.options if option.name == name), None)


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


MORE = "more"
GPU = "gpu"
COUNT = "count"


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
