"""The routes of application commands, and of their permissions on a server's Integrations page."""

from __future__ import annotations

from tests.fakediscord.calls import Call, Endpoint, Reply
from tests.fakediscord.command_rules import CHAT_INPUT, check_commands
from tests.fakediscord.errors import ApiError, Json
from tests.fakediscord.world import User, World

_GLOBAL = "/applications/{application_id}/commands"
_PERMISSIONS = "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}/permissions"


class Commands:
    """The synced commands.

    `overrides` maps the ids of commands, or of the application, to the lines of a server's Integrations page.
    """

    def __init__(self, world: World, bot: User) -> None:
        self._world = world
        self._bot = bot
        self.synced: list[Json] = []
        self.overrides: dict[str, list[Json]] = {}

    def find(self, name: str, kind: int = CHAT_INPUT) -> Json | None:
        for command in self.synced:
            if command["name"] == name and command["type"] == kind:
                return command
        return None

    def overwrite(self, wanted: list[Json]) -> list[Json]:
        check_commands(wanted)
        before = {(c["type"], c["name"]): c["id"] for c in self.synced}
        self.synced = [self._stored(command, before) for command in wanted]
        self._world.changed()
        return self.synced

    def _stored(self, command: Json, before: dict[tuple[int, str], str]) -> Json:
        kind = command.get("type", CHAT_INPUT)
        stored: Json = {"description": "", "options": [], "default_member_permissions": None, "nsfw": False}
        stored |= {key: value for key, value in command.items() if value is not None}
        stored |= {
            "id": before.get((kind, command["name"]), str(self._world.snowflake())),
            "type": kind,
            "application_id": str(self._bot.id),
            "version": str(self._world.snowflake()),
        }
        return stored


class CommandRoutes:
    def __init__(self, commands: Commands, world: World) -> None:
        self._commands = commands
        self._world = world

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", _GLOBAL, self.listing),
            Endpoint("PUT", _GLOBAL, self.overwrite),
            Endpoint("GET", _PERMISSIONS, self.permissions),
        ]

    def listing(self, call: Call) -> Reply:
        return Reply(body=self._commands.synced)

    def overwrite(self, call: Call) -> Reply:
        if not isinstance(call.json, list):
            raise ApiError(50035)
        return Reply(body=self._commands.overwrite(call.json))

    def permissions(self, call: Call) -> Reply:
        """Return the overrides of a command or of the whole bot. Without any, Discord answers 404."""
        guild = self._world.guilds.get(call.id("guild_id"))
        if guild is None or not guild.bot_present:
            raise ApiError(50001)
        found = self._commands.overrides.get(call.params["command_id"])
        if found is None:
            raise ApiError(10066)
        return Reply(body={"id": call.params["command_id"], "permissions": found})
