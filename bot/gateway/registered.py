"""What Discord has about the bot's commands: their ids, and a server's permission overrides for `/generate`.

Discord applies overrides (Server Settings > Integrations) to the command itself, but buttons that start runs
would bypass them. The bot reads the overrides with its own token and caches them for a minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

import discord
from discord import AppCommandPermissionType, app_commands

from bot.discord_api.calls import answering
from bot.domain.errors import DiscordAway, RefusedError
from bot.ui.help import Mention, plain_mention

log = logging.getLogger(__name__)
_CACHE_SECONDS = 60.0
_CACHE_SIZE = 1000
_UNKNOWN_OVERWRITES = 10066
# Discord waits three seconds for an answer, and a press may need the ids and then the overrides.
_IDS_SECONDS, _OVERRIDES_SECONDS = 1.2, 1.0
# Whether each role, user or channel may use a command.
Overrides = Mapping[tuple[AppCommandPermissionType, int], bool]


def is_permitted(
    overrides: Sequence[Overrides], guild_id: int, user_id: int, role_ids: frozenset[int], channel_id: int
) -> bool:
    """Return whether Discord would permit the command both in this channel and to this user.

    The overrides are those of the command and those of the whole bot; the first that say something count. A
    user's own override comes first, then those of their roles (one that permits is enough), then that of
    @everyone. @everyone has the server's id, and "all channels" the server's id minus one.
    """
    of, roles = AppCommandPermissionType, role_ids - {guild_id}
    channels, users = list[bool](), list[bool]()
    for table in overrides:
        channels += [
            table[of.channel, each] for each in (channel_id, guild_id - 1) if (of.channel, each) in table
        ]
        of_roles = [table[of.role, each] for each in roles if (of.role, each) in table]
        users += [table[of.user, user_id]] if (of.user, user_id) in table else []
        users += [any(of_roles)] if of_roles else []
        users += [table[of.role, guild_id]] if (of.role, guild_id) in table else []
    return next(iter(channels), True) and next(iter(users), True)


class RegisteredCommands:
    """The ids of the slash commands, fetched once for each scope, and a cache of one command's overrides.

    `forget` is called when the deployments change, because a new command gets a new id. A command that only
    changes keeps its id.
    """

    def __init__(
        self,
        tree: app_commands.CommandTree[discord.Client],
        guild_ids: tuple[int, ...],
        generate: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._tree = tree
        self._guild_ids = frozenset(guild_ids)
        self._generate = generate
        self._monotonic = monotonic
        self._ids: dict[int | None, Mapping[str, int]] = {}
        self._overrides: dict[int, tuple[float, Sequence[Overrides]]] = {}

    def forget(self) -> None:
        self._ids = {}

    async def mention(self, guild_id: int | None) -> Mention:
        """Return a function that converts a path, such as `/generate flux`, to a mention.

        If an id isn't known, for example because Discord doesn't answer in time, the path itself is shown.
        """
        ids: Mapping[str, int] = {}
        try:
            ids = await self._offered(guild_id)
        except (discord.HTTPException, DiscordAway) as error:
            log.warning("can't fetch the ids of the commands: %s", error)

        def mention(path: str) -> str:
            command_id = ids.get(path.removeprefix("/").partition(" ")[0])
            return f"<{path}:{command_id}>" if command_id is not None else plain_mention(path)

        return mention

    async def check_overrides(
        self, guild: discord.Guild, user_id: int, role_ids: frozenset[int], channel_id: int
    ) -> None:
        """Raise RefusedError if Discord would not offer `/generate` to this user in this channel.

        Raises DiscordAway if Discord doesn't tell the overrides in time.
        """
        now = self._monotonic()
        fetched_at, overrides = self._overrides.get(guild.id, (now - _CACHE_SECONDS, ()))
        if now - fetched_at >= _CACHE_SECONDS:
            overrides = await self._fetch_overrides(guild.id)
            self._overrides.pop(guild.id, None)
            self._overrides[guild.id] = (self._monotonic(), overrides)
            if len(self._overrides) > _CACHE_SIZE:
                del self._overrides[next(iter(self._overrides))]
        if not is_permitted(overrides, guild.id, user_id, role_ids, channel_id):
            raise RefusedError("not_allowed_here")

    async def _offered(self, guild_id: int | None) -> Mapping[str, int]:
        """Return the ids of the slash commands that a server or a direct message has, by name.

        Raises DiscordAway, or Forbidden if the bot may not use commands in a server of the settings.
        """
        ids = self._ids
        scope = guild_id if guild_id in self._guild_ids else None
        if scope not in ids:
            async with answering(_IDS_SECONDS):
                guild = discord.Object(scope) if scope is not None else None
                commands = await self._tree.fetch_commands(guild=guild)
            chat_input = discord.AppCommandType.chat_input
            ids[scope] = {command.name: command.id for command in commands if command.type is chat_input}
        return ids[scope]

    async def _fetch_overrides(self, guild_id: int) -> Sequence[Overrides]:
        command_id = (await self._offered(guild_id)).get(self._generate)
        application_id = self._tree.client.application_id
        if command_id is None or application_id is None:
            return ()
        # Overrides for the whole bot have the application's id as their target.
        targets = (command_id, application_id)
        async with answering(_OVERRIDES_SECONDS):
            return await asyncio.gather(*(self._of(application_id, guild_id, target) for target in targets))

    async def _of(self, application_id: int, guild_id: int, target_id: int) -> Overrides:
        http = self._tree.client.http
        try:
            overrides = await http.get_application_command_permissions(application_id, guild_id, target_id)
        except discord.NotFound as error:
            if error.code != _UNKNOWN_OVERWRITES:
                log.info("can't read the overrides of %s in server %s: %s", target_id, guild_id, error)
            return {}
        lines = overrides["permissions"]
        return {
            (AppCommandPermissionType(each["type"]), int(each["id"])): each["permission"] for each in lines
        }
