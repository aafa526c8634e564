"""Measure autocomplete of an option with 200 choices."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from tests.bench.figures import Figure, latencies
from tests.bench.setup import scene
from tests.e2e.bot_process import BotProcess

TYPED = ("", "m", "mod", "model 1", "model 15", "99")
TIMES = 300
AT_ONCE = 50


async def one(home: BotProcess, number: int) -> float:
    typed = TYPED[number % len(TYPED)]
    asking = await home.discord.autocomplete(
        home.alice, home.channel, "generate", "model", typed, prompt="a fox"
    )
    await asking.wait_answer()
    if not asking.choices:
        raise RuntimeError(f"nothing was suggested for {typed!r}")
    return asking.latency


async def measure(_options: Namespace) -> list[Figure]:
    async with scene() as home:
        await home.start()
        await one(home, 0)
        seconds = [await one(home, number) for number in range(TIMES)]
        batch = [
            latency
            for _ in range(TIMES // AT_ONCE)
            for latency in await asyncio.gather(*(one(home, number) for number in range(AT_ONCE)))
        ]
    return [
        *latencies("autocomplete", "one at a time", seconds, aim="p99 ≤ 50 ms"),
        *latencies("autocomplete", f"{AT_ONCE} at once", batch),
    ]
