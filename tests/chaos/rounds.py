"""Play one round: several people ask, faults happen, the bot may die."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from demo.fake_comfydeploy.faults import Faults
from tests.chaos.environment import Environment
from tests.chaos.random_faults import DEATHS, comfy_faults, discord_faults
from tests.fakediscord.actions import CannotSend
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel, Message

HAPPENINGS = (
    "nothing",
    "nothing",
    "nothing",
    "cancel",
    "cancel",
    "again",
    "withdraw_send",
    "withdraw_view",
    "delete_channel",
    "delete_status",
    "gateway_drop",
    "gateway_lost",
    "remove_bot",
    "close_all",
    "expire_tokens",
)


@dataclass
class Round:
    """What happened in a round; `taken` are messages that a moderator, not the bot, deleted."""

    number: int
    channel: Channel
    happening: str
    died: str = ""
    asked: list[Interaction] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"round {self.number}: {self.happening}; death: {self.died or 'none'}; {'; '.join(self.faults)}"
        )


class Player:
    """Plays rounds from one seed."""

    def __init__(self, environment: Environment, seed: int) -> None:
        self._environment = environment
        self._seed = seed
        self._happen: dict[str, Callable[[Round, random.Random], Awaitable[None]]] = {
            "cancel": self._cancel,
            "again": self._again,
            "delete_channel": self._delete_channel,
            "delete_status": self._delete_status,
            "withdraw_send": self._withdraw_send,
            "withdraw_view": self._withdraw_view,
            "close_all": self._close_all,
            "gateway_drop": self._gateway,
            "gateway_lost": self._gateway,
            "remove_bot": self._remove_bot,
            "expire_tokens": self._expire_tokens,
        }

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
        this = Round(number, environment.discord.add_text(guild, f"round-{number}"), happening)
        if chance.random() < 0.33:
            await self._arrange_death(this, chance)
        await environment.watch()
        self._arm(this, chance)
        await self._ask(this, chance)
        await self._let_happen(this, chance)
        return this

    async def _arrange_death(self, this: Round, chance: random.Random) -> None:
        """Kill the bot at a random moment, or replace it by one that dies at a chosen step."""
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

    async def _ask(self, this: Round, chance: random.Random) -> None:
        environment = self._environment
        for _ in range(chance.choice((1, 2, 3, 4))):
            faults = comfy_faults(chance)
            if faults != Faults():
                this.faults.append(f"run: {faults.model_dump(exclude_defaults=True)}")
            environment.comfydeploy.next_faults(faults)
            person = chance.choice(environment.people)
            try:
                options: dict[str, Any] = {"prompt": f"r{this.number}"}
                if chance.random() < 0.25:
                    options["count"] = chance.choice((2, 3, 4))
                asked = await environment.discord.slash(person, this.channel, "generate", options)
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
        await self._happening(this, chance)
        await killer

    async def _kill_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._environment.kill()
        await self._environment.start()

    async def _happening(self, this: Round, chance: random.Random) -> None:
        special = self._happen.get(this.happening)
        if special is not None:
            await special(this, chance)

    async def _cancel(self, this: Round, chance: random.Random) -> None:
        for asked in this.asked:
            message = asked.original
            if message is not None and not message.deleted_at and chance.random() < 0.7:
                await self._click(asked, message, "Cancel")

    async def _again(self, this: Round, _: random.Random) -> None:
        done = [
            m
            for m in self._environment.discord.messages(this.channel)
            if any(i.endswith((":again", ":repeat")) for i in m.custom_ids)
        ]
        for message in done[:1]:
            asked = next((a for a in this.asked if str(a.user.id) in message.text), None)
            if asked is not None:
                await self._click(asked, message, "gain")

    async def _click(self, asked: Interaction, message: Message, label: str) -> None:
        try:
            await self._environment.discord.click(asked.user, message, label)
        except CannotSend:
            return

    async def _delete_channel(self, this: Round, _: random.Random) -> None:
        this.taken += list(this.channel.messages.values())
        self._environment.discord.delete_channel(this.channel)

    async def _delete_status(self, this: Round, _: random.Random) -> None:
        for asked in this.asked:
            message = asked.original
            if message is not None and not message.ephemeral and not message.deleted_at:
                this.taken.append(message)
                self._environment.discord.delete_message(message)

    async def _withdraw_send(self, this: Round, _: random.Random) -> None:
        self._environment.discord.withdraw(this.channel, "send_messages")

    async def _withdraw_view(self, this: Round, _: random.Random) -> None:
        self._environment.discord.withdraw(this.channel, "view_channel")

    async def _close_all(self, this: Round, _: random.Random) -> None:
        """Close the channel and direct messages; with expired tokens, results stay undelivered."""
        self._environment.discord.withdraw(this.channel, "send_messages", "view_channel")
        for asked in this.asked:
            asked.user.accepts_dms = False
            asked.created_at -= 900

    async def _gateway(self, this: Round, _: random.Random) -> None:
        self._environment.discord.gateway.drop(resumable=this.happening == "gateway_drop")

    async def _remove_bot(self, this: Round, _: random.Random) -> None:
        if this.channel.guild is not None:
            self._environment.discord.remove_bot(this.channel.guild)

    async def _expire_tokens(self, this: Round, _: random.Random) -> None:
        for asked in this.asked:
            asked.created_at -= 900
