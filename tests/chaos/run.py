"""Play chaos rounds from a seed, check them, and report the result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.chaos.database import opened
from tests.chaos.environment import ALONE, ANSWER_WITHIN, SEVERAL, SPEED, Environment, environment
from tests.chaos.invariants import UNSEEABLE, Invariants, Round
from tests.chaos.rounds import QUIET, play
from tests.fakediscord.interactions import Interaction

# Real seconds. A round that takes longer (a deadline, a lease, a backoff) is checked with later ones.
PATIENCE, SETTLE_WITHIN = 0.5, 90.0
# Real seconds, more than Discord waits for an answer, and the bot for the database.
ANSWERED_WITHIN = ANSWER_WITHIN / SPEED + 3.0
TELL_EVERY = 25


async def chaos(
    folder: Path, rounds: int, seed: int, kind: str, *, several: bool = False, say: Callable[[str], None]
) -> bool:
    """Play and check rounds; return whether no invariant was violated.

    `say` receives the progress, the evidence of every violation, and the result. Raises RuntimeError if too
    little happened to prove anything.
    """
    faults, layout = 0, SEVERAL if several else ALONE
    async with opened(kind, folder, proxied=True) as database, environment(folder, database, layout) as world:
        await world.start()
        await world.discord.wait_command("generate", within=30)
        invariants = Invariants(world)
        unjudged: list[Round] = []
        for number in range(1, rounds + 1):
            this = await play(world, seed, number)
            unjudged.append(this)
            faults += len(this.faults) + (this.happening not in QUIET)
            is_last = number == rounds or len(unjudged) > 20
            if await _at_rest(world, invariants, unjudged, SETTLE_WITHIN if is_last else PATIENCE) or is_last:
                await invariants.judge(unjudged, say)
                _forget(world, unjudged)
                unjudged = []
            if number % TELL_EVERY == 0:
                say(f"… {number} rounds, {invariants.requests} requests, {world.kills} kills")
        ends = await invariants.ends()
    say(
        f"{invariants.requests} requests, {world.failed_starts} starts failed because a service was away, "
        f"{invariants.counts(UNSEEABLE)} (two outcomes, after an unconfirmed post in a channel that closed), "
        f"ended as: {', '.join(f'{count} {state}' for state, count in ends.items())}"
    )
    counts = invariants.counts("lost", "twice", "queued_twice")
    say(f"rounds={rounds} kills={world.kills} faults={faults} {counts}")
    if invariants.requests < rounds / 2 or not (world.kills and faults):
        raise RuntimeError("so few requests, kills and faults prove nothing")
    return not invariants.broken


async def _at_rest(
    world: Environment, invariants: Invariants, rounds: Sequence[Round], within: float
) -> bool:
    """Stop the faults and wait until everything ends."""
    world.heal()
    await world.watch()
    await _answered(world, rounds)
    return await _becomes(world, invariants.is_quiet, within)


async def _becomes(world: Environment, condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Wait up to `within` real seconds; return whether the condition is true then."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not await condition():
                await world.calm()
                await asyncio.sleep(0.04)
            return True
    return False


async def _answered(world: Environment, rounds: Sequence[Round]) -> None:
    """Wait until each request is answered or too old for an answer; only then is its row sure to exist."""

    def is_shown(asked: Interaction) -> bool:
        return asked.shown

    for asked in (asked for this in rounds for asked in this.asked if asked.delivered_to):
        left = asked.created + ANSWERED_WITHIN - time.perf_counter()
        if left > 0:
            with suppress(TimeoutError):
                await world.discord.wait_until(partial(is_shown, asked), left)


def _forget(world: Environment, rounds: Sequence[Round]) -> None:
    """Drop old channels, which would slow the fake Discord down, and let everybody take messages again."""
    for person in world.people:
        person.accepts_dms = True
    for channel in (this.channel for this in rounds):
        if not channel.deleted:
            world.discord.delete_channel(channel)
        world.discord.world.channels.pop(channel.id, None)
        if channel.guild is not None and channel.guild not in world.guilds:
            world.discord.world.guilds.pop(channel.guild.id, None)
