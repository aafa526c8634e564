"""Where each command is offered: for each of them on purpose, since Discord's own default is everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import discord
from discord.app_commands import AppCommandContext, AppInstallationType, Command, ContextMenu, Group

from bot.strings import say

# The bot's owner, who finds them in direct messages whatever a server's Integrations say.
OWNER = frozenset({"pause", "resume", "reload"})
# One's own requests and data, and words: nothing is spent, and nobody is kept from their data.
OWN = frozenset({"help", "runs", "usage", "privacy"})

# What generates.
MAKING = frozenset({"generate", "preset", say("use_menu")})

_SERVERS_ONLY = AppInstallationType(guild=True, user=False)

Offered = Command[Any, ..., Any] | Group | ContextMenu


@dataclass(frozen=True, slots=True)
class Reach:
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


def only_by_interaction(interaction: discord.Interaction[Any]) -> bool:
    """Whether the bot itself isn't where the interaction comes from, so that nothing else reaches there.

    Group and private messages; and servers without the bot, whose people use it by their own installation.
    """
    if interaction.context.private_channel:
        return True
    guild_id = interaction.guild_id
    return guild_id is not None and interaction.client.get_guild(guild_id) is None
