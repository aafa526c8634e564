"""A minimal bot with a slash command, its autocomplete, and a layout view."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import discord
from discord import app_commands


def card(text: str, filename: str | None = None) -> discord.ui.LayoutView:
    view = discord.ui.LayoutView()
    view.add_item(discord.ui.TextDisplay(text))
    if filename is not None:
        gallery: discord.ui.MediaGallery[discord.ui.LayoutView] = discord.ui.MediaGallery()
        gallery.add_item(media=f"attachment://{filename}")
        view.add_item(gallery)
    return view


def picture(name: str = "cat.png", size: int = 64) -> discord.File:
    return discord.File(io.BytesIO(b"\x89PNG" + bytes(size - 4)), filename=name)


class PainterBot(discord.Client):
    """A bot that keeps what it receives. With an event in `painting`, /paint defers and answers after it."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), max_messages=None)
        self.tree = app_commands.CommandTree(self)
        self.guild_seen = asyncio.Event()
        self.interactions: list[discord.Interaction] = []
        self.painting: asyncio.Event | None = None
        self.silent = False

    async def setup_hook(self) -> None:
        self.tree.add_command(self._command())

        await self.tree.sync()

    def _command(self) -> app_commands.Command[Any, ..., Any]:
        command: app_commands.Command[Any, ..., Any] = app_commands.Command(
            name="paint", description="Paints", callback=self._paint
        )
        command.autocomplete("style")(self._styles)
        return command

    async def on_guild_available(self, _: discord.Guild) -> None:
        self.guild_seen.set()

    async def on_guild_join(self, _: discord.Guild) -> None:
        self.guild_seen.set()

    async def _paint(
        self,
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 100],
        style: str = "",
        image: discord.Attachment | None = None,
    ) -> None:
        self.interactions.append(interaction)
        if self.silent:
            return
        if self.painting is not None:
            await interaction.response.defer(thinking=True)
            await self.painting.wait()
            await interaction.edit_original_response(content=f"painting {prompt}")
            return
        told = f" from {(await image.read()).decode()}" if image else ""
        await interaction.response.send_message(f"painting {prompt}{told}")

    async def _styles(self, _: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        known = ("oil", "ink", "pencil")
        return [app_commands.Choice(name=s, value=s) for s in known if typed in s]
