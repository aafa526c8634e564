"""Measure webhooks per second: progress, which is buffered in memory, and state changes, which are stored."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

from bot.domain.runs import Run, RunState
from tests.bench.figures import Figure
from tests.bench.setup import body, hammer, path_of, raw_request, scene, seed
from tests.e2e.bot_process import PROJECT

CONNECTIONS = 16
TURNS = 5
SECONDS = 1.0
WATCHED, STORED = 500, 2048
COMMITS = 2000


async def measure(_options: Namespace) -> list[Figure]:
    async with scene() as home:
        seeded = await seed(home, RunState.QUEUED, [home.channel] * (WATCHED + STORED))
        await home.start()
        watched, others = seeded[:WATCHED], seeded[WATCHED:]
        rate, bare = await _progress(home.port, watched)
        taken, wall = await hammer(home.port, _lanes(_requests(others, [0.5])))
        running = (await home.states()).count("running")
        if running != len(seeded):
            raise RuntimeError(f"{running} of {len(seeded)} changes are in the store")
        await home.stop()
        commits = _bare_commits(home.database_file)
    progress = f"progress of {WATCHED} runs, against bare aiohttp"
    stored = "stored before the 2xx, against bare commits"
    return [
        Figure("webhooks", progress, rate, "/s", bare, "ratio ≥ 0.6"),
        Figure("webhooks", stored, len(taken) / wall, "/s", commits, "ratio ≥ 0.15"),
    ]


async def _progress(port: int, watched: Sequence[Run]) -> tuple[float, float]:
    """Return the rates of the bot and of a bare aiohttp handler, in turns, so that load affects both."""
    await hammer(port, _lanes(_requests(watched, [0.01])))
    # Progress of 1 would be stored immediately.
    requests = _requests(watched, [step / 11 for step in range(1, 11)])
    bodies = [text.split("\r\n\r\n", 1)[1] for text in requests]
    async with _bare_server() as bare_port:
        bare = [raw_request("/hook", content.encode()) for content in bodies]
        rates = [
            (await _rate(port, requests), await _rate(bare_port, bare))
            # The first turn warms both up.
            for _ in range(1 + TURNS)
        ]
    ours, theirs = zip(*rates[1:], strict=True)
    return sum(ours) / TURNS, sum(theirs) / TURNS


async def _rate(port: int, requests: Sequence[str]) -> float:
    taken, wall = await hammer(port, _lanes(requests), seconds=SECONDS)
    return len(taken) / wall


def _requests(watched: Sequence[Run], steps: Sequence[float]) -> list[str]:
    """Return the webhooks of all runs with each progress in turn."""
    return [
        raw_request(path_of(run), body(run.run_id or "", "running", step))
        for step in steps
        for run in watched
    ]


def _lanes(requests: Sequence[str]) -> list[Sequence[str]]:
    """Deal the requests out to the connections.

    If the number of runs is a multiple of their number, each run's requests stay on one connection.
    """
    return [requests[start::CONNECTIONS] for start in range(CONNECTIONS)]


@asynccontextmanager
async def _bare_server() -> AsyncIterator[int]:
    """Start the baseline `web` and yield its port."""
    command = (sys.executable, "-m", "tests.bench.programs", "web")
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


def _bare_commits(database: Path) -> float:
    """Return the commits per second of bare SQLite with the bot's settings, as a baseline."""
    event = json.dumps({"status": "running", "progress": 0.5})
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE bench (id INTEGER PRIMARY KEY, event TEXT NOT NULL)")
        began = time.perf_counter()
        for _ in range(COMMITS):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO bench (event) VALUES (?)", (event,))
            connection.execute("COMMIT")
        return COMMITS / (time.perf_counter() - began)
