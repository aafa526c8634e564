"""Record what people did and which faults struck in a round, and let people act.

The story has only facts; the modules of `promises` judge them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fakediscord.actions import CannotSend
from tests.fakediscord.interactions import Answer, Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Message
from tests.simulation.engine.patches import TIME
from tests.simulation.world import World

ANSWER_WITHIN = 4.0
# A status message has Cancel. If its request ended at once, it has only the buttons of an outcome.
_OWN_KEY = re.compile(r"run:([a-z0-9]{4,20}):cancel")
_ANY_KEY = re.compile(r"run:([a-z0-9]{4,20}):")
# The prefixes of custom_ids that contain a run key.
_KEY = re.compile(r"(?:run|draft|pick|delete|form|share):([a-z0-9]{4,20}):")


@dataclass(eq=False, slots=True)
class Ask:
    """A request that somebody sent, accepted or not.

    `mark` is a word in its prompt that identifies it; a repeated request has the same mark. A follow-up has
    no prompt, so nothing shows its mark. `how` says what made the request, such as `generate` or `again`, and
    `source` is the message with the button, if it was one. `parent` is the number of the request that this
    one repeats or continues.
    """

    number: int
    who: str
    where: str
    mark: str
    deployment: str
    interaction: Interaction
    at: float
    private: bool = False
    count: int = 1
    source: Message | None = None
    how: str = "generate"
    parent: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Press:
    """A press of a component, or a submitted form, which has `values` by custom_id.

    `asks` are the numbers of the requests that the message was about, and `rights` the person's rights at
    that moment (see `Story.rights`).
    """

    who: str
    label: str
    message: Message
    interaction: Interaction
    at: float
    forged: bool = False
    custom_id: str = ""
    values: Mapping[str, Any] | None = None
    chosen: tuple[str, ...] = ()
    asks: tuple[int, ...] = ()
    rights: frozenset[str] = frozenset()


class Command(NamedTuple):
    """A command that somebody sent."""

    who: str
    name: str
    interaction: Interaction
    where: str
    options: Mapping[str, Any]
    at: float
    rights: frozenset[str]


@dataclass
class Story:
    """Everything that happened in a round so far, and methods by which people act."""

    world: World
    asks: list[Ask] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    removed: list[Message] = field(default_factory=list)
    """Messages that were deleted by somebody other than the bot."""
    struck: list[tuple[float, str]] = field(default_factory=list)
    """Times and descriptions of the faults and other trouble so far."""
    reviewers: dict[str, str] = field(default_factory=lambda: {"rita": "reviewed"})
    """People with a reviewer role, and the server that has it."""
    forged_webhooks: list[tuple[str, int]] = field(default_factory=list)
    """For each forged webhook, how its secret was wrong, and the status of the answer."""
    away: list[tuple[str, float, float]] = field(default_factory=list)
    """The outages of services and the database: name, beginning and end."""
    flagged: list[tuple[float, str]] = field(default_factory=lambda: [(0.0, "hold")])
    """What happens to flagged results on Studio, from a time on; an empty text if that isn't certain."""
    thinking: list[int] = field(default_factory=list)
    """Numbers of requests whose answer still showed "thinking…" a while after Discord had recovered."""
    lists: dict[str, list[str]] = field(default_factory=dict)
    """The texts of /runs at the end, by person."""
    secrets_checked: int = 0
    """Number of log lines that were already searched for secrets."""
    metrics: str = ""
    """The page /metrics at the end."""
    gaps: list[str] = field(default_factory=list)
    """The names of the known gaps in which requests ended."""
    surprises: list[tuple[str, str]] = field(default_factory=list)
    """Promises that an action saw broken, each with what it was about."""

    @property
    def discord(self) -> FakeDiscord:
        return self.world.discord

    def strike(self, what: str) -> None:
        """Record and log a fault or another change that makes trouble."""
        self.struck.append((TIME.monotonic, what))
        self.world.note("trouble", what)

    def had(self, *words: str) -> bool:
        """Return whether the description of any fault so far has one of these words."""
        return any(word in what for _, what in self.struck for word in words)

    def skip(self, why: str) -> None:
        """Log why a step did nothing."""
        self.world.note("skip", why)

    def surprise(self, promise: str, about: str) -> None:
        """Record a broken promise that only the action itself can recognize."""
        self.surprises.append((promise, about))

    def nth(self, number: int) -> Ask | None:
        """Return the request with this number, modulo the number of requests; None if there are none."""
        return self.asks[number % len(self.asks)] if self.asks else None

    def since(self, number: int) -> list[Ask]:
        """Return all requests in order, rotated so that the one of `nth` is first."""
        first = self.nth(number)
        return [] if first is None else self.asks[first.number :] + self.asks[: first.number]

    # Sending.

    async def slash(
        self, who: str, where: str, name: str, options: Mapping[str, Any], **more: Any
    ) -> Interaction | None:
        """Send a command. Returns None if the person can't see the channel or Discord's client refuses.

        Where the bot isn't a member, the person uses their user install of it.
        """
        channel = self.world.channel(where)
        if channel.deleted or not self.sees(who, channel):
            self.skip(f"{who} has no #{where}")
            return None
        rights, more["user_install"] = self.rights(who, channel), _has_no_bot(channel)
        sending = self.discord.slash(self.world.person(who), channel, name, options, **more)
        sent = await self._sent(who, f"/{name} {_shown(options)} in {where}", sending)
        if sent is not None:
            self.commands.append(Command(who, name, sent, where, options, TIME.monotonic, rights))
        return sent

    async def use_on(self, who: str, message: Message, name: str) -> Interaction | None:
        """Use a message command; None if Discord's client doesn't offer it."""
        place, options = self.world.place_of(message.channel), {"message": message.id}
        rights, installed = self.rights(who, message.channel, message), _has_no_bot(message.channel)
        sending = self.discord.use_on(self.world.person(who), message, name, user_install=installed)
        sent = await self._sent(who, f"uses {name!r} on {message.text[:60]!r}", sending)
        if sent is not None:
            self.commands.append(Command(who, name, sent, place, options, TIME.monotonic, rights))
        return sent

    async def press(self, who: str, message: Message, label: str, *values: str) -> Interaction | None:
        """Press a component by its label or custom_id; None if the person can't see or use it."""
        if not self.sees(who, message.channel):
            return None
        rights = self.rights(who, message.channel, message)
        sending = self.discord.click(self.world.person(who), message, label, *values)
        sent = await self._sent(
            who, f"presses {label!r} {' '.join(values)} under {message.text[:60]!r}", sending
        )
        if sent is not None:
            self._add_press(who, label, message, sent, rights=rights, chosen=values)
        return sent

    async def forge(
        self, who: str, message: Message, custom_id: str, *values: str, kind: int = 2
    ) -> Interaction:
        """Press a component that the message doesn't have, or that the person can't see."""
        person, rights = self.world.person(who), self.rights(who, message.channel, message)
        sent = await self.discord.forge_press(person, message, custom_id, *values, kind=kind)
        self.world.note(who, f"forges a press of {custom_id!r} under {message.text[:60]!r}")
        self._add_press(who, custom_id, message, sent, rights=rights, forged=True, chosen=values)
        return sent

    async def forge_form(
        self, who: str, message: Message, custom_id: str, values: Mapping[str, str]
    ) -> Interaction:
        """Submit a form that was never opened."""
        person, rights = self.world.person(who), self.rights(who, message.channel, message)
        sent = await self.discord.forge_form(person, message, custom_id, values)
        self.world.note(who, f"forges the form {custom_id!r} with {dict(values)}")
        self._add_press(who, custom_id, message, sent, rights=rights, forged=True, values=values)
        return sent

    async def submit(self, opened: Interaction | None, values: Mapping[str, Any]) -> Interaction | None:
        """Submit the form that an interaction opened; None if there is none or it refuses the values."""
        if opened is None or opened.modal is None:
            return None
        who, title = self.world.name_of(opened.user), opened.modal.get("title", "")
        rights = self.rights(who, opened.channel, opened.source)
        sending = self.discord.submit(opened, values)
        sent = await self._sent(who, f"sends the form {title!r} with {_shown(values)}", sending)
        if sent is not None and opened.source is not None:
            self._add_press(who, title, opened.source, sent, rights=rights, values=values)
        return sent

    async def _sent(self, who: str, what: str, sending: Awaitable[Interaction]) -> Interaction | None:
        """Await an interaction and log it; None if Discord's client refuses it."""
        try:
            sent = await sending
        except CannotSend as refusal:
            self.skip(f"{who} can't: {what}: {refusal}")
            return None
        self.world.note(who, what)
        return sent

    def asked(self, who: str, where: str, interaction: Interaction, **facts: Any) -> Ask:
        """Add a request."""
        number = len(self.asks)
        asked = Ask(number, who, where, interaction=interaction, at=TIME.monotonic, **facts)
        self.asks.append(asked)
        return asked

    def _add_press(self, who: str, label: str, message: Message, sent: Interaction, **facts: Any) -> None:
        facts["custom_id"] = str(sent.data.get("custom_id", ""))
        facts["asks"] = tuple(ask.number for ask in self.asks_of(message))
        self.presses.append(Press(who, label, message, sent, TIME.monotonic, **facts))

    async def answer(self, sent: Interaction | None, within: float = ANSWER_WITHIN) -> Interaction | None:
        """Wait until an interaction shows more than "thinking…"; None if it got no answer at all."""
        if sent is None:
            return None
        with suppress(TimeoutError):
            await sent.wait_answer(within)
            await self.world.until(lambda: sent.shown, within)
            return sent
        return None

    # Seeing.

    def places(self) -> Iterator[Channel]:
        yield from self.world.discord.world.channels.values()

    def visible(self, who: str) -> list[Message]:
        """Return the messages that a person can see now, oldest first."""
        person = self.world.person(who)
        found = []
        for channel in self.places():
            if self.sees(who, channel):
                found += self.world.discord.messages(channel, person)
        return sorted(found, key=lambda message: message.id)

    def sees(self, who: str, channel: Channel) -> bool:
        """Return whether a person can see a channel now."""
        person = self.world.person(who)
        if channel.guild is None:
            return channel.recipient is person or person in channel.members
        return bool(self.world.discord.world.member_permissions(channel, person) & 1 << 10)

    def rights(self, who: str, channel: Channel, message: Message | None = None) -> frozenset[str]:
        """Return the rights that a person has in a channel now.

        Rights are `sees`, `manages_server`, `manages_messages`, `reviews` (has the reviewer role), `owner`
        (of the bot) and, for a message, `requester` (of a request that it is about).
        """
        found = {"sees"} if self.sees(who, channel) else set()
        if channel.guild is not None:
            held = self.world.discord.world.member_permissions(channel, self.world.person(who))
            found |= {"manages_server"} if held & 1 << 5 else set()
            found |= {"manages_messages"} if held & 1 << 13 else set()
            home = self.world.cast.guilds.get(self.reviewers.get(who, ""))
            found |= {"reviews"} if home is channel.guild else set()
        if who == "owner":
            found.add("owner")
        if message is not None and any(ask.who == who for ask in self.asks_of(message)):
            found.add("requester")
        return frozenset(found)

    def of_ask(self, ask: Ask, who: str | None = None) -> list[Message]:
        """Return the messages about a request that a person, by default the requester, can see now.

        A message without buttons that mentions several requests is about all of them.
        """
        return [message for message in self.visible(who or ask.who) if ask in self.asks_of(message)]

    def asks_of(self, message: Message) -> list[Ask]:
        """Return the requests whose keys are in a message's buttons, or else whose marks are in its text."""
        keys = self._batch(keys_in(message))
        named = [ask for ask in self.asks if self.key(ask) in keys]
        return named or [ask for ask in self.asks if ask.mark in message.text]

    def _batch(self, keys: set[str]) -> set[str]:
        """Return these run keys and those of other runs in the same batches."""
        for message in self.world.discord.request_log.messages if keys else ():
            others = keys_in(message)
            if len(others) > 1 and others & keys:
                keys = keys | others
        return keys

    @staticmethod
    def key(ask: Ask) -> str | None:
        """Return the run key in the buttons of a request's status message; None if it was refused."""
        shown = ask.interaction.original
        if shown is None or ask.interaction.answer_type in (Answer.UPDATE, Answer.DEFERRED_UPDATE):
            return None
        texts = [str(body) for body in (*shown.history, shown.body)]
        for pattern in (_OWN_KEY, _ANY_KEY):
            for match in filter(None, map(pattern.search, texts)):
                return match[1]
        return None


def keys_in(message: Message) -> set[str]:
    """Return the run keys in a message's buttons."""
    ids = (str(component.get("custom_id") or "") for component in message.components)
    return {match[1] for match in map(_KEY.match, ids) if match}


def first_text(interaction: Interaction) -> str:
    """Return the first text that an interaction's answer showed."""
    shown = interaction.original
    if shown is None:
        return ""
    bodies = [*shown.history, shown.body]
    first = next((body for body in bodies if body.get("components") or body.get("content")), {})
    return Message(shown.id, shown.channel, shown.author, first).text


def _has_no_bot(channel: Channel) -> bool:
    """Return whether only user installs of the bot work in a channel."""
    return not channel.guild.bot_present if channel.guild is not None else bool(channel.members)


def _shown(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: getattr(value, "filename", getattr(value, "name", value)) for name, value in options.items()
    }
