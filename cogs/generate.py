"""`/generate` is built from the deployments, and rebuilt when they change.

With several deployments it is a group. Its commands answer with the status message of the new run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import discord
from discord import AppCommandOptionType, app_commands

from bot.deployments.command_plan import CommandPlan, CommandSpec, OptionSpec, suggestions
from bot.deployments.inputs import ATTACHMENTS, OptionChoice, OptionValue, RawValue
from bot.deployments.schema.field_types import PRESET
from bot.domain.backend import InputKind
from bot.gateway.client import GenerateBot
from bot.gateway.message_files import attached_file
from bot.services import presets
from bot.strings import say
from bot.ui.custom_ids import DraftId
from cogs.drafts import begin

AnyInteraction = discord.Interaction[Any]
GenerateCommand = app_commands.Command[Any, ..., None] | app_commands.Group
Suggest = Callable[[AnyInteraction, Any], Coroutine[Any, Any, list[app_commands.Choice[Any]]]]


_TYPES = {
    InputKind.INTEGER: AppCommandOptionType.integer,
    InputKind.FLOAT: AppCommandOptionType.number,
    InputKind.BOOLEAN: AppCommandOptionType.boolean,
    **dict.fromkeys(ATTACHMENTS, AppCommandOptionType.attachment),
}


class _Option(app_commands.Transformer):
    """The type, limits and choices of an option. Values are checked by `merge`, not here."""

    def __init__(self, spec: OptionSpec) -> None:
        self.spec = spec

    @property
    def type(self) -> AppCommandOptionType:
        return _TYPES.get(self.spec.item.kind, AppCommandOptionType.string)

    @property
    def min_value(self) -> int | float | None:
        item = self.spec.item
        low = item.min_length if item.minimum is None else item.minimum
        return None if item.choices else low

    @property
    def max_value(self) -> int | float | None:
        item = self.spec.item
        high = item.max_length if item.maximum is None else item.maximum
        return None if item.choices else high

    @property
    def choices(self) -> list[app_commands.Choice[OptionValue]] | None:
        return _choices(self.spec.choices) or None

    async def transform(self, _: AnyInteraction, value: Any, /) -> RawValue:
        if isinstance(value, discord.Attachment):
            return attached_file(value)
        given: RawValue = value
        return given


def _suggesting(option: OptionSpec, deployment: str) -> Suggest:
    async def suggest(interaction: AnyInteraction, typed: OptionValue) -> list[app_commands.Choice[Any]]:
        if option.name != PRESET:
            return _choices(suggestions(option.item, str(typed)))
        app, user_id, guild_id = interaction.client.app, interaction.user.id, interaction.guild_id
        names = await presets.suggest(app, user_id, guild_id, str(typed), deployment)
        return [app_commands.Choice(name=name, value=name) for name in names]

    return suggest


def build_generate(plan: CommandPlan) -> GenerateCommand:
    """Build the command to add to a tree. With several deployments it is a group."""
    if plan.is_single:
        return _command(plan.commands[0], plan.name)
    root = app_commands.Group(name=plan.name, description=plan.description)
    groups = {
        name: app_commands.Group(
            name=name, description=say("command_generate_group", group=name), parent=root
        )
        for name in plan.groups
    }
    for spec in plan.commands:
        parent = groups[spec.group] if spec.group else root
        parent.add_command(_command(spec, spec.name))
    return root


def _command(spec: CommandSpec, name: str) -> app_commands.Command[Any, ..., None]:
    # Option names need not be Python names (`vidéo-2`, `class`), so the parameters are numbered and renamed.
    options = {f"option_{index}": option for index, option in enumerate(spec.options)}

    async def callback(interaction: AnyInteraction, **values: RawValue | None) -> None:
        given = {options[key].name: value for key, value in values.items() if value is not None}
        await begin(interaction, DraftId("", spec.name), typed=given, is_generate=True)

    parameters = [
        inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if option.required else None,
            annotation=_Option(option),
        )
        for key, option in options.items()
    ]
    interaction = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    # discord.py reads a callback through inspect.signature, and this attribute is the documented way to
    # describe parameters that are known only at run time. mypy doesn't know it.
    callback.__signature__ = inspect.Signature([interaction, *parameters])  # type: ignore[attr-defined]
    app_commands.describe(**{key: option.description for key, option in options.items()})(callback)
    app_commands.rename(**{key: option.name for key, option in options.items()})(callback)
    command: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=name, description=spec.description, callback=callback
    )
    for key, option in options.items():
        if option.autocomplete:
            command.autocomplete(key)(_suggesting(option, spec.name))
    return command


def _choices(choices: Sequence[OptionChoice]) -> list[app_commands.Choice[OptionValue]]:
    return [app_commands.Choice(name=name, value=value) for name, value in choices]


async def setup(bot: GenerateBot) -> None:
    def build() -> None:
        bot.tree.add_command(build_generate(bot.app.catalogue.plan), override=True)

    bot.builders.append(build)
