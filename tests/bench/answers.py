"""Measure the time from an interaction to its answer, with many commands at once."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from collections.abc import Sequence

from demo.fake_comfydeploy.faults import Faults
from tests.bench.figures import Figure, latencies
from tests.bench.processes import busy
from tests.bench.setup import add_people, ask, backend, channels, pid_of, scene
from tests.e2e.bot_process import PROJECT
from tests.fakediscord.launch import command
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Guild

COMMANDS = 200
ROUNDS = 3
PLACES = 20


async def bursts(
    discord: FakeDiscord, guild: Guild, places: Sequence[Channel], pid: int
) -> tuple[list[float], float]:
    """Return the seconds to each answer, and the CPU microseconds per answer."""
    people = add_people(discord, guild, COMMANDS)
    await ask(discord, people, places, 5)
    seconds: list[float] = []
    taken = 0.0
    for _ in range(ROUNDS):
        before = busy(pid)
        seconds += [asked.latency for asked in await ask(discord, people, places, COMMANDS)]
        taken += busy(pid) - before
        await asyncio.sleep(2)
    return seconds, taken / len(seconds) * 1e6


async def bare() -> tuple[list[float], float]:
    """Return the figures of `bursts` for a minimal bot."""
    async with FakeDiscord() as discord:
        guild = discord.add_guild("Studio")
        places = [discord.add_text(guild, f"channel-{number}") for number in range(PLACES)]
        process = await asyncio.create_subprocess_exec(
            *command(discord.url, "tests.bench.bare_bot"),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "DISCORD_TOKEN": discord.token},
        )
        try:
            await discord.wait_command("generate", within=30)
            return await bursts(discord, guild, places, process.pid)
        finally:
            process.kill()
            await process.wait()


async def measure(_options: Namespace) -> list[Figure]:
    comfydeploy = backend()
    # Queued and no further: what is measured is the answer and the queue call behind it.
    comfydeploy.faults = Faults(hold_at="queued")
    async with scene(comfydeploy=comfydeploy) as home:
        places = channels(home, PLACES)
        await home.start()
        seconds, each = await bursts(home.discord, home.guild, places, pid_of(home))
        late = sum(second > 3 for second in seconds)
    bare_seconds, bare_each = await bare()
    return [
        *latencies("answers", f"{COMMANDS} commands at once", seconds, bare_seconds, "p99 ≤ 300 ms"),
        Figure("answers", "processor time of each", each, "µs", bare_each),
        Figure("answers", "the slowest of all", max(seconds) * 1000, "ms", aim="≤ 3,000 ms"),
        Figure("answers", "answers later than 3 s", late, "", aim="0"),
    ]
