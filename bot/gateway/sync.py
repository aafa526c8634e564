"""Syncs the commands with Discord, only where they changed: it is rate limited, and clients reload them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import AppCommandContext, AppInstallationType, Command, ContextMenu, Group

from bot.database.key_values import KeyValueStore
from bot.strings import say

log = logging.getLogger(__name__)
_NOTE = "synced:"
_GLOBAL = "global"


class CommandSync:
    """Globally, or at once to `guild_ids`; what an earlier setting left elsewhere is cleared."""

    def __init__(self, notes: KeyValueStore, guild_ids: tuple[int, ...]) -> None:
        self._notes = notes
        self._guild_ids = guild_ids

    def arrange(self, tree: app_commands.CommandTree[Any]) -> None:
        """Moves new commands to where they are wanted; may be repeated."""
        for guild_id in self._guild_ids:
            tree.copy_global_to(guild=discord.Object(guild_id))
        if self._guild_ids:
            tree.clear_commands(guild=None)

    def places(self, known: Mapping[str, str]) -> list[str]:
        """Where commands are wanted or were left: "global", or a server's id."""
        return list(dict.fromkeys([_GLOBAL, *map(str, self._guild_ids), *known]))

    async def known(self, application_id: int) -> dict[str, str]:
        """Place -> the fingerprint of what was synced there last. Raises StoreUnavailable."""
        return await self._notes.with_prefix(f"{_NOTE}{application_id}:")

    async def note(self, tree: app_commands.CommandTree[Any], application_id: int, place: str) -> None:
        """What the tree holds for the place is what Discord has. Raises StoreUnavailable."""
        await self._notes.put(f"{_NOTE}{application_id}:{place}", _fingerprint(tree, place))

    async def run(self, tree: app_commands.CommandTree[Any], application_id: int) -> None:
        """Raises StoreUnavailable; what Discord refuses is logged, and the bot goes on with what is there."""
        self.arrange(tree)
        known = await self.known(application_id)
        for place in self.places(known):
            if known.get(place) != _fingerprint(tree, place) and await _sync(tree, place):
                await self.note(tree, application_id, place)


def guild_of_scope(place: str) -> discord.Object | None:
    """None for "global"."""
    return None if place == _GLOBAL else discord.Object(int(place))


def payload(tree: app_commands.CommandTree[Any], place: str) -> list[dict[str, Any]]:
    """The commands of a place as they are sent to Discord."""
    return [command.to_dict(tree) for command in tree.get_commands(guild=guild_of_scope(place))]


def _fingerprint(tree: app_commands.CommandTree[Any], place: str) -> str:
    return hashlib.sha256(json.dumps(payload(tree, place), sort_keys=True).encode()).hexdigest()


def told(place: str) -> str:
    """A place in words."""
    return "all servers" if place == _GLOBAL else f"server {place}"


async def _sync(tree: app_commands.CommandTree[Any], place: str) -> bool:
    try:
        await tree.sync(guild=guild_of_scope(place))
    except discord.HTTPException as error:
        # Often a server that the bot has left, or was never invited to with `applications.commands`.
        log.error("the commands could not be synced to %s: %s", told(place), error)  # noqa: TRY400
        return False
    log.info("synced the commands to %s", told(place))
    return True


_CHAT_INPUT = 1
_OPTION_FIELDS = ("name", "type", "description", "choices", "channel_types", "autocomplete", "required")
_LIMITS = ("min_value", "max_value", "min_length", "max_length")


@dataclass(frozen=True, slots=True)
class Differences:
    """Names as a person types them, sorted."""

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.surplus)


def differences(wanted: Iterable[Mapping[str, Any]], there: Iterable[Mapping[str, Any]]) -> Differences:
    ours = {_name(command): _normal(command) for command in wanted}
    theirs = {_name(command): _normal(command) for command in there}
    return Differences(
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        changed=tuple(sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])),
        surplus=tuple(sorted(theirs.keys() - ours.keys())),
    )


def _name(command: Mapping[str, Any]) -> str:
    name = str(command["name"])
    return f"/{name}" if command.get("type", _CHAT_INPUT) == _CHAT_INPUT else f"'{name}'"


def _normal(command: Mapping[str, Any]) -> dict[str, Any]:
    permissions = command.get("default_member_permissions")
    return {
        "description": command.get("description") or "",
        "options": [_option(option) for option in command.get("options") or ()],
        "permissions": None if permissions is None else int(permissions),
        "nsfw": bool(command.get("nsfw")),
        # Absent means Discord's default, which is what the bot sends in full.
        "contexts": _numbers(command.get("contexts")),
        "installs": _numbers(command.get("integration_types")),
    }


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    normal = {name: option.get(name) or None for name in _OPTION_FIELDS}
    normal |= {name: option.get(name) for name in _LIMITS}
    normal["choices"] = [(choice["name"], choice["value"]) for choice in option.get("choices") or ()]
    normal["options"] = [_option(inner) for inner in option.get("options") or ()]
    return normal


def _numbers(values: Iterable[int] | None) -> list[int] | None:
    return None if values is None else sorted(values)


# The bot's owner, who finds them in direct messages whatever a server's Integrations say.
OWNER = frozenset({"pause", "resume", "reload"})
# One's own requests and data, and words: nothing is spent, and nobody is kept from their data.
OWN = frozenset({"help", "runs", "usage", "privacy"})
# What generates.
MAKING = frozenset({"generate", "preset", say("use_menu")})
_SERVERS_ONLY = AppInstallationType(guild=True, user=False)
Offered = Command[Any, ..., Any] | Group | ContextMenu


@dataclass(frozen=True, slots=True)
class Availability:
    """What the operator allows. Whoever may add the bot to their account may also write to it directly."""

    direct_messages: bool = False
    user_installs: bool = False

    @property
    def contexts(self) -> AppCommandContext:
        """Of what generates."""
        return AppCommandContext(
            guild=True,
            dm_channel=self.direct_messages or self.user_installs,
            private_channel=self.user_installs,
        )

    @property
    def installs(self) -> AppInstallationType:
        return AppInstallationType(guild=True, user=self.user_installs)

    def of(self, name: str) -> tuple[AppInstallationType, AppCommandContext]:
        """By a command's name. What is not named here is for servers alone, as moderators' tools are."""
        if name in OWNER:
            return _SERVERS_ONLY, AppCommandContext(guild=True, dm_channel=True, private_channel=False)
        if name in OWN:
            everywhere = AppCommandContext(guild=True, dm_channel=True, private_channel=self.user_installs)
            return self.installs, everywhere
        if name in MAKING:
            return self.installs, self.contexts
        return _SERVERS_ONLY, AppCommandContext(guild=True, dm_channel=False, private_channel=False)

    def apply(self, commands: Iterable[Offered]) -> None:
        for command in commands:
            command.allowed_installs, command.allowed_contexts = self.of(command.name)
            command.guild_only = False  # the older flag would hide that the contexts say it
