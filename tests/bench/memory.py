"""Measure the bot's memory at rest, and its growth by a thousand runs."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import psutil

from tests.bench.figures import Figure
from tests.bench.setup import ask, channels, people, pid_of, run_program, scene
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.world import Channel, User

MIB = 1024 * 1024
AT_ONCE = 25
WARM = 200
PLACES = 25


async def measure(options: Namespace) -> list[Figure]:
    count = max(options.runs, AT_ONCE)
    imports = float(await run_program("imports"))
    # Without rate limits, because only the number of runs matters.
    async with scene(rate_limits=False) as home:
        places = channels(home, PLACES)
        # Each may send ten commands a minute.
        persons = cycle(people(home, (WARM + count) // 5))
        await home.start()
        await asyncio.sleep(5)
        rest, resident = _peak(pid_of(home)), []
        for runs in (WARM, count // 2, count - count // 2):
            await _live(home, persons, places, runs)
            resident.append(float(psutil.Process(pid_of(home)).memory_info().rss / MIB))
        limit = _peak(pid_of(home))
    before, half, after = resident
    return [
        Figure("memory", "peak at rest, against the imports alone", rest, "MiB", imports, "≤ 120 MiB"),
        Figure("memory", f"resident after {WARM} runs", before, "MiB", imports),
        Figure("memory", f"resident after {WARM + count // 2:,} runs", half, "MiB", before, "flat"),
        Figure("memory", f"resident after {WARM + count:,} runs", after, "MiB", half, "flat"),
        Figure("memory", "added per thousand runs", (after - before) / count * 1000, "MiB"),
        Figure("memory", "peak of it all", limit, "MiB"),
    ]


def _peak(pid: int) -> float:
    """Return a process's peak resident memory in MiB, or the current one without /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float(psutil.Process(pid).memory_info().rss / MIB)
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


async def _live(home: BotProcess, persons: Iterator[User], places: Sequence[Channel], count: int) -> None:
    """Play `count` runs to their results, a few at a time, by different people each time."""
    for start in range(0, count, AT_ONCE):
        number = min(AT_ONCE, count - start)
        await ask(home, [*islice(persons, number)], places, number)
        await home.settled(within=60)
