"""`/generate` is built from the deployments, and rebuilt when they change.

With several deployments it is a group. Its commands answer with the status message of the new run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import discord
from discord import app_commands

from bot.deployments.command_plan import CommandPlan, CommandSpec, OptionSpec
from bot.deployments.inputs import ATTACHMENTS, Input, OptionValue, RawValue
from bot.deployments.schema.field_types import PRESET
from bot.domain.backend import InputKind
from bot.gateway.client import GenerateBot
from bot.gateway.interactions import Interaction, suggestions
from bot.gateway.message_files import attached_file
from bot.sentences import say
from bot.services import presets
from bot.ui.custom_ids import DraftId
from cogs.drafts import begin

GenerateCommand = app_commands.Command[Any, ..., None] | app_commands.Group
Suggest = Callable[[Interaction, Any], Coroutine[Any, Any, list[app_commands.Choice[Any]]]]


_TYPES: Mapping[InputKind, type[Any]] = {
    InputKind.INTEGER: int,
    InputKind.FLOAT: float,
    InputKind.BOOLEAN: bool,
    **dict.fromkeys(ATTACHMENTS, discord.Attachment),
}


def _annotation(item: Input) -> Any:
    """Return the type and limits of an option, which Discord enforces; `merge` checks values again."""
    kind = _TYPES.get(item.kind, str)
    low, high = (item.min_length, item.max_length) if kind is str else (item.minimum, item.maximum)
    is_free = bool(item.choices) or (low is None and high is None)
    return kind if is_free else app_commands.Range[kind, low, high]


def _suggesting(option: OptionSpec, deployment: str) -> Suggest:
    async def suggest(interaction: Interaction, typed: OptionValue) -> list[app_commands.Choice[Any]]:
        if option.name != PRESET:
            return suggestions(option.item.option_choices(), typed)
        app, user_id, guild_id = interaction.client.app, interaction.user.id, interaction.guild_id
        return suggestions(await presets.names(app, user_id, guild_id, deployment), typed)

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

    async def callback(interaction: Interaction, **values: OptionValue | discord.Attachment | None) -> None:
        given: dict[str, RawValue] = {
            options[key].name: attached_file(value) if isinstance(value, discord.Attachment) else value
            for key, value in values.items()
            if value is not None
        }
        await begin(interaction, DraftId("", spec.name), typed=given, is_generate=True)

    parameters = [
        inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if option.required else None,
            annotation=_annotation(option.item),
        )
        for key, option in options.items()
    ]
    interaction = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    # discord.py reads a callback through inspect.signature, and this attribute is the documented way to
    # describe parameters that are known only at run time. mypy doesn't know it.
    callback.__signature__ = inspect.Signature([interaction, *parameters])  # type: ignore[attr-defined]
    app_commands.describe(**{key: option.description for key, option in options.items()})(callback)
    app_commands.choices(
        **{
            key: [app_commands.Choice(name=name, value=value) for name, value in option.choices]
            for key, option in options.items()
            if option.choices
        }
    )(callback)
    app_commands.rename(**{key: option.name for key, option in options.items()})(callback)
    command: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=name, description=spec.description, callback=callback
    )
    for key, option in options.items():
        if option.autocomplete:
            command.autocomplete(key)(_suggesting(option, spec.name))
    return command


async def setup(bot: GenerateBot) -> None:
    def build() -> None:
        bot.tree.add_command(build_generate(bot.app.catalogue.plan), override=True)

    bot.builders.append(build)
