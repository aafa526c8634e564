"""The routes of application commands, and of their permissions on a server's Integrations page."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.fakediscord.calls import Call, Routes
from tests.fakediscord.command_rules import CHAT_INPUT, check_commands
from tests.fakediscord.errors import ApiError, Json

_GLOBAL = "/applications/{application_id}/commands"
routes = Routes()


@dataclass
class Commands:
    """The synced commands.

    `overrides` maps the ids of commands, or of the application, to the lines of a server's Integrations page.
    """

    synced: list[Json] = field(default_factory=list)
    overrides: dict[str, list[Json]] = field(default_factory=dict)

    def find(self, name: str, kind: int = CHAT_INPUT) -> Json | None:
        found = (each for each in self.synced if (each["name"], each["type"]) == (name, kind))
        return next(found, None)


@routes("GET", _GLOBAL)
def listing(call: Call) -> object:
    return call.discord.commands.synced


@routes("PUT", _GLOBAL)
def overwrite(call: Call) -> object:
    check_commands(call.body)
    call.discord.commands.synced = [_stored(call, command) for command in call.body]
    call.discord.world.changed()
    return call.discord.commands.synced


def _stored(call: Call, command: Json) -> Json:
    kind, new_id = command.get("type", CHAT_INPUT), str(call.discord.world.snowflake())
    before = call.discord.commands.find(command["name"], kind)
    stored: Json = {"description": "", "options": [], "default_member_permissions": None, "nsfw": False}
    stored |= {key: value for key, value in command.items() if value is not None}
    return stored | {
        "id": before["id"] if before else new_id,
        "type": kind,
        "application_id": str(call.discord.bot.id),
        "version": str(call.discord.world.snowflake()),
    }


@routes("GET", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}/permissions")
def permissions(call: Call) -> object:
    """Return the overrides of a command or of the whole bot. Without any, Discord answers 404."""
    guild = call.discord.world.guilds.get(call.id("guild_id"))
    if guild is None or not guild.bot_present:
        raise ApiError(50001)
    found = call.discord.commands.overrides.get(call.params["command_id"])
    if found is None:
        raise ApiError(10066)
    return {"id": call.params["command_id"], "permissions": found}
