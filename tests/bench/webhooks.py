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
from dataclasses import dataclass
from pathlib import Path

from bot.domain.runs import Run, RunState
from tests.bench.figures import Figure, percentile
from tests.bench.setup import body, busy, hammer, path_of, pid_of, raw_request, scene, seed
from tests.e2e.bot_process import PROJECT, BotProcess

CONNECTIONS = 16
TURNS = 5
SECONDS = 1.0
STORED = 2048
WATCHED = {32: "ratio ≥ 0.75", 500: "ratio ≥ 0.6"}
COMMITS = 2000


@dataclass(slots=True)
class Side:
    """One of two compared servers with its requests, and sums over all turns."""

    port: int
    pid: int
    requests: list[str]
    count: int = 0
    wall: float = 0.0
    processor: float = 0.0
    p99: float = 0.0

    async def turn(self) -> None:
        before = busy(self.pid)
        taken, wall = await hammer(self.port, _lanes(self.requests), seconds=SECONDS)
        self.count += len(taken)
        self.wall += wall
        self.p99 = max(self.p99, percentile(taken, 0.99) * 1000)
        self.processor += busy(self.pid) - before

    @property
    def rate(self) -> float:
        return self.count / self.wall

    @property
    def each(self) -> float:
        """Return the CPU microseconds per webhook, which other load affects little."""
        return self.processor / self.count * 1e6


async def measure(_options: Namespace) -> list[Figure]:
    figures: list[Figure] = []
    async with scene() as home:
        seeded = await seed(home, RunState.QUEUED, [home.channel] * (max(WATCHED) + STORED))
        await home.start()
        for count, aim in WATCHED.items():
            bot, bare = await _progress(home, seeded[:count])
            runs = f"progress of {count} runs"
            figures += [
                Figure("webhooks", f"{runs}, against bare aiohttp", bot.rate, "/s", bare.rate, aim),
                Figure("webhooks", f"{runs}, processor time of each", bot.each, "µs", bare.each),
                Figure("webhooks", f"{runs}, p99 of the slowest turn", bot.p99, "ms", bare.p99),
            ]
        taken, wall = await hammer(home.port, _lanes(_progress_requests(seeded[max(WATCHED) :], [0.5])))
        running = (await home.states()).count("running")
        if running != len(seeded):
            raise RuntimeError(f"{running} of {len(seeded)} changes are in the store")
        await home.stop()
        commits = _bare_commits(home.database_file)
    stored = "stored before the 2xx, against bare commits"
    return [*figures, Figure("webhooks", stored, len(taken) / wall, "/s", commits)]


async def _progress(home: BotProcess, watched: Sequence[Run]) -> tuple[Side, Side]:
    """Measure the bot and a bare aiohttp handler in turns, so that other load affects both."""
    await hammer(home.port, _lanes(_progress_requests(watched, [0.01])))
    # Progress of 1 would be stored immediately.
    requests = _progress_requests(watched, [step / 11 for step in range(1, 11)])
    bodies = [text.split("\r\n\r\n", 1)[1] for text in requests]
    async with _bare_server() as (port, pid):
        bot = Side(home.port, pid_of(home), requests)
        bare = Side(port, pid, [raw_request("/hook", content.encode()) for content in bodies])
        for side in (bot, bare):
            await hammer(side.port, _lanes(side.requests), seconds=1)
        for _ in range(TURNS):
            await bot.turn()
            await bare.turn()
        return bot, bare


def _progress_requests(watched: Sequence[Run], steps: Sequence[float]) -> list[str]:
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
async def _bare_server() -> AsyncIterator[tuple[int, int]]:
    """Start the baseline `web`; yield its port and process id."""
    command = (sys.executable, "-m", "tests.bench.programs", "web")
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline()), process.pid
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
