"""The slash commands in Discord: sync them if they have changed, know their ids, and respect their overrides.

Unchanged commands aren't synced, because syncing is rate limited and makes clients reload the commands.

Discord applies overrides (Server Settings > Integrations) to the command itself, but buttons that start runs
would bypass them. The bot reads those of `/generate` with its own token and caches them for a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiohttp
import discord
from discord import AppCommandPermissionType, app_commands
from discord.app_commands import AppCommandContext, AppInstallationType, Command, ContextMenu, Group

from bot.config.settings import Settings
from bot.context import App
from bot.discord_api.calls import is_outage, responding
from bot.domain.errors import DiscordAway, RefusedError
from bot.ui.help import Mention

log = logging.getLogger(__name__)
# Commands for the bot's owner, available in direct messages regardless of a server's Integrations.
OWNER = frozenset({"pause", "resume", "reload"})
# Help and a user's own requests and data. They cost nothing, and everybody may reach their own data.
OWN = frozenset({"help", "runs", "usage", "privacy"})
# Commands that start runs.
_GENERATE = "generate"
GENERATING = frozenset({_GENERATE, "preset"})
AnyCommand = Command[Any, ..., Any] | Group | ContextMenu


def _set_availability(commands: Iterable[AnyCommand], settings: Settings) -> None:
    """Set where commands are offered. Those not in OWNER, OWN or GENERATING are limited to servers."""
    user_installs = settings.allow_user_installs
    directs = settings.allow_direct_messages or user_installs
    for command in commands:
        # Every message command starts runs, as /generate does, and the operator may have named it.
        name = _GENERATE if isinstance(command, ContextMenu) else command.name
        by_users = user_installs and name in OWN | GENERATING
        directly = name in OWNER | OWN or (name in GENERATING and directs)
        command.allowed_installs = AppInstallationType(guild=True, user=by_users)
        command.allowed_contexts = AppCommandContext(
            guild=True, dm_channel=directly, private_channel=by_users
        )


_CACHE_SECONDS = 60.0
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
    of = AppCommandPermissionType

    def first(*groups: Sequence[tuple[AppCommandPermissionType, int]]) -> bool:
        said = ([table[each] for each in group if each in table] for table in overrides for group in groups)
        return any(next(filter(None, said), [True]))

    roles = [(of.role, each) for each in role_ids - {guild_id}]
    channels = [(of.channel, channel_id)], [(of.channel, guild_id - 1)]
    return first(*channels) and first([(of.user, user_id)], roles, [(of.role, guild_id)])


class RegisteredCommands:
    """The slash commands in Discord: their sync, their ids, and a cache of the overrides of `/generate`."""

    def __init__(self, tree: app_commands.CommandTree[Any], app: App) -> None:
        self._tree, self._app = tree, app
        self._ids: dict[str, int] = {}
        self._overrides: dict[int, tuple[float, Sequence[Overrides]]] = {}
        self._refused = ""

    async def sync(self, application_id: int, *, resend: bool = False) -> None:
        """Sync the commands if they changed, or with `resend` anyway. If Discord refuses them, only log it.

        Raises StoreUnavailable, and DiscordAway if Discord doesn't respond; then the next call sends them.
        """
        tree, store, name = self._tree, self._app.store.key_values, f"synced:{application_id}"
        _set_availability(tree.get_commands(), self._app.settings)
        commands = [command.to_dict(tree) for command in tree.get_commands()]
        fingerprint = hashlib.sha256(json.dumps(commands, sort_keys=True).encode()).hexdigest()
        if resend:
            await store.put(name, "")
        elif fingerprint in (self._refused, await store.get(name)):
            return
        try:
            await tree.sync()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            if not isinstance(error, discord.HTTPException) or is_outage(error):
                raise DiscordAway(f"{type(error).__name__}: {error}") from error
            # An expected error needs no traceback.
            log.error("can't sync the commands: %s", error)  # noqa: TRY400
            self._refused = fingerprint
        else:
            log.info("synced the commands")
            await store.put(name, fingerprint)
        finally:
            self._ids = {}

    async def mention(self) -> Mention:
        """Return a function that converts a path, such as `/generate flux`, to a mention if it can."""
        ids: Mapping[str, int] = {}
        try:
            ids = await self._offered()
        except (discord.HTTPException, DiscordAway) as error:
            log.warning("can't fetch the ids of the commands: %s", error)

        def mention(path: str) -> str:
            command_id = ids.get(path.removeprefix("/").partition(" ")[0])
            return f"<{path}:{command_id}>" if command_id is not None else f"`{path}`"

        return mention

    async def check_overrides(
        self, guild_id: int, user_id: int, role_ids: frozenset[int], channel_id: int
    ) -> None:
        """Raise RefusedError if Discord would not offer `/generate` to this user here, or DiscordAway."""
        monotonic = self._app.effects.monotonic
        now = monotonic()
        fetched_at, overrides = self._overrides.get(guild_id, (now - _CACHE_SECONDS, ()))
        if now - fetched_at >= _CACHE_SECONDS:
            overrides = await self._fetch_overrides(guild_id)
            self._overrides[guild_id] = (monotonic(), overrides)
        if not is_permitted(overrides, guild_id, user_id, role_ids, channel_id):
            raise RefusedError("not_allowed_here")

    async def _offered(self) -> Mapping[str, int]:
        """Return the ids of the slash commands by name. Raises DiscordAway."""
        ids = self._ids
        if not ids:
            async with responding(_IDS_SECONDS):
                commands = await self._tree.fetch_commands()
            chat_input = discord.AppCommandType.chat_input
            ids.update({command.name: command.id for command in commands if command.type is chat_input})
        return ids

    async def _fetch_overrides(self, guild_id: int) -> Sequence[Overrides]:
        command_id = (await self._offered()).get(self._app.catalogue.plan.name)
        application_id, http = self._tree.client.application_id, self._tree.client.http
        if command_id is None or application_id is None:
            return ()

        async def read(target_id: int) -> Overrides:
            try:
                found = await http.get_application_command_permissions(application_id, guild_id, target_id)
            except discord.NotFound as error:
                if error.code != _UNKNOWN_OVERWRITES:
                    log.info("can't read the overrides of %s in server %s: %s", target_id, guild_id, error)
                return {}
            kinds = AppCommandPermissionType
            return {
                (kinds(each["type"]), int(each["id"])): each["permission"] for each in found["permissions"]
            }

        async with responding(_OVERRIDES_SECONDS):
            # Overrides for the whole bot have the application's id as their target.
            return await asyncio.gather(read(command_id), read(application_id))
