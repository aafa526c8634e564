"""Measure the bot's memory at rest, and its growth by a thousand runs."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import psutil

from tests.bench.figures import Figure
from tests.bench.setup import ask, channels, people, pid_of, scene
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.world import Channel, User

MIB = 1024 * 1024
AT_ONCE = 25
WARM = 200
PLACES = 25
IMPORTS = (
    "import aiohttp.web, discord.ext.commands, psutil, sqlalchemy; print(psutil.Process().memory_info().rss)"
)


async def measure(options: Namespace) -> list[Figure]:
    importing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORTS, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await importing.communicate()
    imports = int(printed) / MIB
    # Without rate limits, because only the number of runs matters.
    async with scene(rate_limits=False) as home:
        places = channels(home, PLACES)
        # Each may send ten commands a minute.
        persons = cycle(people(home, (WARM + options.runs) // 5))
        await home.start()
        await asyncio.sleep(5)
        memory = [_resident(home)]
        for runs in (WARM, options.runs):
            await _live(home, persons, places, runs)
            memory.append(_resident(home))
    rest, before, after = memory
    return [
        Figure("memory", "at rest, against the imports alone", rest, "MiB", imports, "≤ 120 MiB"),
        Figure("memory", f"after {WARM} runs", before, "MiB", imports),
        Figure("memory", f"after {WARM + options.runs:,} runs", after, "MiB", before, "flat"),
    ]


def _resident(home: BotProcess) -> float:
    return float(psutil.Process(pid_of(home)).memory_info().rss / MIB)


async def _live(home: BotProcess, persons: Iterator[User], places: Sequence[Channel], count: int) -> None:
    """Play `count` runs to their results, a few at a time, by different people each time."""
    for start in range(0, count, AT_ONCE):
        number = min(AT_ONCE, count - start)
        await ask(home, [*islice(persons, number)], places, number)
        await home.settled(within=60)
