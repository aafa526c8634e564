"""Sync the commands with Discord if they have changed.

Unchanged commands aren't synced, because syncing is rate limited and makes clients reload the commands.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
from discord import app_commands
from discord.app_commands import AppCommandContext, AppInstallationType, Command, ContextMenu, Group

from bot.database.key_values import KeyValueStore
from bot.discord_api.calls import is_outage
from bot.domain.errors import DiscordAway

log = logging.getLogger(__name__)
_KEY_PREFIX = "synced:"
_GLOBAL = "global"


class CommandSync:
    """Registers commands globally, or only on `guild_ids`, where they appear immediately.

    Commands that an earlier setting registered in other scopes are removed.
    """

    def __init__(self, store: KeyValueStore, guild_ids: tuple[int, ...]) -> None:
        self._store = store
        self.guild_ids = guild_ids

    def arrange(self, tree: app_commands.CommandTree[Any]) -> None:
        """Move the commands of the tree to their scopes; can be called repeatedly."""
        for guild_id in self.guild_ids:
            tree.copy_global_to(guild=discord.Object(guild_id))
        if self.guild_ids:
            tree.clear_commands(guild=None)

    def scopes(self, synced: Mapping[str, str]) -> list[str]:
        """Return the scopes to sync: "global" or a server's id.

        These are "global", the configured servers, and the scopes to which commands were `synced` before.
        """
        return list(dict.fromkeys([_GLOBAL, *map(str, self.guild_ids), *synced]))

    async def synced(self, application_id: int) -> dict[str, str]:
        """Return the fingerprint of the commands last synced to each scope. Raises StoreUnavailable."""
        return await self._store.with_prefix(f"{_KEY_PREFIX}{application_id}:")

    async def mark_synced(self, tree: app_commands.CommandTree[Any], application_id: int, scope: str) -> None:
        """Store the fingerprint of a scope's commands, which Discord now has. Raises StoreUnavailable."""
        await self._store.put(f"{_KEY_PREFIX}{application_id}:{scope}", _fingerprint(tree, scope))

    async def run(self, tree: app_commands.CommandTree[Any], application_id: int) -> None:
        """Sync the scopes that changed; if Discord refuses one, only log it. Raises StoreUnavailable.

        If Discord didn't answer for a scope, raise DiscordAway after the others.
        """
        self.arrange(tree)
        synced = await self.synced(application_id)
        away: DiscordAway | None = None
        for scope in self.scopes(synced):
            try:
                if synced.get(scope) != _fingerprint(tree, scope) and await _sync(tree, scope):
                    await self.mark_synced(tree, application_id, scope)
            except DiscordAway as error:
                away = error
        if away is not None:
            raise away


def guild_of_scope(scope: str) -> discord.Object | None:
    """Return the server of a scope, or None for "global"."""
    return None if scope == _GLOBAL else discord.Object(int(scope))


def payload(tree: app_commands.CommandTree[Any], scope: str) -> list[dict[str, Any]]:
    """Return the commands of a scope in the form sent to Discord."""
    return [command.to_dict(tree) for command in tree.get_commands(guild=guild_of_scope(scope))]


def _fingerprint(tree: app_commands.CommandTree[Any], scope: str) -> str:
    return hashlib.sha256(json.dumps(payload(tree, scope), sort_keys=True).encode()).hexdigest()


def describe_scope(scope: str) -> str:
    """Return a description of a scope for the log."""
    return "all servers" if scope == _GLOBAL else f"server {scope}"


async def _sync(tree: app_commands.CommandTree[Any], scope: str) -> bool:
    """Sync a scope. Return False if Discord refuses it, and raise DiscordAway if there is no answer."""
    try:
        await tree.sync(guild=guild_of_scope(scope))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise DiscordAway(f"{type(error).__name__}: {error}") from error
    except discord.HTTPException as error:
        if is_outage(error):
            raise DiscordAway(str(error)) from error
        # Usually a server that the bot has left, or to which it was invited without `applications.commands`.
        # An expected error needs no traceback.
        log.error("can't sync the commands to %s: %s", describe_scope(scope), error)  # noqa: TRY400
        return False
    log.info("synced the commands to %s", describe_scope(scope))
    return True


