"""The client of a process that runs some or all of the bot's shards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import discord
from discord.ext import commands

from bot.config.roles import Shards
from bot.domain.errors import StoreUnavailable
from bot.gateway.client import GenerateBot

log = logging.getLogger(__name__)
# Discord accepts one IDENTIFY per 5 s from each group of shards (shard id modulo max_concurrency), and
# refuses the session of a second one. Processes that start at the same time therefore reserve slots through
# the store. Half a second is added because latency varies.
IDENTIFY_INTERVAL = timedelta(seconds=5.5)


def missing_starts(limits: Mapping[str, Any], shards: Shards | None) -> int | None:
    """Return the minutes until Discord grants the session starts that `shards` need, one for each.

    Returns None if enough are left. `limits` is the `session_start_limit` of Discord's gateway.
    """
    if int(limits.get("remaining", 1000)) >= needed_starts(shards):
        return None
    return int(limits.get("reset_after", 0)) // 60_000 + 1


def needed_starts(shards: Shards | None) -> int:
    return len(shards.ids) if shards is not None else 1


class ShardedBot(commands.AutoShardedBot, GenerateBot):
    """A GenerateBot that runs some or all of the bot's shards."""

    _max_concurrency: int | None = None

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait until this shard may identify. The bot's processes reserve their turns in the store."""
        now = self.app.now()
        group = (shard_id or 0) % await self._fetch_max_concurrency()
        try:
            slot = await self.app.store.key_values.reserve_slot(f"identify:{group}", now, IDENTIFY_INTERVAL)
        except StoreUnavailable as error:
            log.warning("can't reserve a slot to identify shard %s: %s", shard_id, error)
            slot = now + IDENTIFY_INTERVAL
        await asyncio.sleep(max(0.0, (slot - now).total_seconds()))

    async def _fetch_max_concurrency(self) -> int:
        if self._max_concurrency is None:
            try:
                self._max_concurrency = max(1, (await self.fetch_session_start_limits()).max_concurrency)
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.warning("can't read max_concurrency from Discord: %s", error)
                return 1
        return self._max_concurrency
