"""Where commands are available."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.gateway.commands import set_availability


async def _menu(_interaction: discord.Interaction, _message: discord.Message) -> None:
    """Do nothing, as a message command that the operator named."""


def test_a_message_command_is_available_where_runs_start_whatever_its_name() -> None:
    menu = app_commands.ContextMenu(name="audit", callback=_menu)
    set_availability([menu], direct_messages=False, user_installs=True)
    assert menu.allowed_installs is not None
    assert menu.allowed_installs.user
    assert menu.allowed_contexts is not None
    assert menu.allowed_contexts.private_channel
