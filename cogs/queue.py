"""`/queue`: what a server has running and waiting."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.client import GenerateBot
from bot.domain.errors import RefusedError
from bot.strings import say
from bot.ui.lists import QUEUE_PATTERN, queue_layout
from cogs.asker import Interaction
from cogs.pages import page_button, show_list


async def _layout(interaction: Interaction, page: int) -> LayoutView:
    if interaction.guild_id is None:
        raise RefusedError("server_only")
    desk = interaction.client.desk
    found, more = await desk.queue(interaction.guild_id, page)
    return queue_layout(found, page, more=more, viewer_id=interaction.user.id, title=desk.title)


_QueueButton = page_button(QUEUE_PATTERN, _layout)


class Queue(commands.Cog):
    """Ephemeral: who asks sees their own prompts in it."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(_QueueButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(_QueueButton)

    @app_commands.command(name="queue", description=say("command_queue"))
    @app_commands.guild_only()
    async def queue(self, interaction: Interaction) -> None:
        await show_list(interaction, _layout)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Queue(bot))
