"""Two hundred requests at once over twenty channels, each with ten reports of progress a second, to the end."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from bot.buttons import PATTERN, Action
from demo.standin import Faults, StandIn
from demo.standin.runs import Run
from tests.bench import events
from tests.bench.figures import Figure, latencies, percentile
from tests.bench.processes import hammer, rate_of, run_module
from tests.bench.scene import backend, channels, scene
from tests.e2e.house import House
from tests.fakediscord import Channel
from tests.fakediscord.interactions import Interaction

REQUESTS = 200
PLACES = 20
PROGRESS_PAUSE = 0.1
ALL_RUNNING_SECONDS = 6.0
# Ten results for each channel, where Discord lets a bot post five in five seconds.
RELEASE_PAUSE = 0.06
EDITS = (
    "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}",
    "PATCH /channels/{channel_id}/messages/{message_id}",
)


async def ask(home: House, places: Sequence[Channel]) -> list[Interaction]:
    people = [home.discord.add_user(f"person-{number}", home.guild) for number in range(REQUESTS)]
    asked = [
        await home.discord.slash(
            people[number], places[number % PLACES], "generate", {"prompt": f"fox {number}"}
        )
        for number in range(REQUESTS)
    ]
    await asyncio.gather(*(asking.wait_answer(20) for asking in asked))
    return asked


async def all_running(home: House) -> list[Run]:
    async with asyncio.timeout(60):
        while True:
            await home.standin.idle()
            ready = home.rows("SELECT count(*) FROM runs WHERE state = 'running'")[0][0]
            if ready == REQUESTS:
                return list(home.standin.runs)
            await asyncio.sleep(0.05)


def reports_of(run: Run, seconds: float) -> list[str]:
    """What the machine reports of a run before it ends."""
    address = urlsplit(run.webhook or "")
    steps = round(seconds / PROGRESS_PAUSE)
    return [
        events.request(f"{address.path}?{address.query}", events.body(run.id, "running", step / steps))
        for step in range(1, steps + 1)
    ]


async def report(home: House, running: Sequence[Run]) -> dict[str, Any]:
    """Progress from a process of its own: of all runs together, then of those that have not ended."""
    requests = [
        reports_of(run, ALL_RUNNING_SECONDS + number * RELEASE_PAUSE) for number, run in enumerate(running)
    ]
    return await hammer(home.port, requests, pause=PROGRESS_PAUSE)


async def release(standin: StandIn, running: Sequence[Run]) -> None:
    """The runs end one after the other."""
    due = time.perf_counter() + ALL_RUNNING_SECONDS + 2
    for run in running:
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        standin.release(run.id)
        due += RELEASE_PAUSE


def shown(home: House) -> dict[str, list[float]]:
    """When each run's outcomes came to a channel, by run key."""
    found: dict[str, list[float]] = {}
    for channel in home.discord.world.channels.values():
        for message in home.discord.messages(channel):
            for match in map(PATTERN.fullmatch, message.custom_ids):
                if match is not None and match["action"] == Action.AGAIN:
                    found.setdefault(match["key"], []).append(message.created)
    return found


def waits(home: House, outcomes: Mapping[str, list[float]]) -> list[float]:
    """Seconds from the end of each run to its message."""
    ahead = time.time() - time.perf_counter()
    return [
        outcomes[key][0] + ahead - run.ended_at.timestamp()
        for run in home.standin.runs
        if (key := (run.webhook or "").split("/")[-2]) in outcomes and run.ended_at is not None
    ]


async def pass_through(home: House) -> list[Figure]:
    places = channels(home, PLACES)
    await home.start()
    asked = await ask(home, places)
    running = await all_running(home)
    reported, _ = await asyncio.gather(report(home, running), release(home.standin, running))
    await home.settled(within=120)
    outcomes = shown(home)
    limited = home.discord.books.rate_limited
    posts = waits(home, outcomes)
    fetches = await run_module("tests.bench.bare_fetch", a_file(home), 100)
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


def a_file(home: House) -> str:
    """The address of one of the pictures."""
    run = next(iter(home.standin.runs))
    return home.standin.world.bucket.plain_link(f"outputs/runs/{run.id}/ComfyUI_00001_.png")


def edits(home: House) -> int:
    statuses = home.discord.books.statuses
    return sum(count for (route, _), count in statuses.items() if route in EDITS)


async def measure(_options: Namespace) -> list[Figure]:
    standin = backend()
    standin.faults = Faults(hold_at="running")
    async with scene(standin=standin) as home:
        return await pass_through(home)
