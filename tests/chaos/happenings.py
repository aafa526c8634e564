"""The event of a chaos round: people press buttons, places close, or a service has an outage."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.bench.hostile import long_texts
from tests.chaos.environment import Environment
from tests.chaos.outages import draw_outage, endure
from tests.chaos.servers import FORBIDDEN
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
    "outage",
    "outage",
    "bombs",
    "approvals",
    "pause",
    "pause",
)
IN_REVIEW = frozenset({"approvals", "pause"})
_BOMB_LETTERS = 6000
_CARDS_WITHIN = 3.0


@dataclass
class Round:
    """What happened in a round.

    `places` are its channels besides `channel`, `removed` the messages that a moderator deleted, and `opened`
    the keys of runs that started despite a pause.
    """

    number: int
    channel: Channel
    happening: str
    died: str = ""
    asked: list[Interaction] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    removed: list[Message] = field(default_factory=list)
    places: list[Channel] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"round {self.number}: {self.happening}; death: {self.died or 'none'}; {'; '.join(self.faults)}"
        )


class Happenings:
    """Plays a round's event."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._acts: dict[str, Callable[[Round, random.Random], Awaitable[None]]] = {
            "cancel": self._cancel,
            "again": self._again,
            "delete_channel": self._delete_channel,
            "delete_status": self._delete_status,
            "withdraw_send": self._withdraw,
            "withdraw_view": self._withdraw,
            "close_all": self._close_all,
            "gateway_drop": self._gateway,
            "gateway_lost": self._gateway,
            "remove_bot": self._remove_bot,
            "expire_tokens": self._expire_tokens,
            "outage": self._outage,
            "approvals": self._decide,
            "pause": self._pause,
        }

    async def happen(self, this: Round, chance: random.Random) -> None:
        act = self._acts.get(this.happening)
        if act is not None:
            await act(this, chance)

    async def throw_bombs(self, this: Round, chance: random.Random) -> None:
        """Send long prompts with a forbidden word on the server whose AutoMod rules are slow."""
        servers, discord = self._environment.servers, self._environment.discord
        channel = discord.add_text(servers.hostile, f"bombs-{this.number}")
        this.places.append(channel)
        texts = list(long_texts(_BOMB_LETTERS - len(FORBIDDEN) - 1))
        for text in chance.sample(texts, chance.choice((1, 2, 3))):
            await discord.slash(servers.mallory, channel, "generate", {"prompt": f"{text} {FORBIDDEN}"})

    async def _cancel(self, this: Round, chance: random.Random) -> None:
        for asked in this.asked:
            message = asked.original
            if message is not None and not message.deleted_at and chance.random() < 0.7:
                await self._click(asked, message, "Cancel")

    async def _again(self, this: Round, _: random.Random) -> None:
        for message in self._environment.discord.messages(this.channel):
            if any(item.endswith((":again", ":repeat")) for item in message.custom_ids):
                asked = next((each for each in this.asked if str(each.user.id) in message.text), None)
                if asked is not None:
                    await self._click(asked, message, "gain")
                return

    async def _click(self, asked: Interaction, message: Message, label: str) -> None:
        with suppress(CannotSend):
            await self._environment.discord.click(asked.user, message, label)

    async def _outage(self, this: Round, chance: random.Random) -> None:
        outage = draw_outage(chance)
        this.faults.append(str(outage))
        await endure(self._environment, outage, chance)

    async def _decide(self, this: Round, chance: random.Random) -> None:
        """Let Mona decide about some of the round's review cards."""
        for card in await self._cards(this):
            if chance.random() < 0.7:
                await self._environment.servers.decide(card, chance.choice(("Approve", "Approve", "Reject")))

    async def _pause(self, this: Round, chance: random.Random) -> None:
        """Let Mona approve some requests before a pause, and others during it, which must wait."""
        servers, calls = self._environment.servers, self._environment.comfydeploy.call_log
        cards = await self._cards(this)
        early = [card for card in cards if chance.random() < 0.3]
        for card in early:
            await servers.decide(card)
        if not await servers.pause():
            return
        late = [card for card in cards if card not in early]
        # Read the keys now, because a decided card has no buttons.
        waiting = [key for card in late for key in _keys(card)]
        for card in late:
            await servers.decide(card, chance.choice(("Approve", "Approve", "Approve", "Reject")))
        await asyncio.sleep(chance.uniform(0.3, 1.2))
        this.opened += [key for key in waiting if calls.calls_for(key)]

    async def _cards(self, this: Round) -> list[Message]:
        """Wait for a card for each of the round's answered requests, and return the open ones."""
        mine = {key for asked in this.asked if asked.original for key in _keys(asked.original)}

        def found() -> list[Message]:
            return [card for card in self._environment.servers.open_cards() if mine & set(_keys(card))]

        with suppress(TimeoutError):
            await self._environment.discord.wait_until(lambda: len(found()) >= len(mine), _CARDS_WITHIN)
        return found()

    async def _delete_channel(self, this: Round, _: random.Random) -> None:
        this.removed += list(this.channel.messages.values())
        self._environment.discord.delete_channel(this.channel)

    async def _delete_status(self, this: Round, _: random.Random) -> None:
        for asked in this.asked:
            message = asked.original
            if message is not None and not message.ephemeral and not message.deleted_at:
                this.removed.append(message)
                self._environment.discord.delete_message(message)

    async def _withdraw(self, this: Round, _: random.Random) -> None:
        permission = "send_messages" if this.happening == "withdraw_send" else "view_channel"
        self._environment.discord.withdraw(this.channel, permission)

    async def _close_all(self, this: Round, _: random.Random) -> None:
        """Close the channel and direct messages, and expire the tokens, so that results stay undelivered."""
        self._environment.discord.withdraw(this.channel, "send_messages", "view_channel")
        for asked in this.asked:
            asked.user.accepts_dms = False
        await self._expire_tokens(this, _)

    async def _gateway(self, this: Round, _: random.Random) -> None:
        self._environment.discord.gateway.drop(resumable=this.happening == "gateway_drop")

    async def _remove_bot(self, this: Round, _: random.Random) -> None:
        if this.channel.guild is not None:
            self._environment.discord.remove_bot(this.channel.guild)

    async def _expire_tokens(self, this: Round, _: random.Random) -> None:
        for asked in this.asked:
            asked.created_at -= 900


def _keys(message: Message) -> list[str]:
    """Return the run keys in a message's buttons."""
    return sorted({item.split(":")[1] for item in message.custom_ids if item.startswith(("run:", "pick:"))})
