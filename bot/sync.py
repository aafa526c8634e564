"""Syncs the commands with Discord, only where they changed: it is rate limited, and clients reload them."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

import discord
from discord import app_commands

from bot.store.notes import NoteStore

log = logging.getLogger(__name__)

_NOTE = "synced:"
_GLOBAL = "global"


class CommandSync:
    """Globally, or at once to `guild_ids`; what an earlier setting left elsewhere is cleared."""

    def __init__(self, notes: NoteStore, guild_ids: tuple[int, ...]) -> None:
        self._notes = notes
        self._guild_ids = guild_ids

    async def run(self, tree: app_commands.CommandTree[Any], application_id: int) -> None:
        """Raises StoreUnavailable; what Discord refuses is logged, and the bot goes on with what is there."""
        for guild_id in self._guild_ids:
            tree.copy_global_to(guild=discord.Object(guild_id))
        if self._guild_ids:
            tree.clear_commands(guild=None)
        known = await self._notes.with_prefix(f"{_NOTE}{application_id}:")
        wanted = [_GLOBAL, *map(str, self._guild_ids)]
        for scope in dict.fromkeys([*wanted, *known]):
            guild = None if scope == _GLOBAL else discord.Object(int(scope))
            print_now = _fingerprint(tree, guild)
            if known.get(scope) != print_now and await _sync(tree, guild):
                await self._notes.put(f"{_NOTE}{application_id}:{scope}", print_now)


def _fingerprint(tree: app_commands.CommandTree[Any], guild: discord.Object | None) -> str:
    payload = [command.to_dict(tree) for command in tree.get_commands(guild=guild)]
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


async def _sync(tree: app_commands.CommandTree[Any], guild: discord.Object | None) -> bool:
    where = f"server {guild.id}" if guild is not None else "all servers"
    try:
        await tree.sync(guild=guild)
    except discord.HTTPException as error:
        # Often a server that the bot has left, or was never invited to with `applications.commands`.
        log.error("the commands could not be synced to %s: %s", where, error)  # noqa: TRY400
        return False
    log.info("synced the commands to %s", where)
    return True
