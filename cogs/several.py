"""Several at once: one of them by itself, for the one who asks."""

from __future__ import annotations

import discord

from bot.client import GenerateBot
from cogs.asker import asker_of
from cogs.use_as_input import pictures_of


async def show_one(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    """Its pictures and its own buttons, which work on it alone."""
    bot = interaction.client
    message = interaction.message
    pictures = [url for url in pictures_of(message) if f"-{key}-" in url] if message is not None else []
    layout = await bot.edits.one_of_several(key, pictures, asker_of(interaction, bot.desk.now()))
    await interaction.response.send_message(
        view=layout, ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
    )
