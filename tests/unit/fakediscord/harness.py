from __future__ import annotations

from dataclasses import dataclass

import discord

from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Guild, User
from tests.unit.fakediscord.bot import PainterBot


@dataclass(frozen=True)
class Studio:
    fake: FakeDiscord
    bot: PainterBot
    guild: Guild
    general: Channel
    alice: User

    @property
    def channel(self) -> discord.PartialMessageable:
        """The channel as the bot sees it."""
        return self.bot.get_partial_messageable(self.general.id, guild_id=self.guild.id)
