"""Measure the bot's memory at rest, and after runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from tests.bench.figures import Figure
from tests.bench.setup import ask, channels, people, process_of, scene
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.world import Channel, User

MIB = 1024 * 1024
AT_ONCE = 25
RUNS = 200
PLACES = 25


async def measure() -> list[Figure]:
    # Without rate limits, because only the number of runs matters.
    async with scene(rate_limits=False) as home:
        places = channels(home, PLACES)
        # Each may send ten commands a minute.
        persons = cycle(people(home, 2 * RUNS // 5))
        await home.start()
        await asyncio.sleep(5)
        memory = [_resident(home)]
        for _ in range(2):
            await _live(home, persons, places)
            memory.append(_resident(home))
    rest, before, after = memory
    return [
        Figure("memory", "at rest", rest, "MiB", aim="≤ 120 MiB"),
        Figure("memory", f"after {RUNS} runs", before, "MiB", rest),
        Figure("memory", f"after {2 * RUNS} runs", after, "MiB", before, "flat"),
    ]


def _resident(home: BotProcess) -> float:
    return float(process_of(home).memory_info().rss / MIB)


async def _live(home: BotProcess, persons: Iterator[User], places: Sequence[Channel]) -> None:
    """Play runs to their results, a few at a time, by different people each time."""
    for _ in range(RUNS // AT_ONCE):
        await ask(home, [*islice(persons, AT_ONCE)], places, AT_ONCE)
        await home.settled(within=60)
