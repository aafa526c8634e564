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
from urllib.parse import urlencode

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


def is_permitted(
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
        if not is_permitted(overrides, guild.id, user_id, role_ids, channel_id):
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


_AUTHORIZE = "https://discord.com/oauth2/authorize"
_SERVER, _PERSON = 0, 1  # Discord's integration types


def invite_permissions() -> discord.Permissions:
    """What the bot asks for: the permissions whose lack makes it refuse, and no other."""
    return discord.Permissions(**dict.fromkeys(NEEDED_PERMISSIONS, True))


def invite_url(application_id: int) -> str:
    """Adds the bot to a server."""
    return _link(
        client_id=application_id,
        scope="bot applications.commands",
        integration_type=_SERVER,
        permissions=invite_permissions().value,
    )


def install_url(application_id: int) -> str:
    """Adds the commands to a person's own account; for it Discord knows no permissions."""
    return _link(client_id=application_id, scope="applications.commands", integration_type=_PERSON)


def _link(**query: str | int) -> str:
    return f"{_AUTHORIZE}?{urlencode(query)}"


# Discord's own names for them, as a server admin finds them in the channel's settings.
_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}
_IN_THREADS = {"send_messages_in_threads": "Send Messages in Threads"}
# What the bot has to be invited with, by discord.py's names.
NEEDED_PERMISSIONS = (*_NEEDED, *_IN_THREADS)


def check_permissions(channel: object, permissions: discord.Permissions) -> None:
    """Raises RefusedError naming the permissions that the bot lacks in the interaction's channel.

    `permissions` are the interaction's `app_permissions`: Discord computes them for this very channel.
    An archived thread wakes up by posting; a locked one does not, except for who may manage threads.
    """
    if isinstance(channel, discord.DMChannel | discord.GroupChannel):
        return
    if isinstance(channel, discord.Thread) and channel.locked and not permissions.manage_threads:
        raise RefusedError("thread_locked")
    missing = lacks(channel, permissions)
    if missing:
        raise RefusedError("missing_permissions", missing=", ".join(missing))


def lacks(channel: object, permissions: discord.Permissions) -> list[str]:
    """The permissions missing for posting a result, by Discord's own names."""
    needed = dict(_NEEDED)
    if isinstance(channel, discord.Thread):
        del needed["send_messages"]
        needed |= _IN_THREADS
    return [name for flag, name in needed.items() if not getattr(permissions, flag)]
