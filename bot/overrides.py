"""Discord's own permissions for `/generate` (Server Settings > Integrations), asked for buttons.

Discord applies them to the command itself; a button that starts a run would go round them. The bot can read
them with its own token; they are kept for a minute.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import discord
from discord import AppCommandPermissionType, app_commands

from bot.errors import RefusedError

log = logging.getLogger(__name__)

_KEPT_SECONDS = 60.0
_KEPT_SERVERS = 1000
_UNKNOWN_OVERWRITES = 10066


@dataclass(frozen=True, slots=True)
class Override:
    """One line of a command's permissions: a role, a person or a channel, allowed or not."""

    kind: AppCommandPermissionType
    target_id: int
    allowed: bool


def permitted(
    overrides: list[Override], guild_id: int, user_id: int, role_ids: frozenset[int], channel_id: int
) -> bool:
    """As Discord decides: channels first, then the person, then any allowing role, then @everyone.

    @everyone has the server's id, "all channels" the server's id less one.
    """
    said = {(line.kind, line.target_id): line.allowed for line in overrides}
    here = said.get((AppCommandPermissionType.channel, channel_id))
    everywhere = said.get((AppCommandPermissionType.channel, guild_id - 1), True)
    if not (here if here is not None else everywhere):
        return False
    person = said.get((AppCommandPermissionType.user, user_id))
    if person is not None:
        return person
    roles = [
        said[key] for role in role_ids - {guild_id} if (key := (AppCommandPermissionType.role, role)) in said
    ]
    if roles:
        return any(roles)
    return said.get((AppCommandPermissionType.role, guild_id), True)


class CommandOverrides:
    """The overrides of one command, by server."""

    def __init__(self, tree: app_commands.CommandTree[Any], command: str) -> None:
        self._tree = tree
        self._command = command
        self._kept: OrderedDict[int, tuple[float, list[Override]]] = OrderedDict()

    async def check(
        self, guild: discord.Guild, user_id: int, role_ids: frozenset[int], channel_id: int
    ) -> None:
        """Raises RefusedError where the command itself would not be offered."""
        overrides = await self._overrides(guild)
        if not permitted(overrides, guild.id, user_id, role_ids, channel_id):
            raise RefusedError("not_allowed_here")

    async def _overrides(self, guild: discord.Guild) -> list[Override]:
        at, kept = self._kept.get(guild.id, (0.0, []))
        if at and time.monotonic() - at < _KEPT_SECONDS:
            return kept
        found = await self._fetch(guild)
        self._kept[guild.id] = (time.monotonic(), found)
        self._kept.move_to_end(guild.id)
        if len(self._kept) > _KEPT_SERVERS:
            self._kept.popitem(last=False)
        return found

    async def _fetch(self, guild: discord.Guild) -> list[Override]:
        command = await self._find(guild)
        if command is None:
            return []
        try:
            found = await command.fetch_permissions(guild)
        except discord.NotFound as error:
            if error.code != _UNKNOWN_OVERWRITES:
                log.info("no overrides for %s on %s: %s", self._command, guild.id, error)
            return []
        return [Override(line.type, line.id, line.permission) for line in found.permissions]

    async def _find(self, guild: discord.Guild) -> app_commands.AppCommand | None:
        for where in (guild, None):
            for command in await self._tree.fetch_commands(guild=where):
                if command.name == self._command:
                    return command
        return None
