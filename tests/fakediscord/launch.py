"""Redirect a process's discord.py to a fake Discord.

`python -m tests.fakediscord.launch URL MODULE [ARG…]` runs a module so.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route


def point_discord_at(url: str) -> None:
    """Replace Discord's URLs by `FakeDiscord.url`, such as http://127.0.0.1:4711, before the bot starts.

    discord.py 2.7 has them in these three places. Webhooks use Route, too, and a resumed session uses the URL
    in READY.
    """
    base = url.rstrip("/")
    Route.BASE = f"{base}/api/v10"
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(base).with_scheme("ws") / "gateway"
    discord.Asset.BASE = f"{base}/cdn"


@contextmanager
def discord_at(url: str) -> Iterator[None]:
    """Redirect discord.py until the end of the block."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE
    point_discord_at(url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE = before


def command(url: str, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module; its working directory must be the project."""
    return [sys.executable, "-m", "tests.fakediscord.launch", url, module, *arguments]


def main() -> None:
    url, module = sys.argv[1:3]
    point_discord_at(url)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
