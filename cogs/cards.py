"""Moderators' cards, changed by whoever presses them."""

from __future__ import annotations

import discord

from bot.client import GenerateBot
from bot.parts import Part


async def show_card(interaction: discord.Interaction[GenerateBot], part: Part) -> None:
    """The card becomes what it is now; its pictures stay attached, for inputs whose links run out."""
    if part.layout is None:
        raise RuntimeError("a card is a layout")
    part.layout.stop()
    await interaction.response.edit_message(view=part.layout, allowed_mentions=discord.AllowedMentions.none())
