"""A way to Discord without the gateway, for processes that post and never listen."""

from __future__ import annotations

import aiohttp
import discord


class Speaker(discord.Client):
    """Logged in and never connected. Nothing may rely on a cache: there is none."""

    def __init__(self, http_trace: aiohttp.TraceConfig) -> None:
        super().__init__(
            intents=discord.Intents.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            http_trace=http_trace,
        )
