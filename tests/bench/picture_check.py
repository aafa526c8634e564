"""Measure what the picture check adds between a success webhook and the post, for one and for others."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from bot.domain.runs import RunState
from demo.picture_check import PATH, FakePictureCheck, Mood
from tests.bench import events
from tests.bench.delivery import FILE, a_picture, deliver
from tests.bench.figures import Figure, latencies, percentile
from tests.bench.setup import Arrivals, Seeded, channels, scene, seed, servers
from tests.e2e.bot_process import BotProcess

DELIVERIES, MANY, OTHERS = 40, 100, 10
# How long the checker looks at a picture beside others, in seconds.
LOOKS = 0.05
_SECRET = "picture-check-secret-of-the-bench"


@asynccontextmanager
async def _scene() -> AsyncIterator[tuple[BotProcess, Arrivals, FakePictureCheck, str]]:
    """Set up a bot that checks every picture, and yield it with the link of a picture."""
    checker = FakePictureCheck(_SECRET)
    async with TestServer(checker.app()) as service:
        settings: dict[str, Any] = {
            "PICTURE_CHECK_URL": str(service.make_url(PATH)),
            "PICTURE_CHECK_SECRET": _SECRET,
            "PICTURE_CHECK": "spoiler",
        }
        async with scene(rate_limits=False, **settings) as home:
            home.discord.faults = arrivals = Arrivals()
            home.comfydeploy.world.bucket.put(FILE, await asyncio.to_thread(a_picture), "image/png")
            yield home, arrivals, checker, home.comfydeploy.world.bucket.plain_link(FILE)


async def _one_at_a_time() -> tuple[list[float], list[float], int]:
    """Return the seconds of deliveries with and without the check, in turn, and how many were checked."""
    async with _scene() as (home, arrivals, checker, url):
        places = channels(home, 2 * DELIVERIES + 2)
        checked = await seed(home, RunState.UPLOADING, places[::2], to_check=True)
        plain = await seed(home, RunState.UPLOADING, places[1::2])
        await home.start()
        found: tuple[list[float], list[float]] = ([], [])
        async with aiohttp.ClientSession() as web:
            for pair in zip(checked, plain, strict=True):
                for seconds, run in zip(found, pair, strict=True):
                    seconds.append(await deliver(home, arrivals, run, url, web))
        return found[0][1:], found[1][1:], len(checker.answers)


async def _beside_many(*, to_check: bool) -> list[float]:
    """Return the seconds of checked deliveries on other servers, beside many pictures of one server."""
    async with _scene() as (home, arrivals, checker, url):
        checker.mood, checker.seconds = Mood.SLOW, LOOKS
        many = await seed(home, RunState.UPLOADING, channels(home, MANY), to_check=to_check)
        others = await seed(home, RunState.UPLOADING, servers(home, OTHERS + 1), to_check=True)
        await home.start()
        async with aiohttp.ClientSession() as web:
            await deliver(home, arrivals, others[0], url, web)

            async def send(run: Seeded) -> None:
                await events.send_success(web, f"http://127.0.0.1:{home.port}{run.path}", run.run_id, url)

            sending = asyncio.gather(*map(send, many))
            seconds = await asyncio.gather(*(deliver(home, arrivals, run, url, web) for run in others[1:]))
            await sending
            await home.discord.wait_until(lambda: len(arrivals.posts()) == MANY + OTHERS + 1, within=60)
        return list(seconds)


async def measure(_options: Namespace) -> list[Figure]:
    checked, plain, answers = await _one_at_a_time()
    added = percentile(checked, 0.5) - percentile(plain, 0.5)
    beside, before = await _beside_many(to_check=True), await _beside_many(to_check=False)
    return [
        *latencies("check", "success webhook to post, against one without the check", checked, plain),
        Figure("check", "added by the check, p50", added * 1000, "ms", aim="≤ 30 ms"),
        Figure("check", "pictures checked", answers, ""),
        *latencies("check", f"others beside {MANY} pictures of one server", beside, before),
    ]
