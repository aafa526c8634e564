"""What has happened in a round so far, as the people outside the bot know it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.fakediscord.actions import CannotSend
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel, Message, User
from tests.simulation.patches import TIME
from tests.simulation.world import World

ANSWER_WITHIN = 4.0


@dataclass(eq=False, slots=True)
class Ask:
    """A request that somebody sent. `mark` is the word in its prompt that no other request has."""

    number: int
    who: str
    where: str
    mark: str
    private: bool
    count: int
    deployment: str
    interaction: Interaction
    at: float
    source: Message | None = None


@dataclass(eq=False, slots=True)
class Press:
    """A press of a component, or a form that was sent."""

    who: str
    label: str
    message: Message
    interaction: Interaction
    at: float
    forged: bool = False


@dataclass
class Story:
    """A round under way. `excuses` name known gaps whose sequence of faults has happened."""

    world: World
    asks: list[Ask] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)
    commands: list[tuple[str, str, Interaction]] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    """Messages that somebody other than the bot deleted."""
    struck: list[tuple[float, str]] = field(default_factory=list)
    """The faults and other trouble that happened, and when."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    """What /runs told each person at the end."""
    secrets_checked: int = 0
    """How many lines of the log were searched for secrets."""

    def strike(self, what: str) -> None:
        """Remember that trouble began or happened."""
        self.struck.append((TIME.monotonic, what))
        self.world.note("trouble", what)

    async def slash(
        self, who: str, where: str, name: str, options: dict[str, Any], **more: Any
    ) -> Interaction | None:
        """Send a command, and return its interaction, or None if Discord's client refuses it."""
        channel = self.world.channel(where)
        if channel.deleted:
            return None
        try:
            sent = await self.world.discord.slash(self.world.person(who), channel, name, options, **more)
        except CannotSend as refusal:
            self.world.note(who, f"can't send /{name}: {refusal}")
            return None
        self.world.note(who, f"/{name} {options} in {where}")
        self.commands.append((who, name, sent))
        return sent

    async def press(self, who: str, message: Message, label: str, *values: str) -> Interaction | None:
        """Press a component, and return the interaction, or None if the client doesn't offer that."""
        try:
            sent = await self.world.discord.click(self.world.person(who), message, label, *values)
        except CannotSend:
            return None
        self.world.note(who, f"presses {label!r} under {message.text[:60]!r}")
        self.presses.append(Press(who, label, message, sent, TIME.monotonic))
        return sent

    async def answer(self, sent: Interaction | None, within: float = ANSWER_WITHIN) -> Interaction | None:
        """Wait for the answer to an interaction; None if it didn't come."""
        if sent is None:
            return None
        with suppress(TimeoutError):
            return await sent.wait_answer(within)
        return None

    # What can be seen.

    def places(self) -> Iterator[Channel]:
        yield from self.world.discord.world.channels.values()

    def visible(self, who: str) -> list[Message]:
        """Return the messages that a person can see now, oldest first."""
        person = self.world.person(who)
        found = []
        for channel in self.places():
            if self._may_see(person, channel):
                found += self.world.discord.messages(channel, person)
        return sorted(found, key=lambda message: message.id)

    def _may_see(self, person: User, channel: Channel) -> bool:
        if channel.guild is None:
            return channel.recipient is person
        return bool(self.world.discord.world.member_permissions(channel, person) & 1 << 10)

    def of_ask(self, ask: Ask, who: str | None = None) -> list[Message]:
        """Return the messages about a request that a person, by default its author, can see now."""
        return [message for message in self.visible(who or ask.who) if ask.mark in message.text]
