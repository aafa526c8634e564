"""Measure a start with many stored runs, some in flight; the baseline is a start with an empty database."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
from sqlalchemy import Connection, func, select, text

from bot.database.tables import audit, messages, requests, runs
from bot.domain.runs import RunState
from bot.outside import Outside
from bot.store import Store
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from tests.bench.figures import Figure
from tests.bench.memory import peak
from tests.bench.rows import filling
from tests.bench.setup import AT_ONCE, backend, pid_of, scene, seed
from tests.chaos.database import opened
from tests.databases import Database
from tests.e2e.bot_process import BotProcess

PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the process's start. `asked` is the time when every run in flight had been polled."""

    listening: float
    connected: float
    answered: float
    asked: float
    peak: float


async def measure(options: Namespace) -> list[Figure]:
    figures: list[Figure] = []
    for kind in ("sqlite", "postgres"):
        bare = await _start(kind, kept=0, in_flight=0)
        full = await _start(kind, kept=options.rows, in_flight=AT_ONCE)
        section = f"start, {kind}"
        what = f"{options.rows:,} kept and {AT_ONCE:,} in flight"
        figures += [
            Figure(section, f"{what}: /healthz answers", full.listening, "s", bare.listening),
            Figure(section, f"{what}: connected to Discord", full.connected, "s", bare.connected),
            Figure(section, f"{what}: the first /generate is answered", full.answered, "s", bare.answered),
            Figure(section, f"{what}: all in flight were asked about", full.asked, "s", aim="23 a second"),
            Figure(section, f"{what}: peak memory by then", full.peak, "MiB", bare.peak),
        ]
    return figures


async def _start(kind: str, *, kept: int, in_flight: int) -> Start:
    async with scene(comfydeploy=backend(), rate_limits=False) as home, opened(kind, home.folder) as database:
        home.more["DATABASE_URL"] = database.url
        await _fill(home, database.url, kept, await _held(home, in_flight))
        return await _timed(home, database, in_flight)


async def _held(home: BotProcess, count: int) -> Sequence[str]:
    """Start runs at the fake ComfyDeploy, which holds them, and return their ids."""
    home.comfydeploy.next_faults(*[Faults(hold_at="running")] * count)
    headers = {"Authorization": f"Bearer {home.comfydeploy.api_key}"}
    call = {"deployment_id": PICTURE_ID, "inputs": {"prompt": "a fox"}}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def queue() -> str:
            async with session.post(f"{home.comfydeploy.url}/run/deployment/queue", json=call) as answer:
                return str((await answer.json())["run_id"])

        return [await queue() for _ in range(count)]


async def _fill(home: BotProcess, url: str, kept: int, run_ids: Sequence[str]) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    store = Store(url, Outside())
    await store.open()
    dialect = store.database.engine.dialect.name

    def fill(connection: Connection) -> None:
        for table in (requests, runs, audit, messages) if kept else ():
            connection.execute(text(filling(table, dialect, kept, now)))
        connection.execute(runs.update().values(state=RunState.SUCCEEDED, due_at=None))

    await store.database.migrate(fill)
    await store.close()
    if run_ids:
        await seed(home, RunState.RUNNING, [None] * len(run_ids), run_ids=run_ids)
    store = Store(url, Outside())
    under_way = runs.update().where(runs.c.state == RunState.RUNNING)

    def make_due(connection: Connection) -> None:
        connection.execute(under_way.values(due_at=now - timedelta(seconds=1)))
        if not store.database.is_sqlite:
            connection.execute(text("ANALYZE"))

    await store.database.migrate(make_due)
    await store.close()


async def _timed(home: BotProcess, database: Database, in_flight: int) -> Start:
    began = time.perf_counter()
    await home.launch()
    await _healthy(home.port)
    listening = time.perf_counter() - began
    await home.discord.wait_until(lambda: home.discord.gateway.counts["identify"] > 0, within=PATIENCE)
    connected = time.perf_counter() - began
    await home.discord.wait_command("generate", within=PATIENCE)
    asking = await home.ask()
    await asking.wait_answer(PATIENCE)
    answered = time.perf_counter() - began
    await _all_asked(database, in_flight)
    return Start(listening, connected, answered, time.perf_counter() - began, peak(pid_of(home)))


async def _healthy(port: int) -> None:
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.005)


async def _all_asked(database: Database, in_flight: int) -> None:
    asked = select(func.count()).where(runs.c.state == "running", runs.c.checks > 0)
    async with asyncio.timeout(PATIENCE):
        while True:
            if await database.read(lambda connection: connection.scalar(asked) or 0) >= in_flight:
                return
            await asyncio.sleep(0.1)
