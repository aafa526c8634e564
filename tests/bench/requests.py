"""Measure 200 requests at once, from the command to the picture, and the memory and disk that they take.

The baseline is a plain bot. `hourly` measures what the bot takes at rest, and at 10 and 100 requests an hour.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import aiohttp
from sqlalchemy import text

from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Run
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.bench.figures import Figure, latencies
from tests.bench.setup import (
    PlainBot,
    ask,
    backend,
    channels,
    people,
    process_of,
    put_picture,
    scene,
    send,
    send_success,
)
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.world import MIB, Channel, User

REQUESTS = 200
PLACES = 20
# With the success, a request has 25 webhooks.
PROGRESS = 24
PROGRESS_PAUSE = 0.25
ROUNDS = 2
MINUTES = 12


async def measure() -> list[Figure]:
    answers, each, memory, disk = await _rounds(BotProcess)
    plain_answers, plain_each, plain_memory, _ = await _rounds(PlainBot)
    what = f"processor time of one with {PROGRESS + 1} webhooks, {REQUESTS} at once"
    return [
        Figure(what, each, "ms", plain_each, "ratio ≤ 3"),
        *latencies("first answer", answers, plain_answers, "p99: ratio ≤ 1.5"),
        Figure("memory at rest", memory[0], "MiB", plain_memory[0], "≤ 100 MiB"),
        *(
            Figure(f"memory after {number * REQUESTS} requests", used, "MiB", memory[1], "flat")
            for number, used in enumerate(memory[1:], 1)
        ),
        Figure("disk of one", disk, "KiB"),
    ]


async def hourly() -> list[Figure]:
    """Measure the rates at the same time, each with a bot of its own."""
    return [figure for figures in await asyncio.gather(_at(0), _at(10), _at(100)) for figure in figures]


async def _at(rate: int) -> list[Figure]:
    # A run reports every two seconds, and takes about half a minute.
    async with scene(comfydeploy=FakeComfyDeploy(pace=2.0)) as home:
        await home.start()
        await asyncio.sleep(60)
        before, requests = sum(process_of(home).cpu_times()[:2]), rate * MINUTES // 60
        for _ in range(requests):
            await home.ask()
            await asyncio.sleep(MINUTES * 60 / requests)
        await asyncio.sleep(0 if requests else MINUTES * 60)
        used = (sum(process_of(home).cpu_times()[:2]) - before) * 60 / MINUTES
        what = f"{rate} requests an hour"
        return [Figure(what, _resident(home), "MiB"), Figure(what, used, "s of processor time an hour")]


async def _rounds(kind: type[BotProcess]) -> tuple[list[float], float, list[float], float]:
    """Return the seconds to each first answer, CPU ms per request, MiB after each round, KiB per request.

    The first round, in which modules are imported, counts only for the memory.
    """
    comfydeploy = backend()
    # It sends no webhooks, because the benchmark sends them.
    comfydeploy.faults = Faults(hold_at="queued", webhook_drop=True)
    async with scene(kind, comfydeploy=comfydeploy, rate_limits=False) as home:
        places, persons, url = channels(home, PLACES), people(home, REQUESTS), put_picture(home)
        await home.start()
        await asyncio.sleep(5)
        memory, answers, before, empty = [_resident(home)], list[float](), 0.0, await _stored(home)
        for number in range(1 + ROUNDS):
            played = await _play(home, persons, places, url)
            memory.append(_resident(home))
            if number:
                answers += played
            else:
                before = sum(process_of(home).cpu_times()[:2])
        used = sum(process_of(home).cpu_times()[:2]) - before
        grown = await _stored(home) - empty
    return answers, used / (REQUESTS * ROUNDS) * 1000, memory, grown / (REQUESTS * (1 + ROUNDS))


async def _stored(home: BotProcess) -> float:
    """Return the KiB of the SQLite database."""
    size = text("SELECT page_count * page_size / 1024.0 FROM pragma_page_count, pragma_page_size")
    return await home.database.read(lambda connection: connection.scalar(size) or 0.0)


def _resident(home: BotProcess) -> float:
    return float(process_of(home).memory_info().rss / MIB)


async def _play(
    home: BotProcess, persons: Sequence[User], places: Sequence[Channel], url: str
) -> list[float]:
    """Play 200 requests to their pictures, and return the seconds to each first answer."""
    posted, known = _pictures(home), len(list(home.comfydeploy.runs))
    asked = await ask(home, persons, places)
    await home.until(lambda: len(list(home.comfydeploy.runs)) == known + REQUESTS)
    await home.comfydeploy.idle()
    running = list(home.comfydeploy.runs)[known:]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as web:
        await asyncio.gather(*(_send_progress(web, run) for run in running))
        await asyncio.gather(*(send_success(web, run.webhook or "", run.id, url) for run in running))
    await home.discord.wait_until(lambda: _pictures(home) == posted + REQUESTS, within=120)
    await asyncio.sleep(1)  # include the deletion of status messages
    return [one.latency for one in asked]


def _pictures(home: BotProcess) -> int:
    """Return the number of messages with files."""
    return sum(bool(message.attachments) for message in home.discord.request_log.messages)


async def _send_progress(web: aiohttp.ClientSession, run: Run) -> None:
    """Send progress four times a second, at other instants than the other machines."""
    await asyncio.sleep(random.uniform(0, PROGRESS_PAUSE))
    for step in range(1, PROGRESS + 1):
        await asyncio.sleep(PROGRESS_PAUSE)
        await send(web, run.webhook or "", run.id, "running", step / (PROGRESS + 1))
