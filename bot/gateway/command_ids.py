"""Fetch the ids that Discord gave the bot's slash commands, and build clickable mentions from them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import discord
from discord import app_commands

from bot.discord_api.channels import answering
from bot.domain.errors import DiscordAway
from bot.ui.help import Mention, plain_mention

log = logging.getLogger(__name__)
# An interaction has to be answered within 3 seconds.
_SECONDS = 1.2


class CommandIds:
    """The ids of the registered slash commands, fetched once for each scope.

    `forget` is called when the deployments change, because a new command gets a new id. A command that only
    changes keeps its id.
    """

    def __init__(self, tree: app_commands.CommandTree[Any], guild_ids: tuple[int, ...]) -> None:
        self._tree = tree
        self._guild_ids = frozenset(guild_ids)
        self._ids: dict[int | None, Mapping[str, int]] = {}

    def forget(self) -> None:
        self._ids = {}

    async def offered(self, guild_id: int | None) -> Mapping[str, int]:
        """Return the ids of the slash commands that a server or a direct message has, by name.

        Raises DiscordAway, or Forbidden if the bot may not use commands in a server of the settings.
        """
        ids = self._ids
        scope = guild_id if guild_id in self._guild_ids else None
        if scope not in ids:
            async with answering(_SECONDS):
                ids[scope] = await self._fetch(scope)
        return ids[scope]

    async def mention(self, guild_id: int | None) -> Mention:
        """Return a function that converts a path, such as `/generate flux`, to a mention.

        If an id isn't known, for example because Discord doesn't answer in time, the path itself is shown.
        """
        ids: Mapping[str, int] = {}
        try:
            ids = await self.offered(guild_id)
        except (discord.HTTPException, DiscordAway) as error:
            log.warning("can't fetch the ids of the commands: %s", error)

        def mention(path: str) -> str:
            command_id = ids.get(path.removeprefix("/").partition(" ")[0])
            return f"<{path}:{command_id}>" if command_id is not None else plain_mention(path)

        return mention

    async def _fetch(self, scope: int | None) -> Mapping[str, int]:
        guild = discord.Object(scope) if scope is not None else None
        commands = await self._tree.fetch_commands(guild=guild)
        chat_input = discord.AppCommandType.chat_input
        return {command.name: command.id for command in commands if command.type is chat_input}
