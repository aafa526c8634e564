"""Play chaos rounds from a seed, check them, and report the result."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos.database import opened
from tests.chaos.environment import ANSWER_WITHIN, SPEED, Environment, environment
from tests.chaos.invariants import InvariantChecker, Verdict
from tests.chaos.rounds import QUIET, Round, play
from tests.fakediscord.interactions import Interaction
from tests.questions import runs as runs_of

# Real seconds. A round that takes longer (a deadline, a lease, a backoff) is checked with later ones.
PATIENCE, SETTLE_WITHIN = 0.5, 90.0
# Real seconds, more than Discord waits for an answer, and the bot for the database.
ANSWERED_WITHIN = ANSWER_WITHIN / SPEED + 3.0
# Real seconds in which polls find outputs that appeared after a run's end.
SHOWN_WITHIN = 20.0
TELL_EVERY = 25


@dataclass
class Result:
    rounds: int = 0
    requests: int = 0
    kills: int = 0
    failed_starts: int = 0
    ends: str = ""
    faults: int = 0
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def line(self) -> str:
        found = self.verdict
        return (
            f"rounds={self.rounds} kills={self.kills} faults={self.faults} lost={len(found.lost)} "
            f"twice={len(found.twice)} queued_twice={len(found.queued_twice)} hidden={len(found.hidden)}"
        )


async def chaos(
    folder: Path, rounds: int, seed: int, kind: str, *, say: Callable[[str], None] = lambda _: None
) -> Result:
    """Play and check rounds; `say` receives the progress and the evidence of every violation."""
    result = Result()
    async with opened(kind, folder, proxied=True) as database, environment(folder, database) as world:
        await world.start()
        await world.discord.wait_command("generate", within=30)
        checker = InvariantChecker(world)
        open_rounds: list[Round] = []
        for number in range(1, rounds + 1):
            this = await play(world, seed, number)
            open_rounds.append(this)
            result.rounds = number
            result.faults += len(this.faults) + (this.happening not in QUIET)
            timeout = SETTLE_WITHIN if number == rounds or len(open_rounds) > 20 else PATIENCE
            if await _at_rest(world, checker, open_rounds, timeout) or timeout == SETTLE_WITHIN:
                await _close(world, checker, open_rounds, result, say)
                open_rounds = []
            if number % TELL_EVERY == 0:
                say(f"… {number} rounds, {checker.requests} requests, {world.kills} kills")
        result.kills, result.requests = world.kills, checker.requests
        result.failed_starts = world.failed_starts
        ends = Counter(run.state.value for run in await runs_of(database))
        result.ends = ", ".join(f"{count} {state}" for state, count in ends.items())
        if world.discord.request_log.unknown_routes or result.requests < rounds / 2:
            # The run proves nothing if most requests weren't accepted.
            raise RuntimeError(
                f"only {result.requests} requests; unknown routes: {world.discord.request_log.unknown_routes}"
            )
    return result


async def _at_rest(world: Environment, checker: InvariantChecker, rounds: list[Round], within: float) -> bool:
    """Stop the faults and wait until everything ends."""
    world.heal()
    await world.watch()
    await _answered(world, rounds)
    if not await _becomes(world, checker.is_quiet, within):
        return False

    async def is_shown() -> bool:
        return not await checker.is_hidden(rounds)

    await _becomes(world, is_shown, SHOWN_WITHIN)
    return await _becomes(world, checker.is_quiet, within)


async def _becomes(world: Environment, condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Wait up to `within` real seconds; return whether the condition is true then."""
    try:
        async with asyncio.timeout(within):
            while not await condition():
                await world.calm()
                await asyncio.sleep(0.04)
    except TimeoutError:
        return False
    return True


def _is_shown(asked: Interaction) -> bool:
    return asked.shown


async def _answered(world: Environment, rounds: list[Round]) -> None:
    """Wait until each request is answered or too old for an answer; only then its row is sure to exist."""
    for asked in (asked for this in rounds for asked in this.asked if asked.delivered_to):
        left = asked.created + ANSWERED_WITHIN - time.perf_counter()
        if left > 0:
            with suppress(TimeoutError):
                await world.discord.wait_until(partial(_is_shown, asked), left)


async def _close(
    world: Environment,
    checker: InvariantChecker,
    rounds: list[Round],
    result: Result,
    say: Callable[[str], None],
) -> None:
    verdict = await checker.judge(rounds)
    for key, what in verdict.all.items():
        say(f"{what}\n{checker.evidence(key, rounds)}")
    result.verdict.add(verdict)
    for person in world.people:
        person.accepts_dms = True
    for this in rounds:
        _forget(world, this)


def _forget(world: Environment, this: Round) -> None:
    """Drop an old channel, which would slow the fake Discord down."""
    discord, channel = world.discord, this.channel
    if not channel.deleted:
        discord.delete_channel(channel)
    discord.world.channels.pop(channel.id, None)
    if this.happening == "remove_bot" and channel.guild is not None:
        discord.world.guilds.pop(channel.guild.id, None)
