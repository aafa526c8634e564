"""Measure the time from a success webhook to the post: alone, beside the picture check, and at once."""

from __future__ import annotations

import asyncio
import json
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from bot.domain.runs import Run, RunState
from demo.picture_check import PATH, FakePictureCheck, Mood
from tests.bench.figures import Figure, latencies, percentile
from tests.bench.setup import (
    Arrivals,
    channels,
    paint,
    path_of,
    put_picture,
    run_program,
    scene,
    seed,
    send_success,
    servers,
)
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.world import Channel

DELIVERIES = 200
# Seconds between deliveries, so that Discord's global limit of fifty calls a second has no effect.
PAUSE = 0.05
CHECKED, MANY, OTHERS = 40, 100, 10
# How long the checker looks at a picture beside others, in seconds.
LOOKS = 0.05
PLACES, RESULTS = 20, 10
# More webhooks at once would exceed the bot's timeout for the database.
CONNECTIONS = 8


class Sender:
    """Sends the success webhooks of seeded runs, all with one picture."""

    def __init__(self, home: BotProcess, web: aiohttp.ClientSession, url: str) -> None:
        self._home = home
        self._web = web
        self.url = url

    async def send(self, run: Run) -> float:
        """Send a run's webhook, and return the time before."""
        began = time.perf_counter()
        address = f"http://127.0.0.1:{self._home.port}{path_of(run)}"
        await send_success(self._web, address, run.run_id or "", self.url)
        return began

    async def deliver(self, run: Run) -> float:
        """Return the seconds from the webhook to the post. Each run needs a channel of its own."""
        discord = self._home.discord
        place = discord.world.channels[run.channel_id]
        began = await self.send(run)
        await asyncio.sleep(PAUSE)
        await discord.wait_until(lambda: discord.messages(place), within=120)
        assert isinstance(discord.faults, Arrivals)
        return discord.faults.posts[place.id] - began


@asynccontextmanager
async def started(home: BotProcess, connections: int = 100) -> AsyncIterator[Sender]:
    url = put_picture(home)
    await home.start()
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as web:
        yield Sender(home, web, url)


async def measure(_options: Namespace) -> list[Figure]:
    """Measure one at a time; the baseline is the fetch of the picture alone."""
    async with scene() as home:
        first, *seeded = await seed(home, RunState.UPLOADING, channels(home, DELIVERIES))
        async with started(home) as sender:
            await sender.deliver(first)
            seconds = [await sender.deliver(run) for run in seeded]
            fetches = await run_program("fetch", sender.url, DELIVERIES)
    above = percentile(seconds, 0.99) - percentile(fetches, 0.99)
    return [
        *latencies("delivery", "success webhook to post, one at a time", seconds, fetches),
        Figure("delivery", "p99 above the fetch of the file", above * 1000, "ms", aim="≤ 250 ms"),
    ]


async def measure_check(_options: Namespace) -> list[Figure]:
    """Measure what the picture check adds, for one and for others."""
    checked, plain, answers = await _in_turn()
    added = percentile(checked, 0.5) - percentile(plain, 0.5)
    beside, before = await _beside_many(to_check=True), await _beside_many(to_check=False)
    return [
        *latencies("check", "success webhook to post, against one without the check", checked, plain),
        Figure("check", "added by the check, p50", added * 1000, "ms", aim="≤ 30 ms"),
        Figure("check", "pictures checked", answers, ""),
        *latencies("check", f"others beside {MANY} pictures of one server", beside, before),
    ]


@asynccontextmanager
async def _checking() -> AsyncIterator[tuple[BotProcess, FakePictureCheck]]:
    """Set up a bot that checks every picture."""
    secret = "picture-check-secret-of-the-bench"
    checker = FakePictureCheck(secret)
    async with TestServer(checker.app()) as service:
        settings: dict[str, Any] = {
            "PICTURE_CHECK_URL": str(service.make_url(PATH)),
            "PICTURE_CHECK_SECRET": secret,
            "PICTURE_CHECK": "spoiler",
        }
        async with scene(rate_limits=False, **settings) as home:
            yield home, checker


