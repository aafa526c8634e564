"""Points this process's discord.py at a fake Discord. Called by a test launcher before the bot starts."""

from __future__ import annotations

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route


def point_discord_at(url: str) -> None:
    """`url` is `FakeDiscord.url`, such as http://127.0.0.1:4711.

    These three are the places where discord.py 2.7 keeps Discord's addresses; webhooks use Route too, and a
    session that resumes uses the address that READY gave it.
    """
    base = url.rstrip("/")
    Route.BASE = f"{base}/api/v10"
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(base).with_scheme("ws") / "gateway"
    discord.Asset.BASE = f"{base}/cdn"
