"""Outages that last hours, which pass by moving the clocks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.chaos.environment import Environment
from tests.databases import locked
from tests.fakediscord.faults import Fault

_PARTIES = ("discord", "discord", "comfydeploy", "network", "database")
# More jumps, each with attempts, than the bot would allow failures if it counted those in an outage.
_MORE_THAN_TRIES = 40
# Seconds, longer than the bot waits for SQLite's lock.
_LOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage whose hours pass in jumps of the clocks; the bot runs for a moment after each jump."""

    party: str
    hours: float
    jumps: int

    def __str__(self) -> str:
        return f"{self.hours} h without {self.party} in {self.jumps} jumps"


def draw_outage(chance: random.Random) -> Outage:
    return Outage(
        chance.choice(_PARTIES), chance.choice((1, 3, 6, 12)), chance.choice((1, 4, _MORE_THAN_TRIES))
    )


async def endure(environment: Environment, outage: Outage, chance: random.Random) -> None:
    async with _away(environment, outage.party, chance):
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        for _ in range(outage.jumps):
            environment.jump(outage.hours * 3600 / outage.jumps)
            await asyncio.sleep(chance.uniform(0.1, 0.2))


@asynccontextmanager
async def _away(environment: Environment, party: str, chance: random.Random) -> AsyncIterator[None]:
    if party in ("discord", "network"):
        fault = chance.choice((Fault.answer(503), Fault.drop_before()))
        environment.discord.faults.rules.clear()
        environment.discord.faults.add("*", fault, times=None)
    environment.comfydeploy.world.plan.away = party in ("comfydeploy", "network")
    try:
        if party == "database":
            async with _database_away(environment):
                yield
        else:
            yield
    finally:
        environment.comfydeploy.world.plan.away = False
        environment.discord.faults.clear()


@asynccontextmanager
async def _database_away(environment: Environment) -> AsyncIterator[None]:
    """Refuse connections to PostgreSQL, or lock SQLite's file. PostgreSQL without a proxy stays reachable."""
    database = environment.database
    if database.proxy is not None:
        database.proxy.shut()
        try:
            yield
        finally:
            database.proxy.heal()
    elif database.file is not None:
        with locked(database.file):
            yield
            await asyncio.sleep(_LOCK_SECONDS)
    else:
        yield
