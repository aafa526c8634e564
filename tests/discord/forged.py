"""Interactions that Discord's own client would not send: forged, stale, malformed, or from somewhere else.

Simcord's public methods act as the client does: they press only buttons that a message has, and run only
commands that the person is shown. A hostile client is not bound by that, so this module, and no other,
hands interactions to simcord's private `_dispatch_interaction`.
"""

from __future__ import annotations

from typing import Any

from simcord.backend.serializers import message_payload
from simcord.enums import InteractionType

from tests.discord.rendered import BUTTON, stored
from tests.harness import Harness

ACTION_ROW, TEXT_INPUT, LABEL = 1, 4, 18
STRING, USER = 3, 6
MESSAGE = 3  # a command in the menu of messages


async def own_answer(bot: Harness, actor: Any) -> Any:
    """Return a message that only this person sees. There, the bot accepts any custom_id from them."""
    return (await actor.slash(bot.channel, "help")).response


async def press(bot: Harness, actor: Any, message: Any, custom_id: str) -> Any:
    """Press a button that the message does not have."""
    button = {"type": BUTTON, "style": 2, "label": "?", "custom_id": custom_id}
    return await _use(bot, actor, message, button)


async def call(
    bot: Harness, actor: Any, name: str, options: list[dict[str, Any]] | None = None, resolved: Any = None
) -> Any:
    """Run a command past Discord's own permissions, or with options that it would not have let through."""
    command = bot.env.backend.find_command(name, bot.guild.id, type=1)
    data: dict[str, Any] = {"id": command["id"], "name": name, "type": 1, "options": options or []}
    if resolved is not None:
        data["resolved"] = resolved
    return await _send(bot, actor, InteractionType.APPLICATION_COMMAND, data)


async def use_menu(bot: Harness, actor: Any, name: str, message: Any) -> Any:
    """Choose a command in a message's menu, also while another interaction is going on."""
    command = bot.env.backend.find_command(name, bot.guild.id, type=MESSAGE)
    resolved = {"messages": {str(message.id): dict(message_payload(bot.env.backend, stored(bot, message)))}}
    data = {"id": command["id"], "name": name, "type": MESSAGE, "target_id": str(message.id)}
    return await _send(bot, actor, InteractionType.APPLICATION_COMMAND, {**data, "resolved": resolved})


async def complete(bot: Harness, actor: Any, name: str, command_id: int = 1, **typed: str) -> Any:
    """Ask for autocomplete choices of a command that the bot need not have any more."""
    options = [{**option, "focused": True} for option in strings(**typed)]
    data = {"id": str(command_id), "name": name, "type": 1, "options": options}
    return await _send(bot, actor, InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE, data)


def strings(**options: str) -> list[dict[str, Any]]:
    """Return text options for `call`."""
    return [{"name": name, "type": STRING, "value": value} for name, value in options.items()]


async def _use(bot: Harness, actor: Any, message: Any, component: dict[str, Any], **given: Any) -> Any:
    """Send the interaction of a component as if the message had it."""
    data = {"custom_id": component["custom_id"], "component_type": component["type"], **given}
    row = {"type": ACTION_ROW, "components": [component]}
    return await _send(
        bot, actor, InteractionType.MESSAGE_COMPONENT, data, **_from(bot, message, components=[row])
    )


def _from(bot: Harness, message: Any, **changed: Any) -> dict[str, Any]:
    """Return the message that an interaction comes from, as Discord describes it."""
    payload = dict(message_payload(bot.env.backend, stored(bot, message)))
    return {"extra": {"message": payload | changed}, "source_message_id": message.id}


async def _send(bot: Harness, actor: Any, kind: int, data: dict[str, Any], **source: Any) -> Any:
    return await actor._dispatch_interaction(kind, bot.channel, data, **source)
