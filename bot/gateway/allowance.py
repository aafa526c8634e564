"""Count the commands, presses and forms that write against their user's allowance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
from discord import app_commands

from bot.domain.errors import RefusedError
from bot.strings import say
from bot.ui.custom_ids import CustomId

_REFUSED = "refused by the allowance"
# These commands only show something, except `/privacy delete`, which is never refused.
_FREE_COMMANDS = frozenset(
    {
        "audit",
        "blocked",
        "help",
        "preset list",
        "privacy delete",
        "privacy export",
        "queue",
        "reload",
        "runs",
        "settings",
        "usage",
    }
)


@asynccontextmanager
async def counted(
    interaction: discord.Interaction[Any], id: CustomId, *, form: bool = False
) -> AsyncIterator[None]:
    """Count a press or a submitted form that may write. Raises RefusedError if the user is at the limit.

    A press that opens a form costs nothing, because the form is counted when it is sent. A form that can be
    refilled is refused by its handler, in `check_counted`, so that what was typed isn't lost.
    """
    if not id.writes(form=form):
        yield
        return
    allowance, user_id = interaction.client.allowance, interaction.user.id
    try:
        allowance.spend(user_id)
    except RefusedError as refused:
        if not form or not hasattr(id, "draft"):
            raise
        interaction.extras[_REFUSED] = refused
        yield
        return
    yield
    if interaction.response.type is discord.InteractionResponseType.modal:
        allowance.refund(user_id)


def check_counted(interaction: discord.Interaction[Any]) -> None:
    """Raise the refusal of a form that can be refilled, if its user is at the limit."""
    refused = interaction.extras.get(_REFUSED)
    if refused is not None:
        raise refused


def count_command(interaction: discord.Interaction[Any]) -> None:
    """Count a command that may write. Raises RefusedError if the user is at the limit."""
    command = interaction.command
    is_command = interaction.type is discord.InteractionType.application_command
    if is_command and command is not None and not is_free(command):
        interaction.client.allowance.spend(interaction.user.id)


def is_free(command: app_commands.Command[Any, ..., Any] | app_commands.ContextMenu) -> bool:
    """Return whether a command is never refused for being used too often."""
    if isinstance(command, app_commands.ContextMenu):
        return command.name == say("use_menu")  # it shows pictures or opens a form
    return command.qualified_name in _FREE_COMMANDS
