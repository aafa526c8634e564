"""Details: everything about a run, for the one who asks."""

from __future__ import annotations

import io

import discord

from bot.client import GenerateBot
from bot.ui.details import FILENAME
from cogs.asker import asker_of


async def show_details(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    bot = interaction.client
    found = await bot.edits.details(key, asker_of(interaction, bot.desk.now()))
    files = [discord.File(io.BytesIO(found.file.encode()), FILENAME)] if found.file is not None else []
    await interaction.response.send_message(
        view=found.layout,
        files=files,
        ephemeral=True,
        allowed_mentions=discord.AllowedMentions.none(),
    )
