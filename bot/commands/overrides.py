"""Discord's own permissions for `/generate` (Server Settings > Integrations), asked for buttons.

Discord applies them to the command itself; a button that starts a run would go round them. The bot can read
them with its own token; they are kept for a minute.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import discord
from discord import AppCommandPermissionType, app_commands

from bot.domain.errors import RefusedError

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


@dataclass(frozen=True, slots=True)
class Overrides:
    """A server's lines for the command, and for the whole bot, which hold where the command has none."""

    command: tuple[Override, ...] = ()
    bot: tuple[Override, ...] = ()


def permitted(
    overrides: Overrides, guild_id: int, user_id: int, role_ids: frozenset[int], channel_id: int
) -> bool:
    """As Discord decides: channels first, then the person, then any allowing role, then @everyone.

    @everyone has the server's id, "all channels" the server's id less one.
    """
    roles = role_ids - {guild_id}
    both = [
        {(line.kind, line.target_id): line.allowed for line in lines}
        for lines in (overrides.command, overrides.bot)
    ]
    channels = (
        said.get((AppCommandPermissionType.channel, target))
        for said in both
        for target in (channel_id, guild_id - 1)
    )
    people = (_person(said, guild_id, user_id, roles) for said in both)
    return _first(channels) and _first(people)


def _first(said: Iterable[bool | None]) -> bool:
    """The first that says something; where nothing does, it is allowed."""
    return next((each for each in said if each is not None), True)


def _person(
    said: Mapping[tuple[AppCommandPermissionType, int], bool],
    guild_id: int,
    user_id: int,
    role_ids: frozenset[int],
) -> bool | None:
    person = said.get((AppCommandPermissionType.user, user_id))
    if person is not None:
        return person
    roles = [said[key] for role in role_ids if (key := (AppCommandPermissionType.role, role)) in said]
    if roles:
        return any(roles)
    return said.get((AppCommandPermissionType.role, guild_id))


class CommandOverrides:
    """The overrides of one command, by server."""

    def __init__(self, tree: app_commands.CommandTree[Any], command: str) -> None:
        self._tree = tree
        self._command = command
        self._kept: OrderedDict[int, tuple[float, Overrides]] = OrderedDict()

    async def check(
        self, guild: discord.Guild, user_id: int, role_ids: frozenset[int], channel_id: int
    ) -> None:
        """Raises RefusedError where the command itself would not be offered."""
        overrides = await self._overrides(guild)
        if not permitted(overrides, guild.id, user_id, role_ids, channel_id):
            raise RefusedError("not_allowed_here")

    async def _overrides(self, guild: discord.Guild) -> Overrides:
        at, kept = self._kept.get(guild.id, (0.0, Overrides()))
        if at and time.monotonic() - at < _KEPT_SECONDS:
            return kept
        found = await self._fetch(guild)
        self._kept[guild.id] = (time.monotonic(), found)
        self._kept.move_to_end(guild.id)
        if len(self._kept) > _KEPT_SERVERS:
            self._kept.popitem(last=False)
        return found

    async def _fetch(self, guild: discord.Guild) -> Overrides:
        command = await self._find(guild)
        if command is None:
            return Overrides()
        # For the whole bot they stand under the application's own id.
        return Overrides(
            await self._lines(command.application_id, guild, command.id),
            await self._lines(command.application_id, guild, command.application_id),
        )

    async def _lines(self, application_id: int, guild: discord.Guild, target_id: int) -> tuple[Override, ...]:
        http = self._tree.client.http
        try:
            found = await http.get_application_command_permissions(application_id, guild.id, target_id)
        except discord.NotFound as error:
            if error.code != _UNKNOWN_OVERWRITES:
                log.info("no overrides for %s on %s: %s", target_id, guild.id, error)
            return ()
        return tuple(
            Override(AppCommandPermissionType(line["type"]), int(line["id"]), line["permission"])
            for line in found["permissions"]
        )

    async def _find(self, guild: discord.Guild) -> app_commands.AppCommand | None:
        for where in (guild, None):
            for command in await self._tree.fetch_commands(guild=where):
                if command.name == self._command:
                    return command
        return None
