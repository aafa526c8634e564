"""discord.py over HTTP alone, for processes without a gateway connection."""

from __future__ import annotations

import aiohttp
import discord


class RestClient(discord.Client):
    """A client that logs in without a gateway connection, so nothing may rely on its cache."""

    def __init__(self, http_trace: aiohttp.TraceConfig) -> None:
        super().__init__(
            intents=discord.Intents.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
            http_trace=http_trace,
        )
