"""Measure 200 requests at once in 20 channels, each with ten progress webhooks a second."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.ui.custom_ids import Action, RunId
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Run
from tests.bench import events
from tests.bench.delivery import FILE, a_picture
from tests.bench.figures import Figure, latencies, percentile
from tests.bench.processes import hammer, rate_of, run_module
from tests.bench.setup import add_people, ask, backend, channels, scene
from tests.e2e.bot_process import BotProcess

REQUESTS = 200
PLACES = 20
PROGRESS_PAUSE = 0.1
ALL_RUNNING_SECONDS = 6.0
# Each channel gets ten results, and Discord allows five posts in five seconds there.
RELEASE_PAUSE = 0.06
EDITS = (
    "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}",
    "PATCH /channels/{channel_id}/messages/{message_id}",
)


async def all_running(home: BotProcess) -> list[Run]:
    async with asyncio.timeout(60):
        while True:
            await home.comfydeploy.idle()
            ready = (await home.states()).count("running")
            if ready == REQUESTS:
                return list(home.comfydeploy.runs)
            await asyncio.sleep(0.05)


def reports_of(run: Run, seconds: float) -> list[str]:
    """Return the progress webhooks of a run."""
    address = urlsplit(run.webhook or "")
    steps = round(seconds / PROGRESS_PAUSE)
    return [
        events.request(f"{address.path}?{address.query}", events.body(run.id, "running", step / steps))
        for step in range(1, steps + 1)
    ]


async def report(home: BotProcess, running: Sequence[Run]) -> dict[str, Any]:
    """Send the progress webhooks of all runs from another process."""
    requests = [
        reports_of(run, ALL_RUNNING_SECONDS + number * RELEASE_PAUSE) for number, run in enumerate(running)
    ]
    return await hammer(home.port, requests, pause=PROGRESS_PAUSE)


async def succeed(running: Sequence[Run], url: str) -> dict[str, float]:
    """Send the success webhooks of the runs one after the other; return their times by run key.

    The fake ComfyDeploy doesn't send them, because painting 200 pictures would disturb the measurement.
    """
    due = time.perf_counter() + ALL_RUNNING_SECONDS + 2
    told: dict[str, float] = {}
    async with aiohttp.ClientSession() as web, asyncio.TaskGroup() as group:
        for run in running:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            told[key_of(run)] = time.perf_counter()
            group.create_task(events.send_success(web, run.webhook or "", run.id, url))
            due += RELEASE_PAUSE
    return told


def key_of(run: Run) -> str:
    return (run.webhook or "").split("/")[-2]


def shown(home: BotProcess) -> dict[str, list[float]]:
    """Return the times at which each run's outcome was posted, by run key."""
    found: dict[str, list[float]] = {}
    for channel in home.discord.world.channels.values():
        for message in home.discord.messages(channel):
            for button in map(RunId.read, message.custom_ids):
                if button is not None and button.action is Action.AGAIN:
                    found.setdefault(button.key, []).append(message.created)
    return found


def waits(told: Mapping[str, float], outcomes: Mapping[str, list[float]]) -> list[float]:
    """Return the seconds from each success webhook to the run's message."""
    return [outcomes[key][0] - at for key, at in told.items() if key in outcomes]


async def pass_through(home: BotProcess) -> list[Figure]:
    places = channels(home, PLACES)
    await home.start()
    people = add_people(home.discord, home.guild, REQUESTS)
    asked = await ask(home.discord, people, places, REQUESTS)
    running = await all_running(home)
    home.comfydeploy.world.bucket.put(FILE, await asyncio.to_thread(a_picture), "image/png")
    url = home.comfydeploy.world.bucket.plain_link(FILE)
    reported, told = await asyncio.gather(report(home, running), succeed(running, url))
    await home.settled(within=120)
    outcomes = shown(home)
    limited = home.discord.request_log.rate_limited
    posts = waits(told, outcomes)
    fetches = await run_module("tests.bench.bare_fetch", url, 100)
    above = percentile(posts, 0.99) - percentile(fetches, 0.99)
    return [
        *latencies("load", "command to answer", [a.latency for a in asked], aim="p99 ≤ 300 ms"),
        Figure("load", "answers later than 3 s", sum(a.latency > 3 for a in asked), "", aim="0"),
        Figure("load", "progress webhooks", rate_of(reported), "/s"),
        Figure("load", "progress webhook answered, p99", reported["p99"] * 1000, "ms"),
        Figure("load", "results lost", REQUESTS - len(outcomes), "", aim="0"),
        Figure("load", "results twice", sum(len(times) - 1 for times in outcomes.values()), "", aim="0"),
        Figure("load", "edits of status messages", edits(home), ""),
        Figure("load", "429s of those edits", sum(limited[route] for route in EDITS), "", aim="0"),
        Figure("load", "429s of anything else", sum(limited.values()) - sum(limited[r] for r in EDITS), ""),
        *latencies("load", "success webhook to post", posts, fetches),
        Figure("load", "p99 above the fetch of the file", above * 1000, "ms", aim="≤ 250 ms"),
    ]


def edits(home: BotProcess) -> int:
    statuses = home.discord.request_log.statuses
    return sum(count for (route, _), count in statuses.items() if route in EDITS)


async def measure(_options: Namespace) -> list[Figure]:
    comfydeploy = backend()
    comfydeploy.faults = Faults(hold_at="running")
    async with scene(comfydeploy=comfydeploy) as home:
        return await pass_through(home)
