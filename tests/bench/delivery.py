"""Measure the time from a success webhook to the post: one result at a time, and 200 at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from bot.domain.runs import Run
from tests.bench.figures import Figure, latencies
from tests.bench.setup import channels, path_of, put_picture, scene, seed, send_success
from tests.e2e.bot_process import BotProcess
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
    async with scene(database="postgres") as home:
        guilds = [home.discord.add_guild(f"server-{number}") for number in range(SERVERS)]
        places = [place for guild in guilds for place in [home.discord.add_text(guild, "pictures")] * RESULTS]
        seeded, url = await seed(home, places), put_picture(home)
        await home.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as web:
            together = await _deliver(home, web, url, seeded)
    return [
        *latencies("delivery", "success webhook to post, one at a time", single, aim="≤ 250 ms"),
        *latencies("delivery", f"{len(places)} results for {SERVERS} servers at once", together),
    ]


async def _deliver(
    home: BotProcess, web: aiohttp.ClientSession, url: str, runs: Sequence[Run]
) -> list[float]:
    """Send the webhooks of runs, and return the seconds until each result was posted."""
    log = home.discord.request_log
    before, began = log.messages_created, time.perf_counter()
    address = f"http://127.0.0.1:{home.port}"
    sends = (send_success(web, f"{address}{path_of(run)}", run.run_id or "", url) for run in runs)
    await asyncio.gather(*sends)
    await home.discord.wait_until(lambda: log.messages_created >= before + len(runs), within=300)
    places: set[Channel] = {home.discord.world.channels[run.channel_id] for run in runs}
    return [each.created - began for place in places for each in home.discord.messages(place)]
