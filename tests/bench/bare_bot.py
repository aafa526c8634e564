"""The least that discord.py needs to answer `/generate` with a constant: `python -m tests.bench.bare_bot`."""

from __future__ import annotations

import os

import discord
from discord import app_commands


class BareBot(discord.Client):
    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
        )
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        self.tree.add_command(app_commands.Command(name="generate", description="Answers", callback=_answer))
        await self.tree.sync()


async def _answer(interaction: discord.Interaction[BareBot], prompt: str) -> None:
    await interaction.response.send_message("Working on it.")


if __name__ == "__main__":
    BareBot().run(os.environ["DISCORD_TOKEN"], log_handler=None)
