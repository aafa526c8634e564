"""Measure webhooks per second: progress, which is buffered in memory, and state changes, which are stored."""

from __future__ import annotations

import json
import sqlite3
import time
from argparse import Namespace
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.domain.runs import RunState
from tests.bench import events
from tests.bench.figures import Figure
from tests.bench.processes import bare_server, busy, hammer, lanes, rate_of
from tests.bench.setup import Seeded, pid_of, scene, seed
from tests.e2e.bot_process import BotProcess

CONNECTIONS = 16
TURNS = 5
SECONDS = 1.0
STORED = 2048
WATCHED = (32, 500)
COMMITS = 2000


def progress_requests(watched: list[Seeded]) -> list[str]:
    """Return ten webhooks of each run with growing progress below 1, which would be stored immediately."""
    return [
        events.request(run.path, events.body(run.run_id, "running", step / 11))
        for step in range(1, 11)
        for run in watched
    ]


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
        found = await hammer(self.port, lanes(self.requests, CONNECTIONS), seconds=SECONDS)
        self.count += found["count"]
        self.wall += found["wall"]
        self.p99 = max(self.p99, found["p99"])
        self.processor += busy(self.pid) - before

    @property
    def rate(self) -> float:
        return self.count / self.wall

    @property
    def each(self) -> float:
        """Return the CPU microseconds per webhook, which other load affects little."""
        return self.processor / self.count * 1e6


def bare_commits(database: Path) -> float:
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


async def progress(home: BotProcess, watched: list[Seeded]) -> tuple[Side, Side]:
    """Measure the bot and a bare aiohttp handler in turns, so that other load affects both."""
    first = [events.request(run.path, events.body(run.run_id, "running", 0.01)) for run in watched]
    await hammer(home.port, lanes(first, CONNECTIONS))
    requests = progress_requests(watched)
    bodies = [text.split("\r\n\r\n", 1)[1] for text in requests]
    async with bare_server() as (port, pid):
        bot = Side(home.port, pid_of(home), requests)
        bare = Side(port, pid, [events.request("/hook", content.encode()) for content in bodies])
        for side in (bot, bare):
            await hammer(side.port, lanes(side.requests, CONNECTIONS), seconds=1)
        for _ in range(TURNS):
            await bot.turn()
            await bare.turn()
        return bot, bare


async def stored(home: BotProcess, changing: list[Seeded]) -> float:
    """Return the state changes per second, from queued to running, one of each run."""
    requests = [events.request(run.path, events.body(run.run_id, "running", 0.5)) for run in changing]
    return rate_of(await hammer(home.port, lanes(requests, CONNECTIONS)))


async def measure(_options: Namespace) -> list[Figure]:
    async with scene() as home:
        seeded = await seed(home, RunState.QUEUED, [None] * (max(WATCHED) + STORED))
        watched, changing = seeded[: max(WATCHED)], seeded[max(WATCHED) :]
        await home.start()
        sides = {count: await progress(home, watched[:count]) for count in WATCHED}
        changes = await stored(home, changing)
        running = (await home.states()).count("running")
        if running != len(seeded):
            raise RuntimeError(f"{running} of {len(seeded)} changes are in the store")
        await home.stop()
        commits = bare_commits(home.database_file)
    stored_figure = Figure("webhooks", "stored before the 2xx, against bare commits", changes, "/s", commits)
    return [figure for count in WATCHED for figure in _figures(count, *sides[count])] + [stored_figure]


def _figures(count: int, bot: Side, bare: Side) -> list[Figure]:
    runs = f"progress of {count} runs"
    aim = "ratio ≥ 0.75" if count == min(WATCHED) else "ratio ≥ 0.6"
    return [
        Figure("webhooks", f"{runs}, against bare aiohttp", bot.rate, "/s", bare.rate, aim),
        Figure("webhooks", f"{runs}, processor time of each", bot.each, "µs", bare.each),
        Figure("webhooks", f"{runs}, p99 of the slowest turn", bot.p99 * 1000, "ms", bare.p99 * 1000),
    ]
