"""Measure the time from a success webhook to the post: one result at a time, and 200 at once.

The baseline of the latter is a client that only posts.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Sequence

import aiohttp
import discord

from bot.domain.runs import Run
from tests.bench.figures import Figure, latencies
from tests.bench.setup import FILE, channels, path_of, put_picture, scene, seed, send_success
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.launch import discord_at
from tests.fakediscord.world import Channel

DELIVERIES = 200
# Seconds between deliveries, so that Discord's global limit of fifty calls a second has no effect.
PAUSE = 0.05
SERVERS, RESULTS = 20, 10
# More webhooks at once would exceed the bot's timeout for the database.
CONNECTIONS = 8


async def measure() -> list[Figure]:
    async with scene() as home, aiohttp.ClientSession() as web:
        first, *seeded = await seed(home, channels(home, DELIVERIES))
        url = put_picture(home)
        await home.start()
        await _deliver(home, web, url, [first])
        single: list[float] = []
        for run in seeded:
            await asyncio.sleep(PAUSE)
            single += await _deliver(home, web, url, [run])
    async with scene() as home:
        fastest = await _posts(home, _places(home))
    async with scene(database="postgres") as home:
        places = _places(home)
        seeded, url = await seed(home, places), put_picture(home)
        await home.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as web:
            together = await _deliver(home, web, url, seeded)
    return [
        *latencies("success webhook to post, one at a time", single, aim="≤ 25 ms"),
        *latencies(f"{len(places)} results for {SERVERS} servers at once", together, fastest, "ratio ≤ 1.2"),
    ]


def _places(home: BotProcess) -> list[Channel]:
    """Add servers of one channel each, and return the channel of each result, grouped."""
    guilds = [home.discord.add_guild(f"server-{number}") for number in range(SERVERS)]
    return [place for guild in guilds for place in [home.discord.add_text(guild, "pictures")] * RESULTS]


async def _deliver(
    home: BotProcess, web: aiohttp.ClientSession, url: str, runs: Sequence[Run]
) -> list[float]:
    """Send the webhooks of runs, and return the seconds until each result was posted."""
    before, began = len(home.discord.request_log.messages), time.perf_counter()
    address = f"http://127.0.0.1:{home.port}"
    sends = (send_success(web, f"{address}{path_of(run)}", run.run_id or "", url) for run in runs)
    await asyncio.gather(*sends)
    places = [home.discord.world.channels[run.channel_id] for run in runs]
    return await _arrivals(home, places, began, before + len(runs))


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
            return await _arrivals(home, places, began, len(places))


async def _arrivals(home: BotProcess, places: Sequence[Channel], began: float, posts: int) -> list[float]:
    """Wait for so many posts, and return the seconds from `began` to each of those in the channels."""
    log = home.discord.request_log
    await home.discord.wait_until(lambda: len(log.messages) >= posts, within=300)
    return [each.created - began for place in dict.fromkeys(places) for each in home.discord.messages(place)]
