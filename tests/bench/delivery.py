"""Measure the time from a success webhook to the post; the baseline is a fetch of the picture."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace

import aiohttp

from bot.domain.runs import Run
from tests.bench.figures import Figure, latencies, percentile
from tests.bench.setup import channels, path_of, put_picture, scene, seed, send_success
from tests.e2e.bot_process import BotProcess

DELIVERIES = 200
# Seconds between deliveries, so that Discord's global limit of fifty calls a second has no effect.
PAUSE = 0.05


async def measure(_options: Namespace) -> list[Figure]:
    async with scene() as home, aiohttp.ClientSession() as web:
        first, *seeded = await seed(home, channels(home, DELIVERIES))
        url = put_picture(home)
        await home.start()
        await _deliver(home, web, first, url)
        seconds = [await _deliver(home, web, run, url) for run in seeded]
        fetches = [await _fetch(web, url) for _ in range(DELIVERIES)]
    above = percentile(seconds, 0.99) - percentile(fetches, 0.99)
    return [
        *latencies("delivery", "success webhook to post, one at a time", seconds, fetches),
        Figure("delivery", "p99 above the fetch of the file", above * 1000, "ms", aim="≤ 250 ms"),
    ]


async def _deliver(home: BotProcess, web: aiohttp.ClientSession, run: Run, url: str) -> float:
    """Return the seconds from a run's webhook to the post, in a channel of its own."""
    place = home.discord.world.channels[run.channel_id]
    began = time.perf_counter()
    await send_success(web, f"http://127.0.0.1:{home.port}{path_of(run)}", run.run_id or "", url)
    await asyncio.sleep(PAUSE)
    await home.discord.wait_until(lambda: home.discord.messages(place), within=120)
    return home.discord.messages(place)[0].created - began


async def _fetch(web: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with web.get(url) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.perf_counter() - began
