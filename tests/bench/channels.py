"""Measure 200 results for 20 servers at once; the baseline is the fastest that Discord's rate limits allow.

The results arrive grouped by channel or in turn, on both databases.
"""

from __future__ import annotations

import asyncio
import json
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from bot.domain.runs import RunState
from bot.ui.custom_ids import Action, RunId
from tests.bench import events
from tests.bench.delivery import FILE, a_picture
from tests.bench.figures import Figure, latencies
from tests.bench.processes import run_module
from tests.bench.setup import Seeded, scene, seed, servers
from tests.chaos.database import opened
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.world import Channel

PLACES = 20
RESULTS = 10
PATIENCE = 300.0
# More webhooks at once would exceed the bot's timeout for the database.
CONNECTIONS = 8
AIM = "ratio ≤ 2"


async def measure(_options: Namespace) -> list[Figure]:
    figures: list[Figure] = []
    for order in ("grouped", "in turn"):
        best = await _best(order)
        for kind in ("sqlite", "postgres"):
            figures += await _measure(kind, order, best)
    return figures


async def _measure(kind: str, order: str, best: Sequence[float]) -> list[Figure]:
    async with scene() as home, opened(kind, home.folder) as database:
        home.more["DATABASE_URL"] = database.url
        seeded = await seed(home, RunState.UPLOADING, ordered(servers(home, PLACES), order))
        await home.start()
        told = await succeed(home, seeded)
        await home.discord.wait_until(lambda: len(shown(home)) == len(seeded), within=PATIENCE)
        outcomes = shown(home)
        refused = sum(home.discord.request_log.rate_limited.values())
        twice = sum(len(times) - 1 for times in outcomes.values())
    section = f"channels, {kind}"
    seconds = [outcomes[key][0] - at for key, at in told.items()]
    return [
        *latencies(
            section,
            f"{order}: webhook to post",
            seconds,
            best,
            AIM,
        ),
        Figure(section, f"{order}: results twice", twice, "", aim="0"),
        Figure(section, f"{order}: 429s", refused, ""),
    ]


def ordered(places: Sequence[Channel], order: str) -> list[Channel]:
    """Return a channel for each result, grouped by channel or in turn."""
    if order == "grouped":
        return [place for place in places for _ in range(RESULTS)]
    return [*places] * RESULTS


async def succeed(home: BotProcess, seeded: Sequence[Seeded]) -> dict[str, float]:
    """Send the success webhooks in order, a few at a time; return their times by run key."""
    home.comfydeploy.world.bucket.put(FILE, await asyncio.to_thread(a_picture), "image/png")
    url = home.comfydeploy.world.bucket.plain_link(FILE)
    told: dict[str, float] = {}

    async def tell(run: Seeded) -> None:
        told[run.key] = time.perf_counter()
        await events.send_success(web, f"http://127.0.0.1:{home.port}{run.path}", run.run_id, url)

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as web, asyncio.TaskGroup() as group:
        for run in seeded:
            group.create_task(tell(run))
    return told


def shown(home: BotProcess) -> dict[str, list[float]]:
    """Return the times at which each run's outcome was posted, by run key."""
    found: dict[str, list[float]] = {}
    for channel in home.discord.world.channels.values():
        for message in home.discord.messages(channel):
            for button in map(RunId.read, message.custom_ids):
                if button is not None and button.action is Action.AGAIN:
                    found.setdefault(button.key, []).append(message.created)
    return found


async def _best(order: str) -> list[float]:
    """Return the seconds from the start to each post, made by discord.py without the bot."""
    async with scene() as home:
        places = servers(home, PLACES)
        picture = Path(home.folder) / "picture.png"
        picture.write_bytes(await asyncio.to_thread(a_picture))
        began = await run_module(
            "tests.bench.baselines",
            "posts",
            home.discord.url,
            home.discord.token,
            picture,
            text=json.dumps([place.id for place in ordered(places, order)]),
        )
        return [message.created - began for place in places for message in home.discord.messages(place)]
