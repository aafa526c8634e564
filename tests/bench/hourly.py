"""Measure memory and processor time at rest, and at 10 and 100 requests an hour, for a quarter of an hour."""

from __future__ import annotations

import asyncio

from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.bench.figures import Figure
from tests.bench.setup import process_of, scene
from tests.fakediscord.world import MIB

RATES = (0, 10, 100)
WARM_UP, MINUTES = 60, 12
# Seconds between the reports of a run, which then takes about half a minute.
PACE = 2.0


async def measure() -> list[Figure]:
    """Measure the rates at the same time, each with a bot of its own."""
    return [figure for figures in await asyncio.gather(*map(_at, RATES)) for figure in figures]


async def _at(rate: int) -> list[Figure]:
    requests = rate * MINUTES // 60
    async with scene(comfydeploy=FakeComfyDeploy(pace=PACE)) as home:
        await home.start()
        await asyncio.sleep(WARM_UP)
        process = process_of(home)
        before = sum(process.cpu_times()[:2])
        for _ in range(requests or 1):
            if requests:
                await home.ask()
            await asyncio.sleep(MINUTES * 60 / (requests or 1))
        await home.settled(runs=requests)
        used = sum(process.cpu_times()[:2]) - before
        return [
            Figure(f"{rate} requests an hour, memory", process.memory_info().rss / MIB, "MiB"),
            Figure(f"{rate} requests an hour, processor", used / (MINUTES * 60) * 1000, "ms a second"),
        ]
