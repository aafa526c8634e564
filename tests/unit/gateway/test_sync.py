"""Comparing commands with Discord's copy: fields that Discord adds are no difference."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.gateway.commands import Differences, differences, set_availability

SENT: dict[str, Any] = {
    "name": "generate",
    "type": 1,
    "description": "Makes",
    "options": [
        {"name": "prompt", "type": 3, "description": "What", "required": True, "max_length": 6000},
        {"name": "style", "type": 3, "description": "How", "choices": [{"name": "Ink", "value": "ink"}]},
    ],
    "nsfw": False,
    "dm_permission": True,
    "default_member_permissions": 8,
    "contexts": [0],
    "integration_types": [0],
}
KEPT: dict[str, Any] = {
    **SENT,
    "id": "1",
    "application_id": "2",
    "version": "3",
    "options": [
        SENT["options"][0],
        {
            **SENT["options"][1],
            "required": False,
            "autocomplete": False,
            "choices": [{"name": "Ink", "value": "ink", "name_localizations": None}],
        },
    ],
    "default_permission": True,
    "default_member_permissions": "8",
    "name_localizations": None,
}
del KEPT["dm_permission"]


def test_fields_that_discord_adds_are_no_difference() -> None:
    assert not differences([SENT], [KEPT])


def test_each_thing_that_a_person_sees_is_one() -> None:
    prompt, style = SENT["options"]
    for change in (
        {"description": "Paints"},
        {"options": [style, prompt]},
        {"options": [prompt | {"max_length": 100}, style]},
        {"options": [prompt | {"required": False}, style]},
        {"options": [prompt, style | {"choices": []}]},
        {"options": [prompt, style | {"autocomplete": True}]},
        {"options": [prompt | {"options": [style]}, style]},
        {"default_member_permissions": None},
        {"nsfw": True},
        {"contexts": [0, 1]},
        {"integration_types": [0, 1]},
    ):
        assert differences([SENT | change], [KEPT]) == Differences(changed=("/generate",)), change


def test_commands_of_another_kind_are_others() -> None:
    menu = {"name": "generate", "type": 3}
    assert differences([SENT], [menu]) == Differences(missing=("/generate",), left_over=("'generate'",))
    assert differences([], []) == Differences()


async def _menu(_interaction: discord.Interaction, _message: discord.Message) -> None:
    """Do nothing, as a message command that the operator named."""


def test_a_message_command_is_available_where_runs_start_whatever_its_name() -> None:
    menu = app_commands.ContextMenu(name="audit", callback=_menu)
    set_availability([menu], direct_messages=False, user_installs=True)
    assert menu.allowed_installs is not None
    assert menu.allowed_installs.user
    assert menu.allowed_contexts is not None
    assert menu.allowed_contexts.private_channel
