"""Measure the time from a success webhook to the post; the baseline is the fetch of the picture alone."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace

import aiohttp

from bot.domain.runs import RunState
from demo.fake_comfydeploy.generator import scene_of
from demo.fake_comfydeploy.painting import paint_png
from demo.fake_comfydeploy.picture_themes import Scene
from tests.bench import events
from tests.bench.figures import Figure, latencies, percentile
from tests.bench.processes import run_module
from tests.bench.setup import Arrivals, Seeded, channels, scene, seed
from tests.e2e.bot_process import BotProcess

DELIVERIES = 200
# Seconds between deliveries, so that Discord's global limit of fifty calls a second has no effect.
PAUSE = 0.05
FILE = "outputs/runs/bench/ComfyUI_00001_.png"


def a_picture() -> bytes:
    found: Scene = scene_of({"prompt": "a fox", "seed": 1, "width": 768, "height": 768})
    return paint_png(found, None)


async def deliver(
    home: BotProcess, arrivals: Arrivals, run: Seeded, url: str, web: aiohttp.ClientSession
) -> float:
    """Return the seconds from the webhook to the post."""
    place = run.channel
    if place is None:
        raise ValueError("each run needs its own channel, by which its post is recognized")
    began = time.perf_counter()
    await events.send_success(web, f"http://127.0.0.1:{home.port}{run.path}", run.run_id, url)
    await asyncio.sleep(PAUSE)
    await home.discord.wait_until(lambda: home.discord.messages(place), within=30)
    return arrivals.posts()[place.id][0] - began


async def measure(_options: Namespace) -> list[Figure]:
    async with scene() as home:
        arrivals = Arrivals()
        home.discord.faults = arrivals
        seeded = await seed(home, RunState.UPLOADING, channels(home, DELIVERIES))
        home.comfydeploy.world.bucket.put(FILE, await asyncio.to_thread(a_picture), "image/png")
        url = home.comfydeploy.world.bucket.plain_link(FILE)
        await home.start()
        async with aiohttp.ClientSession() as web:
            await deliver(home, arrivals, seeded[0], url, web)
            seconds = [await deliver(home, arrivals, run, url, web) for run in seeded[1:]]
        fetches = await run_module("tests.bench.baselines", "fetch", url, DELIVERIES)
    above = percentile(seconds, 0.99) - percentile(fetches, 0.99)
    return [
        *latencies("delivery", "success webhook to post, one at a time", seconds, fetches),
        Figure("delivery", "p99 above the fetch of the file", above * 1000, "ms", aim="≤ 250 ms"),
    ]
