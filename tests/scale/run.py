"""Send requests while processes are killed, and check the results at the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.invariants import InvariantChecker, Verdict
from tests.chaos.rounds import Round
from tests.fakediscord.actions import CannotSend
from tests.fakediscord.world import Channel, User
from tests.questions import runs as runs_of
from tests.questions import unsettled
from tests.scale.cluster import Cluster, built

KILL_EVERY = 5.0
# Seconds, longer than a lease and a grace time, after which other processes take over a killed one's claims.
SETTLE_WITHIN = 420.0


@dataclass
class Result:
    runs: int = 0
    kills: int = 0
    seconds: float = 0.0
    ends: str = ""
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def twice(self) -> int:
        """The number of runs that were posted or queued twice."""
        return len(self.verdict.twice | self.verdict.queued_twice)

    @property
    def clean(self) -> bool:
        return not self.verdict.all

    @property
    def rate(self) -> float:
        """Return the runs per second, from the first command to the last result."""
        return self.runs / self.seconds

    @property
    def line(self) -> str:
        return (
            f"runs={self.runs} kills={self.kills} lost={len(self.verdict.lost)} "
            f"twice={self.twice} seconds={self.seconds:.0f}"
        )


class Crowd:
    """People on every shard, each in their own channel, who request `runs` runs in total."""

    def __init__(self, cluster: Cluster, runs: int) -> None:
        self._cluster = cluster
        self._runs = runs
        self.asked = 0
        self._taken = 0

    async def ask_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for person, channel in zip(self._cluster.people, self._cluster.channels, strict=True):
                group.create_task(self._ask(person, channel))

    async def _ask(self, person: User, channel: Channel) -> None:
        number = 0
        while self._taken < self._runs:
            number += 1
            self._taken += 1
            if not await self._once(person, channel, f"{channel.name} {number}"):
                self._taken -= 1
                await asyncio.sleep(0.5)

    async def _once(self, person: User, channel: Channel, prompt: str) -> bool:
        """Send a request; return whether it was accepted."""
        try:
            asking = await self._cluster.discord.slash(person, channel, "generate", {"prompt": prompt})
        except CannotSend:
            return False
        self.asked += 1
        if not asking.delivered_to:
            return False  # the shard is down, and Discord says that the application did not respond
        try:
            await self._cluster.discord.wait_until(lambda: asking.shown, within=12)
        except TimeoutError:
            return False
        message = asking.original
        return message is not None and not message.ephemeral


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


async def _few_left(cluster: Cluster, killer: asyncio.Task[None], few: int) -> None:
    """Wait until at most `few` runs and messages are left, or the kills have ended."""
    async with asyncio.timeout(SETTLE_WITHIN + 60 * few):
        while (await unsettled(cluster.database)).in_progress > few:
            if killer.done():
                killer.result()
                return
            await asyncio.sleep(0.5)


async def _settled(cluster: Cluster, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            while (await unsettled(cluster.database)).in_progress:
                cluster.check_alive()
                await asyncio.sleep(0.25)
            await cluster.comfydeploy.idle()
    except TimeoutError:
        return False
    return True


async def scale(
    folder: Path,
    runs: int,
    seed: int = 1,
    *,
    most_kills: int | None = None,
    rolling: bool = False,
    webs: int = 2,
    messengers: int = 3,
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """Play a scale run, and kill a process every few seconds, up to `most_kills` times if it isn't None.

    If `rolling` is set, stop each process once instead, and start it again.
    """
    result = Result()
    async with built(folder, webs=webs, messengers=messengers) as (cluster, balancer):
        await cluster.start()
        say(f"{len(cluster.members)} processes, shards {sorted(cluster.shards)} connected")
        began = time.monotonic()
        killer = asyncio.create_task(
            _replacements(cluster) if rolling else _strikes(cluster, random.Random(seed), most_kills)
        )
        crowd = Crowd(cluster, runs)
        asking = asyncio.create_task(crowd.ask_all())
        done, _ = await asyncio.wait({asking, killer}, return_when=asyncio.FIRST_COMPLETED)
        if killer in done:
            killer.result()
        await asking
        busy_seconds = time.monotonic() - began
        await _few_left(cluster, killer, runs // 20)
        if rolling or most_kills is not None:
            await killer
        killer.cancel()
        await _settled(cluster, SETTLE_WITHIN)
        result.seconds = time.monotonic() - began
        await _judge(cluster, result, say)
        result.kills = cluster.kills
        identifies = cluster.discord.gateway.counts["invalid"]
        say(
            f"{crowd.asked} commands sent, the last after {busy_seconds:.0f} s; ended as: "
            f"{result.ends}; {balancer.refused} webhooks found no web process; {identifies} IDENTIFYs refused"
        )
    return result


async def _judge(cluster: Cluster, result: Result, say: Callable[[str], None]) -> None:
    checker = InvariantChecker(cluster)
    rounds = [Round(number, channel, "scale") for number, channel in enumerate(cluster.channels)]
    result.verdict = await checker.judge(rounds)
    for key, what in result.verdict.all.items():
        say(f"{what}\n{checker.evidence(key, rounds)}")
    ends = Counter(run.state.value for run in await runs_of(cluster.database))
    result.ends = ", ".join(f"{count} {state}" for state, count in sorted(ends.items()))
    result.runs = ends.total()
    unknown = cluster.discord.request_log.unknown_routes
    if unknown:
        raise RuntimeError(f"the bot calls routes that the fake Discord lacks: {unknown}")
