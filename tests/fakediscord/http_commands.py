"""The routes of application commands, and of their permissions on a server's Integrations page."""

from __future__ import annotations

from tests.fakediscord.calls import Call, Endpoint, Reply
from tests.fakediscord.command_rules import CHAT_INPUT, check_commands
from tests.fakediscord.errors import ApiError, Json
from tests.fakediscord.world import User, World

_GLOBAL = "/applications/{application_id}/commands"
_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"


class Commands:
    """The synced commands.

    `scopes` maps guild ids, or None for global commands, to lists of commands. `overrides` maps the ids of
    commands, or of the application, to the lines of a server's Integrations page.
    """

    def __init__(self, world: World, bot: User) -> None:
        self._world = world
        self._bot = bot
        self.scopes: dict[int | None, list[Json]] = {}
        self.overrides: dict[str, list[Json]] = {}

    def find(self, name: str, guild_id: int | None = None, kind: int = CHAT_INPUT) -> Json | None:
        """Return the command that people see in a guild: the guild's own, or else the global one."""
        scopes = (guild_id, None) if guild_id is not None else (None,)
        for scope in scopes:
            for command in self.scopes.get(scope, []):
                if command["name"] == name and command["type"] == kind:
                    return command
        return None

    def overwrite(self, scope: int | None, wanted: list[Json]) -> list[Json]:
        check_commands(wanted)
        before = {(c["type"], c["name"]): c["id"] for c in self.scopes.get(scope, [])}
        self.scopes[scope] = [self._stored(scope, command, before) for command in wanted]
        self._world.changed()
        return self.scopes[scope]

    def _stored(self, scope: int | None, command: Json, before: dict[tuple[int, str], str]) -> Json:
        kind = command.get("type", CHAT_INPUT)
        stored: Json = {"description": "", "options": [], "default_member_permissions": None, "nsfw": False}
        stored |= {key: value for key, value in command.items() if value is not None}
        stored |= {
            "id": before.get((kind, command["name"]), str(self._world.snowflake())),
            "type": kind,
            "application_id": str(self._bot.id),
            "version": str(self._world.snowflake()),
        }
        return stored if scope is None else stored | {"guild_id": str(scope)}


class CommandRoutes:
    def __init__(self, commands: Commands, world: World) -> None:
        self._commands = commands
        self._world = world

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", _GLOBAL, self.listing),
            Endpoint("PUT", _GLOBAL, self.overwrite),
            Endpoint("GET", _GUILD, self.listing),
            Endpoint("PUT", _GUILD, self.overwrite),
            Endpoint("GET", f"{_GUILD}/{{command_id}}/permissions", self.permissions),
        ]

    def listing(self, call: Call) -> Reply:
        return Reply(body=self._commands.scopes.get(self._scope(call), []))

    def overwrite(self, call: Call) -> Reply:
        if not isinstance(call.json, list):
            raise ApiError(50035)
        return Reply(body=self._commands.overwrite(self._scope(call), call.json))

    def permissions(self, call: Call) -> Reply:
        """Return the overrides of a command or of the whole bot. Without any, Discord answers 404."""
        self._scope(call)
        found = self._commands.overrides.get(call.params["command_id"])
        if found is None:
            raise ApiError(10066)
        return Reply(body={"id": call.params["command_id"], "permissions": found})

    def _scope(self, call: Call) -> int | None:
        if "guild_id" not in call.params:
            return None
        guild = self._world.guilds.get(call.id("guild_id"))
        if guild is None or not guild.bot_present:
            raise ApiError(50001)
        return guild.id
