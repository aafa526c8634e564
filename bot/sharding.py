"""Shards: the same bot with several connections to the gateway, spread over processes that share a store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import discord
from discord.ext import commands

from bot.client import Desks, GenerateBot
from bot.commands.sync import CommandSync
from bot.config.roles import Shards
from bot.database.key_values import NoteStore
from bot.domain.errors import StoreUnavailable

log = logging.getLogger(__name__)

# Discord takes one IDENTIFY in so many seconds from each group of shards (shard id modulo max_concurrency).
# A second one costs a refused session, so processes that start together take turns through the store.
# Half a second more, since the way there is not always equally long.
IDENTIFY_PAUSE = timedelta(seconds=5.5)


class ShardedBot(commands.AutoShardedBot, GenerateBot):
    """GenerateBot on some of the shards."""

    def __init__(
        self,
        desks: Desks,
        sync: CommandSync,
        shards: Shards,
        notes: NoteStore,
        clock: Callable[[], datetime],
        **more: Any,
    ) -> None:
        # Not `super()`: the library's stub gives AutoShardedBot an `__init__` that it does not have.
        GenerateBot.__init__(self, desks, sync, shard_count=shards.count, shard_ids=list(shards.ids), **more)
        self._notes = notes
        self._clock = clock
        self._groups: int | None = None

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Waits for this shard's turn among all processes."""
        now = self._clock()
        group = (shard_id or 0) % await self._concurrency()
        try:
            turn = await self._notes.next_turn(f"identify:{group}", now, IDENTIFY_PAUSE)
        except StoreUnavailable as error:
            log.warning("no turn to identify, the database is away: %s", error)
            turn = now + IDENTIFY_PAUSE
        await asyncio.sleep(max(0.0, (turn - now).total_seconds()))

    async def _concurrency(self) -> int:
        if self._groups is None:
            try:
                self._groups = max(1, (await self.fetch_session_start_limits()).max_concurrency)
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.warning("Discord does not say how many shards may identify at once: %s", error)
                return 1
        return self._groups
