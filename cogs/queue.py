"""`/queue`: what a server has running and waiting."""

from __future__ import annotations

import re
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import Button, DynamicItem, Item, LayoutView

from bot.client import GenerateBot, tell_error
from bot.desk import FrontDesk
from bot.errors import RefusedError
from bot.lists import QUEUE_PATTERN, queue_layout
from bot.words import say
from cogs.asker import Interaction


async def _layout(interaction: Interaction, desk: FrontDesk, page: int) -> LayoutView:
    if interaction.guild_id is None:
        raise RefusedError("server_only")
    found, more = await desk.queue(interaction.guild_id, page)
    layout = queue_layout(found, page, more=more, viewer_id=interaction.user.id, title=desk.title)
    layout.stop()  # answered by custom_id
    return layout


class QueueButton(DynamicItem[Button[Any]], template=QUEUE_PATTERN):
    """Turns the pages of `/queue`."""

    def __init__(self, button: Button[Any], page: int) -> None:
        super().__init__(button)
        self.page = page

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> QueueButton:
        button: Button[Any] = item if isinstance(item, Button) else Button(custom_id=match.string)
        return cls(button, int(match["page"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        desk: FrontDesk = interaction.client.desk
        try:
            await interaction.response.edit_message(view=await _layout(interaction, desk, self.page))
        except Exception as error:  # a view's errors never reach the tree's handler
            await tell_error(interaction, error)


class Queue(commands.Cog):
    """Ephemeral: who asks sees their own prompts in it."""

    def __init__(self, bot: GenerateBot, desk: FrontDesk) -> None:
        self._bot = bot
        self._desk = desk

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(QueueButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(QueueButton)

    @app_commands.command(name="queue", description=say("command_queue"))
    @app_commands.guild_only()
    async def queue(self, interaction: Interaction) -> None:
        layout = await _layout(interaction, self._desk, 0)
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Queue(bot, bot.desk))
