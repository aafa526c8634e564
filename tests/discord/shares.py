"""Sharing results in a server's gallery channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord
import simcord

from tests.discord.moderated_server import set_rules
from tests.harness import Harness


@dataclass
class Shares:
    """A server with a gallery channel, in which Alice shares results."""

    bot: Harness
    gallery: simcord.ChannelHandle

    def shown(self) -> list[discord.Message]:
        return self.bot.messages(self.gallery)

    def letters(self) -> list[discord.Message]:
        return list(self.bot.alice.user.dm_channel.history())

    async def set_rules(self, **rules: Any) -> None:
        await set_rules(self.bot, **{"gallery_channel_id": self.gallery.id, **rules})

    async def open(self, message: Any) -> Any:
        """Press Share, which is behind More."""
        more = await self.bot.alice.click(message, label="⋯ More")
        return await self.bot.alice.click(more.response.message, label="Share")

    async def start(self, message: Any, *, prompt: bool = False) -> Any:
        """Press Share and send its form, unless the press is refused; delivering is left to the caller."""
        form = await self.open(message)
        if form.modal is None:
            return form
        return await self.bot.alice.submit_modal(form, {"prompt": prompt})

    async def share(self, message: Any, *, prompt: bool = False) -> None:
        await self.start(message, prompt=prompt)
        await self.bot.play()
