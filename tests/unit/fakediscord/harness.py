"""The minimal bot in an offline server with one channel and one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord
import pytest

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Guild, Message, User
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

    @property
    def shown(self) -> list[str]:
        """The messages in the channel."""
        return [message.content for message in self.fake.messages(self.general)]

    async def send(self, *content: str, **more: Any) -> tuple[discord.Message, Message]:
        """Post a message; return it as the bot and as the fake have it."""
        sent = await self.channel.send(*content, **more)
        return sent, self.general.messages[sent.id]

    async def ask(self, prompt: str = "a cat", **options: object) -> Interaction:
        return await self.fake.slash(self.alice, self.general, "paint", {"prompt": prompt, **options})

    async def paint(self, prompt: str = "a cat", **options: object) -> Interaction:
        """Send a command and wait for its answer."""
        asked = await self.ask(prompt, **options)
        await asked.wait_answer()
        return asked


async def refusal(call: Any, status: int, code: int) -> None:
    """Wait for a call to Discord, which must be refused like this."""
    with pytest.raises(discord.HTTPException) as refused:
        await call
    assert (refused.value.status, refused.value.code) == (status, code)
