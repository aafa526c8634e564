"""Measure 200 results for 20 servers at once, on PostgreSQL; the baseline is a client that only posts."""

from __future__ import annotations

import asyncio
import io
import time
from argparse import Namespace
from collections.abc import Sequence

import aiohttp
import discord

from tests.bench.figures import Figure, latencies
from tests.bench.setup import FILE, path_of, put_picture, scene, seed, send_success
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.patch import discord_at
from tests.fakediscord.world import Channel

SERVERS, RESULTS = 20, 10
# More webhooks at once would exceed the bot's timeout for the database.
CONNECTIONS = 8


async def measure(_options: Namespace) -> list[Figure]:
    async with scene() as home:
        fastest = await _posts(home, _places(home))
    async with scene(database="postgres") as home:
        places, url = _places(home), put_picture(home)
        seeded = await seed(home, places)
        await home.start()
        began = time.perf_counter()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as web:
            address = f"http://127.0.0.1:{home.port}"
            sends = (send_success(web, f"{address}{path_of(run)}", run.run_id or "", url) for run in seeded)
            await asyncio.gather(*sends)
        seconds = await _arrivals(home, places, began)
    return latencies(
        "channels", f"{len(places)} results for {SERVERS} servers", seconds, fastest, "ratio ≤ 1.2"
    )


def _places(home: BotProcess) -> list[Channel]:
    """Add servers of one channel each, and return the channel of each result, grouped."""
    guilds = [home.discord.add_guild(f"server-{number}") for number in range(SERVERS)]
    return [place for guild in guilds for place in [home.discord.add_text(guild, "pictures")] * RESULTS]


async def _arrivals(home: BotProcess, places: Sequence[Channel], began: float) -> list[float]:
    """Wait for a message of each result, and return the seconds until it arrived."""
    log = home.discord.request_log
    await home.discord.wait_until(lambda: log.messages_created >= len(places), within=300)
    return [each.created - began for place in dict.fromkeys(places) for each in home.discord.messages(place)]


async def _posts(home: BotProcess, places: Sequence[Channel]) -> list[float]:
    """Return the seconds from the start to each post, made by discord.py without the bot."""
    put_picture(home)
    stored = home.comfydeploy.world.bucket.get(FILE)
    picture = stored.content if stored is not None else b""

    async def post(place: Channel) -> None:
        channel = client.get_partial_messageable(place.id)
        while True:
            try:
                await channel.send(file=discord.File(io.BytesIO(picture), "picture.png"))
            except discord.HTTPException as error:
                # After five 429s in a row, discord.py gives up.
                if error.status != 429:
                    raise
            else:
                return

    with discord_at(home.discord.url):
        async with discord.Client(intents=discord.Intents(guilds=True)) as client:
            await client.login(home.discord.token)
            began = time.perf_counter()
            await asyncio.gather(*map(post, places))
            return await _arrivals(home, places, began)
