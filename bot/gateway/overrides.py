"""Check Discord's permission overrides for `/generate`.

Discord applies overrides (Server Settings > Integrations) to the command itself, but buttons that start runs
would bypass them. The bot reads the overrides with its own token and caches them for a minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import discord
from discord import AppCommandPermissionType

from bot.discord_api.channels import answering
from bot.domain.errors import RefusedError
from bot.gateway.command_ids import CommandIds

log = logging.getLogger(__name__)
_CACHE_SECONDS = 60.0
_CACHE_SIZE = 1000
_UNKNOWN_OVERWRITES = 10066
# Discord waits three seconds for an answer, and fetching the ids of the commands may take time, too.
_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Override:
    """A permission override of a command for a role, a user or a channel."""

    kind: AppCommandPermissionType
    target_id: int
    allowed: bool


@dataclass(frozen=True, slots=True)
class Overrides:
    """A server's overrides for the command and for the whole bot; the command's take precedence."""

    command: tuple[Override, ...] = ()
    bot: tuple[Override, ...] = ()


def is_permitted(
    overrides: Overrides, guild_id: int, user_id: int, role_ids: frozenset[int], channel_id: int
) -> bool:
    """Return whether Discord would permit the command both in this channel and to this user.

    A user's own override comes first, then those of their roles (one that permits is enough), then that of
    @everyone. @everyone has the server's id, and "all channels" the server's id minus one.
    """
    roles = role_ids - {guild_id}
    tables = [
        {(line.kind, line.target_id): line.allowed for line in lines}
        for lines in (overrides.command, overrides.bot)
    ]
    channels = (
        table.get((AppCommandPermissionType.channel, target))
        for table in tables
        for target in (channel_id, guild_id - 1)
    )
    users = (_user(table, guild_id, user_id, roles) for table in tables)
    return _first_set(channels) and _first_set(users)


def _first_set(values: Iterable[bool | None]) -> bool:
    """Return the first value that is set, or True if none is."""
    return next((value for value in values if value is not None), True)


def _user(
    table: Mapping[tuple[AppCommandPermissionType, int], bool],
    guild_id: int,
    user_id: int,
    role_ids: frozenset[int],
) -> bool | None:
    user = table.get((AppCommandPermissionType.user, user_id))
    if user is not None:
        return user
    roles = [table[key] for role in role_ids if (key := (AppCommandPermissionType.role, role)) in table]
    if roles:
        return any(roles)
    return table.get((AppCommandPermissionType.role, guild_id))


class CommandOverrides:
    """A cache of one command's overrides per server."""

    def __init__(
        self, client: discord.Client, ids: CommandIds, command: str, monotonic: Callable[[], float]
    ) -> None:
        self._client = client
        self._ids = ids
        self._command = command
        self._monotonic = monotonic
        self._cache: OrderedDict[int, tuple[float, Overrides]] = OrderedDict()

    async def check(
        self, guild: discord.Guild, user_id: int, role_ids: frozenset[int], channel_id: int
    ) -> None:
        """Raise RefusedError if Discord would not offer the command to this user in this channel.

        Raises DiscordAway if Discord doesn't tell the overrides in time.
        """
        overrides = await self._overrides(guild)
        if not is_permitted(overrides, guild.id, user_id, role_ids, channel_id):
            raise RefusedError("not_allowed_here")

    async def _overrides(self, guild: discord.Guild) -> Overrides:
        cached = self._cache.get(guild.id)
        if cached is not None and self._monotonic() - cached[0] < _CACHE_SECONDS:
            return cached[1]
        overrides = await self._fetch(guild)
        self._cache[guild.id] = (self._monotonic(), overrides)
        self._cache.move_to_end(guild.id)
        if len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return overrides

    async def _fetch(self, guild: discord.Guild) -> Overrides:
        command_id = (await self._ids.offered(guild.id)).get(self._command)
        application_id = self._client.application_id
        if command_id is None or application_id is None:
            return Overrides()
        # Overrides for the whole bot have the application's id as their target.
        targets = (command_id, application_id)
        async with answering(_SECONDS):
            command, bot = await asyncio.gather(
                *(self._lines(application_id, guild, target) for target in targets)
            )
        return Overrides(command, bot)

    async def _lines(self, application_id: int, guild: discord.Guild, target_id: int) -> tuple[Override, ...]:
        http = self._client.http
        try:
            overrides = await http.get_application_command_permissions(application_id, guild.id, target_id)
        except discord.NotFound as error:
            if error.code != _UNKNOWN_OVERWRITES:
                log.info("can't read the overrides of %s in server %s: %s", target_id, guild.id, error)
            return ()
        return tuple(
            Override(AppCommandPermissionType(line["type"]), int(line["id"]), line["permission"])
            for line in overrides["permissions"]
        )
