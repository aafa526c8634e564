"""Play chaos rounds from a seed, check them, and report the result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos.database import opened
from tests.chaos.environment import ANSWER_WITHIN, SPEED, Environment, environment
from tests.chaos.happenings import Round
from tests.chaos.invariants import SETTLE_WITHIN, InvariantChecker, Verdict
from tests.chaos.rounds import Player
from tests.fakediscord.interactions import Interaction
from tests.questions import runs as runs_of

# Real seconds. A round that takes longer (a deadline, a lease, a backoff) is checked with later ones.
PATIENCE = 0.5
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
    def broken(self) -> bool:
        return bool(self.verdict.all)

    @property
    def line(self) -> str:
        found = self.verdict
        return (
            f"rounds={self.rounds} kills={self.kills} faults={self.faults} "
            f"lost={len(found.lost)} twice={len(found.twice)} queued_twice={len(found.queued_twice)} "
            f"opposite={len(found.opposite)} opened={len(found.opened)} hidden={len(found.hidden)}"
        )


async def chaos(
    folder: Path, rounds: int, seed: int, kind: str, *, say: Callable[[str], None] = lambda _: None
) -> Result:
    """Play and check rounds; `say` receives the progress and the evidence of every violation."""
    result = Result()
    async with opened(kind, folder, proxied=True) as database, environment(folder, database, seed) as world:
        await world.start()
        await world.discord.wait_command("generate", within=30)
        player, checker = Player(world, seed), InvariantChecker(world)
        open_rounds: list[Round] = []
        for number in range(1, rounds + 1):
            this = await player.play(number)
            open_rounds.append(this)
            result.rounds = number
            result.faults += len(this.faults) + (this.happening not in ("nothing", "cancel", "again"))
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
    if not await checker.settled(within):
        return False
    await checker.shown(rounds, SHOWN_WITHIN)
    return await checker.settled(within)


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
    for this in rounds:
        _forget(world, this)
    world.servers.forget_cards()


def _forget(world: Environment, this: Round) -> None:
    """Drop old channels, which would slow the fake Discord down."""
    discord = world.discord
    for person in world.people:
        person.accepts_dms = True
    for channel in (this.channel, *this.places):
        if not channel.deleted:
            discord.delete_channel(channel)
        discord.world.channels.pop(channel.id, None)
    if this.happening == "remove_bot" and this.channel.guild is not None:
        discord.world.guilds.pop(this.channel.guild.id, None)