_CHAT_INPUT = 1
# The fields of commands, options and choices that differ only if a command was changed.
_COMPARED = frozenset(
    {
        *("name", "type", "description", "options", "default_member_permissions", "nsfw", "contexts"),
        *("integration_types", "choices", "value", "channel_types", "autocomplete", "required"),
        *("min_value", "max_value", "min_length", "max_length"),
    }
)


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences between two sets of commands, as sorted names.

    A slash command is listed as `/name`, a context menu command as its name in quotes.
    """

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.left_over)


def differences(
    expected: Iterable[Mapping[str, Any]], registered: Iterable[Mapping[str, Any]]
) -> Differences:
    """Compare commands as sent to Discord with those that Discord returns."""
    ours = {_name(command): _normal(command) for command in expected}
    theirs = {_name(command): _normal(command) for command in registered}
    return Differences(
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        changed=tuple(sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])),
        left_over=tuple(sorted(theirs.keys() - ours.keys())),
    )


def _name(command: Mapping[str, Any]) -> str:
    name = str(command["name"])
    return f"/{name}" if command.get("type", _CHAT_INPUT) == _CHAT_INPUT else f"'{name}'"


def _normal(value: Any) -> Any:
    """Return a part of a command in one form: empty fields are left out, and numbers are sorted."""
    if isinstance(value, Mapping):
        parts = {name: _normal(part) for name, part in value.items() if name in _COMPARED}
        if (permissions := parts.get("default_member_permissions")) is not None:
            parts["default_member_permissions"] = int(permissions)  # Discord sends a text
        return {name: part for name, part in parts.items() if part or (part == 0 and part is not False)}
    if isinstance(value, list | tuple):
        parts_of_list = [_normal(part) for part in value]
        return sorted(parts_of_list) if all(isinstance(part, int) for part in value) else parts_of_list
    return value


# Commands for the bot's owner, available in direct messages regardless of a server's Integrations.
OWNER = frozenset({"pause", "resume", "reload"})
# Help and a user's own requests and data. They cost nothing, and everybody may reach their own data.
OWN = frozenset({"help", "runs", "usage", "privacy"})
# Commands that start runs.
_GENERATE = "generate"
GENERATING = frozenset({_GENERATE, "preset"})
_SERVERS_ONLY = AppInstallationType(guild=True, user=False)
AnyCommand = Command[Any, ..., Any] | Group | ContextMenu


@dataclass(frozen=True, slots=True)
class Availability:
    """The places where the operator allows commands. `user_installs` also allows direct messages."""

    direct_messages: bool = False
    user_installs: bool = False

    @property
    def contexts(self) -> AppCommandContext:
        """Return the contexts of commands that start runs."""
        return AppCommandContext(
            guild=True,
            dm_channel=self.direct_messages or self.user_installs,
            private_channel=self.user_installs,
        )

    @property
    def installs(self) -> AppInstallationType:
        return AppInstallationType(guild=True, user=self.user_installs)

    def of(self, name: str) -> tuple[AppInstallationType, AppCommandContext]:
        """Return the availability of a command.

        A command that isn't in OWNER, OWN or GENERATING is limited to servers.
        """
        if name in OWNER:
            return _SERVERS_ONLY, AppCommandContext(guild=True, dm_channel=True, private_channel=False)
        if name in OWN:
            everywhere = AppCommandContext(guild=True, dm_channel=True, private_channel=self.user_installs)
            return self.installs, everywhere
        if name in GENERATING:
            return self.installs, self.contexts
        return _SERVERS_ONLY, AppCommandContext(guild=True, dm_channel=False, private_channel=False)

    def apply(self, commands: Iterable[AnyCommand]) -> None:
        for command in commands:
            # Every message command starts runs, as /generate does, and the operator may have named it.
            name = _GENERATE if isinstance(command, ContextMenu) else command.name
            command.allowed_installs, command.allowed_contexts = self.of(name)
