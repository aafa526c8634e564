"""Play a chaos round: people send requests, faults strike, and the bot may be killed."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from demo.fake_comfydeploy.faults import Faults
from tests.chaos.environment import Environment
from tests.chaos.happenings import HAPPENINGS, IN_REVIEW, Happenings, Round
from tests.chaos.random_faults import DEATHS, comfy_faults, discord_faults, lost_steps
from tests.fakediscord.actions import CannotSend

# Discord's upload limit in bytes for some requests, so small that pictures are recompressed or linked.
SMALL_LIMIT = 3000


class Player:
    """Plays rounds from one seed."""

    def __init__(self, environment: Environment, seed: int) -> None:
        self._environment = environment
        self._seed = seed
        self._happenings = Happenings(environment)

    async def play(self, number: int) -> Round:
        """Play a round without waiting until it has settled."""
        chance = random.Random(f"{self._seed}-{number}")
        environment = self._environment
        guild = environment.guild
        happening = chance.choice(HAPPENINGS)
        if happening == "remove_bot":
            guild = environment.discord.add_guild(f"round {number}")
            for person in environment.people:
                environment.discord.join(guild, person)
        if happening in IN_REVIEW:
            guild = environment.servers.reviewed
        this = Round(number, environment.discord.add_text(guild, f"round-{number}"), happening)
        # A bot that starts during an outage only waits for its end.
        if chance.random() < 0.33 and happening != "outage":
            await self._arrange_death(this, chance)
        await environment.watch()
        if happening == "bombs":
            await self._happenings.throw_bombs(this, chance)
        self._arm(this, chance)
        await self._ask(this, chance)
        await self._let_happen(this, chance)
        return this

    async def _arrange_death(self, this: Round, chance: random.Random) -> None:
        """Restart the bot with a kill point, or choose a moment at which to kill it."""
        if chance.random() < 0.5:
            this.died = chance.choice(DEATHS)
            await self._environment.kill()
            await self._environment.start(this.died)
        else:
            this.died = f"{chance.uniform(0.0, 0.6):.3f}"

    def _arm(self, this: Round, chance: random.Random) -> None:
        for route, fault, times in discord_faults(chance):
            this.faults.append(f"{times} x {route} {fault.effect} {fault.status or fault.seconds or ''}")
            self._environment.discord.faults.add(route, fault, times=times)
        lost, proxy = lost_steps(chance), self._environment.database.proxy
        if lost is not None and proxy is not None:
            this.faults.append(str(lost))
            proxy.lose(lost.matcher(), lost.loss, times=lost.times)

    async def _ask(self, this: Round, chance: random.Random) -> None:
        environment = self._environment
        for index in range(chance.choice((1, 2, 3, 4))):
            faults = comfy_faults(chance)
            if faults != Faults():
                this.faults.append(f"run: {faults.model_dump(exclude_defaults=True)}")
            environment.comfydeploy.next_faults(faults)
            person = chance.choice(environment.people)
            try:
                options: dict[str, Any] = {"prompt": f"r{this.number}-{index}"}
                if chance.random() < 0.25:
                    options["count"] = chance.choice((2, 3, 4))
                limit = SMALL_LIMIT if chance.random() < 0.15 else None
                asked = await environment.discord.slash(
                    person, this.channel, "generate", options, size_limit=limit
                )
            except CannotSend:
                continue
            this.asked.append(asked)
            await asyncio.sleep(chance.choice((0, 0, 0.05)))

    async def _let_happen(self, this: Round, chance: random.Random) -> None:
        if this.died and ":" not in this.died:
            killer = asyncio.create_task(self._kill_after(float(this.died)))
        else:
            killer = asyncio.create_task(asyncio.sleep(0))
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        await self._happenings.happen(this, chance)
        await killer

    async def _kill_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._environment.kill()
        await self._environment.start()