async def _in_turn() -> tuple[list[float], list[float], int]:
    """Return the seconds of deliveries with and without the check, in turn, and how many were checked."""
    checked, plain = [], []
    async with _checking() as (home, checker):
        places = channels(home, 2 * CHECKED + 2)
        to_check = await seed(home, RunState.UPLOADING, places[::2], to_check=True)
        others = await seed(home, RunState.UPLOADING, places[1::2])
        async with started(home) as sender:
            for one, other in zip(to_check, others, strict=True):
                checked.append(await sender.deliver(one))
                plain.append(await sender.deliver(other))
        return checked[1:], plain[1:], len(checker.answers)


async def _beside_many(*, to_check: bool) -> list[float]:
    """Return the seconds of checked deliveries on other servers, beside many pictures of one server."""
    async with _checking() as (home, checker):
        checker.mood, checker.seconds = Mood.SLOW, LOOKS
        many = await seed(home, RunState.UPLOADING, channels(home, MANY), to_check=to_check)
        first, *others = await seed(home, RunState.UPLOADING, servers(home, OTHERS + 1), to_check=True)
        async with started(home) as sender:
            await sender.deliver(first)
            sending = asyncio.gather(*map(sender.send, many))
            seconds = await asyncio.gather(*map(sender.deliver, others))
            await sending
            log = home.discord.request_log
            await home.discord.wait_until(lambda: log.messages_created == MANY + OTHERS + 1, within=60)
        return list(seconds)


async def measure_channels(_options: Namespace) -> list[Figure]:
    """Measure 200 results for 20 servers at once; the baseline is the fastest that Discord allows.

    The results arrive grouped by channel or in turn, on both databases.
    """
    figures: list[Figure] = []
    for order in ("grouped", "in turn"):
        best = await _fastest(order)
        for kind in ("sqlite", "postgres"):
            figures += await _at_once(kind, order, best)
    return figures


async def _at_once(kind: str, order: str, best: Sequence[float]) -> list[Figure]:
    async with scene(database=kind) as home:
        seeded = await seed(home, RunState.UPLOADING, _ordered(servers(home, PLACES), order))
        log = home.discord.request_log
        async with started(home, CONNECTIONS) as sender:
            sent = await asyncio.gather(*map(sender.send, seeded))
            await home.discord.wait_until(lambda: log.messages_created >= len(seeded), within=300)
    channels = home.discord.world.channels
    outcomes = [home.outcomes(run.key, channels[run.channel_id]) for run in seeded]
    seconds = [outcome[0].created - began for outcome, began in zip(outcomes, sent, strict=True)]
    section, twice = f"channels, {kind}", log.messages_created - len(seeded)
    return [
        *latencies(section, f"{order}: webhook to post", seconds, best, "ratio ≤ 2"),
        Figure(section, f"{order}: results twice", twice, "", aim="0"),
        Figure(section, f"{order}: 429s", log.rate_limited.total(), ""),
    ]


def _ordered(places: Sequence[Channel], order: str) -> list[Channel]:
    """Return a channel for each result, grouped by channel or in turn."""
    if order == "grouped":
        return [place for place in places for _ in range(RESULTS)]
    return [*places] * RESULTS


async def _fastest(order: str) -> list[float]:
    """Return the seconds from the start to each post, made by discord.py without the bot."""
    async with scene() as home:
        places = servers(home, PLACES)
        file = home.folder / "picture.png"
        file.write_bytes(paint())
        ids = json.dumps([place.id for place in _ordered(places, order)])
        began = await run_program("posts", home.discord.url, home.discord.token, file, text=ids)
        return [message.created - began for place in places for message in home.discord.messages(place)]
