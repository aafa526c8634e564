"""Syncs the commands with Discord, only where they changed: it is rate limited, and clients reload them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

import discord
from discord import app_commands

from bot.database.key_values import NoteStore

log = logging.getLogger(__name__)

_NOTE = "synced:"
_GLOBAL = "global"


class CommandSync:
    """Globally, or at once to `guild_ids`; what an earlier setting left elsewhere is cleared."""

    def __init__(self, notes: NoteStore, guild_ids: tuple[int, ...]) -> None:
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


def guild_of(place: str) -> discord.Object | None:
    """None for "global"."""
    return None if place == _GLOBAL else discord.Object(int(place))


def payload(tree: app_commands.CommandTree[Any], place: str) -> list[dict[str, Any]]:
    """The commands of a place as they are sent to Discord."""
    return [command.to_dict(tree) for command in tree.get_commands(guild=guild_of(place))]


def _fingerprint(tree: app_commands.CommandTree[Any], place: str) -> str:
    return hashlib.sha256(json.dumps(payload(tree, place), sort_keys=True).encode()).hexdigest()


def told(place: str) -> str:
    """A place in words."""
    return "all servers" if place == _GLOBAL else f"server {place}"


async def _sync(tree: app_commands.CommandTree[Any], place: str) -> bool:
    try:
        await tree.sync(guild=guild_of(place))
    except discord.HTTPException as error:
        # Often a server that the bot has left, or was never invited to with `applications.commands`.
        log.error("the commands could not be synced to %s: %s", told(place), error)  # noqa: TRY400
        return False
    log.info("synced the commands to %s", told(place))
    return True
