"""Send requests while processes are killed, and check the results at the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.invariants import Invariants, Round
from tests.fakediscord.actions import CannotSend
from tests.fakediscord.world import Channel, User
from tests.questions import unsettled
from tests.scale.cluster import Cluster, built

KILL_EVERY = 5.0
# Seconds, longer than a lease and a grace time, after which other processes take over a killed one's claims.
SETTLE_WITHIN = 420.0


@dataclass(frozen=True, slots=True)
class Result:
    """`seconds` are those from the first command to the last result."""

    runs: int
    kills: int
    seconds: float
    invariants: Invariants

    @property
    def line(self) -> str:
        counts = Counter(kind for kind, _ in self.invariants.found)
        twice = len({key for kind, key in self.invariants.found if kind in ("twice", "queued_twice")})
        return (
            f"runs={self.runs} kills={self.kills} lost={counts['lost']} twice={twice} "
            f"hidden={counts['hidden']} seconds={self.seconds:.0f}"
        )


async def scale(
    folder: Path,
    runs: int,
    seed: int = 1,
    *,
    most_kills: int | None = None,
    rolling: bool = False,
    webs: int = 2,
    messengers: int = 3,
    say: Callable[[str], None],
) -> Result:
    """Play a scale run, and kill a process every few seconds, up to `most_kills` times if it isn't None.

    If `rolling` is set, stop each process once instead, and start it again.
    """
    async with built(folder, webs, messengers) as (cluster, balancer):
        say(f"{len(cluster.members)} processes are connected")
        began = time.monotonic()
        trouble = _replacements(cluster) if rolling else _strikes(cluster, random.Random(seed), most_kills)
        killer = asyncio.create_task(trouble)
        asking = asyncio.create_task(_ask_all(cluster, runs))
        done, _ = await asyncio.wait({asking, killer}, return_when=asyncio.FIRST_COMPLETED)
        if killer in done:
            killer.result()
        asked, asking_seconds = await asking, time.monotonic() - began
        await _settle(cluster, runs // 20, killer.done)
        if rolling or most_kills is not None or killer.done():
            await killer
        killer.cancel()
        await _settle(cluster, 0, lambda: False)
        cluster.check_alive()
        await cluster.comfydeploy.idle()
        seconds = time.monotonic() - began
        invariants = Invariants(cluster)
        await invariants.judge([Round(n, channel) for n, channel in enumerate(cluster.channels)], say)
        ends = await invariants.ends()
        say(
            f"{asked} commands sent, the last after {asking_seconds:.0f} s; ended as: "
            f"{', '.join(f'{count} {state}' for state, count in sorted(ends.items()))}; "
            f"{balancer.refused} webhooks found no web process; "
            f"{cluster.discord.gateway.counts['invalid']} IDENTIFYs refused"
        )
        return Result(ends.total(), cluster.kills, seconds, invariants)


async def _ask_all(cluster: Cluster, runs: int) -> int:
    """Let each person send requests in a channel of their own until `runs` were accepted.

    Return the number of commands that were sent.
    """
    numbers = iter(range(runs))
    pairs = zip(cluster.people, cluster.channels, strict=True)
    return sum(await asyncio.gather(*(_keep_asking(cluster, *pair, numbers) for pair in pairs)))


async def _keep_asking(cluster: Cluster, person: User, channel: Channel, numbers: Iterator[int]) -> int:
    sent = 0
    for number in numbers:
        sent += 1
        while not await _is_accepted(cluster, person, channel, f"{channel.name} {number}"):
            sent += 1
            await asyncio.sleep(0.5)
    return sent


async def _is_accepted(cluster: Cluster, person: User, channel: Channel, prompt: str) -> bool:
    try:
        asking = await cluster.discord.slash(person, channel, "generate", {"prompt": prompt})
        if not asking.delivered_to:
            return False  # the shard is down, and Discord says that the application did not respond
        await cluster.discord.wait_until(lambda: asking.shown, within=12)
    except (CannotSend, TimeoutError):
        return False
    return asking.original is not None and not asking.original.ephemeral


async def _strikes(cluster: Cluster, chance: random.Random, limit: int | None) -> None:
    last = None
    while limit is None or cluster.kills < limit:
        await asyncio.sleep(KILL_EVERY)
        last = await cluster.strike(chance, last)
        cluster.check_alive()


async def _replacements(cluster: Cluster) -> None:
    """Replace the processes one by one, as a rolling upgrade does."""
    for member in list(cluster.members):
        await cluster.replace(member)
        cluster.check_alive()


async def _settle(cluster: Cluster, few: int, is_over: Callable[[], bool]) -> None:
    """Wait until at most `few` runs and messages are left or `is_over`; later, they are lost."""
    deadline = time.monotonic() + SETTLE_WITHIN + 60 * few
    while not is_over() and time.monotonic() < deadline:
        if (await unsettled(cluster.database)).in_progress <= few:
            return
        await asyncio.sleep(0.25)
