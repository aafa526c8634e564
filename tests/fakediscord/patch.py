"""Point this process's discord.py at a fake Discord. A launcher calls this before the bot starts."""

from __future__ import annotations

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route


def point_discord_at(url: str) -> None:
    """Replace Discord's addresses by `FakeDiscord.url`, such as http://127.0.0.1:4711.

    discord.py 2.7 keeps them in these three places; webhooks use Route, too, and a session that resumes uses
    the address from READY.
    """
    base = url.rstrip("/")
    Route.BASE = f"{base}/api/v10"
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(base).with_scheme("ws") / "gateway"
    discord.Asset.BASE = f"{base}/cdn"
