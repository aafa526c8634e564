"""Record what people did and which faults struck in a round, and let people act.

The story has only facts; the modules of `promises` judge them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.fakediscord.actions import CannotSend
from tests.fakediscord.interactions import Answer, Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Channel, Message, text_of
from tests.simulation.engine.patches import TIME
from tests.simulation.world import World

ANSWER_WITHIN = 4.0
_KEY = re.compile(r"[a-z2-7]{16}")
# The custom_ids of buttons about a run, which contain its key.
_RUN = re.compile(r"run:([a-z2-7]{16}):")
_ABOUT_RUN = re.compile(r"(?:run|draft|pick|delete):([a-z2-7]{16}):")
# Where the custom_ids of some kinds of buttons name the action.
_ACTIONS = {"run": 2, "runs": 3}


@dataclass(eq=False, slots=True)
class Ask:
    """A request that somebody sent, accepted or not.

    `mark` is a word in its prompt that identifies it; a repeated request has the same mark. A follow-up has
    no prompt, so nothing shows its mark. `how` says what made the request, such as `generate` or `again`.
    `parent` is the number of the request that this one repeats or continues.
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
    how: str = "generate"
    parent: int | None = None


@dataclass(eq=False, slots=True)
class Press:
    """A press of a component, or a submitted form, which has `values` by custom_id.

    `moderates` tells whether the person was a moderator there at that moment.
    """

    who: str
    label: str
    message: Message
    interaction: Interaction
    at: float
    forged: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    moderates: bool = False

    @property
    def custom_id(self) -> str:
        return str(self.interaction.data.get("custom_id", ""))

    @property
    def key(self) -> str:
        """The run key in the custom_id, or an empty text."""
        return next((part for part in self.custom_id.split(":") if _KEY.fullmatch(part)), "")

    @property
    def action(self) -> str:
        """What was pressed, such as `cancel`, below a request or in a list."""
        parts = self.custom_id.split(":")
        return parts[: _ACTIONS.get(parts[0], 0) + 1][-1]

    @property
    def meant(self) -> Message:
        """The message that the press is about: the one whose More or number opened the pressed message."""
        message = self.message
        while (
            message.ephemeral and message.interaction is not None and message.interaction.source is not None
        ):
            message = message.interaction.source
        return message

    @property
    def reply(self) -> str:
        """The first text of the answer, or an empty text without one."""
        sent = self.interaction
        if sent.answer_type in (Answer.MESSAGE, Answer.DEFERRED):
            return first_text(sent)
        edited = sent.original
        if sent.answer_type is Answer.DEFERRED_UPDATE and edited is not None and edited.ephemeral:
            return edited.text
        return "\n".join(message.text for message in sent.followups)

    @property
    def answered(self) -> float:
        return float("inf") if self.interaction.answered_at is None else self.interaction.answered_at


@dataclass
class Story:
    """Everything that happened in a round so far, and methods by which people act."""

    world: World
    asks: list[Ask] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)
    commands: list[tuple[str, str]] = field(default_factory=list)
    """Who sent which commands."""
    removed: list[Message] = field(default_factory=list)
    """Messages that were deleted by somebody other than the bot."""
    struck: list[tuple[float, str]] = field(default_factory=list)
    """Times and descriptions of the faults and other trouble so far."""
    reviewers: dict[str, str] = field(default_factory=lambda: {"rita": "reviewed"})
    """People with a reviewer role, and the server that has it."""
    flagged: list[tuple[float, str]] = field(default_factory=lambda: [(0.0, "hold")])
    """What happens to flagged results on Studio, from a time on; an empty text if that isn't certain."""
    lists: dict[str, list[str]] = field(default_factory=dict)
    """The texts of /runs at the end, by person."""
    surprises: list[str] = field(default_factory=list)
    """Promises that actions saw broken, which only they can recognize."""

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

    def sets(self, *boxes: str) -> bool:
        """Return whether anybody has sent a form with a box whose custom_id begins with one of these."""
        return any(box.startswith(boxes) for press in self.presses for box in press.values)

    def skip(self, why: str) -> None:
        """Log why a step did nothing."""
        self.world.note("skip", why)

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
        """Send a command. Returns None if the person can't see the channel or Discord's client refuses."""
        channel = self.world.channel(where)
        if channel.deleted or not self.sees(who, channel):
            self.skip(f"{who} has no #{where}")
            return None
        sending = self.discord.slash(self.world.person(who), channel, name, options, **more)
        sent = await self._sent(who, f"/{name} {_shown(options)} in {where}", sending)
        if sent is not None:
            self.commands.append((who, name))
        return sent

    async def use_on(self, who: str, message: Message, name: str) -> Interaction | None:
        """Use a message command; None if Discord's client doesn't offer it."""
        sending = self.discord.use_on(self.world.person(who), message, name)
        return await self._sent(who, f"uses {name!r} on {message.text[:60]!r}", sending)

    async def press(self, who: str, message: Message, label: str, *values: str) -> Interaction | None:
        """Press a component by its label or custom_id; None if the person can't see or use it."""
        if not self.sees(who, message.channel):
            return None
        what = f"presses {label!r} {' '.join(values)} under {message.text[:60]!r}"
        sending = self.discord.click(self.world.person(who), message, label, *values)
        return await self._press(who, label, message, what, sending)

    async def forge(
        self, who: str, message: Message, custom_id: str, *values: str, kind: int = 2
    ) -> Interaction | None:
        """Press a component that the message doesn't have, or that the person can't see."""
        what = f"forges a press of {custom_id!r} under {message.text[:60]!r}"
        sending = self.discord.forge_press(self.world.person(who), message, custom_id, *values, kind=kind)
        return await self._press(who, custom_id, message, what, sending, forged=True)

    async def forge_form(
        self, who: str, message: Message, custom_id: str, values: Mapping[str, str]
    ) -> Interaction | None:
        """Submit a form that was never opened."""
        what = f"forges the form {custom_id!r} with {dict(values)}"
        sending = self.discord.forge_form(self.world.person(who), message, custom_id, values)
        return await self._press(who, custom_id, message, what, sending, forged=True, values=values)

    async def submit(self, opened: Interaction | None, values: Mapping[str, Any]) -> Interaction | None:
        """Submit the form that an interaction opened; None if there is none or it refuses the values."""
        if opened is None or opened.modal is None:
            return None
        who, title = self.world.name_of(opened.user), opened.modal.get("title", "")
        what, sending = f"sends the form {title!r} with {_shown(values)}", self.discord.submit(opened, values)
        if opened.source is None:
            return await self._sent(who, what, sending)
        return await self._press(who, title, opened.source, what, sending, values=values)

    async def _press(
        self,
        who: str,
        label: str,
        message: Message,
        what: str,
        sending: Awaitable[Interaction],
        **facts: Any,
    ) -> Interaction | None:
        """Await a press, and record it with the rights that the person had before."""
        facts["moderates"] = self.moderates(who, message.channel)
        sent = await self._sent(who, what, sending)
        if sent is not None:
            self.presses.append(Press(who, label, message, sent, TIME.monotonic, **facts))
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

    def visible(self, who: str) -> list[Message]:
        """Return the messages that a person can see now, oldest first."""
        return self.discord.visible(self.world.person(who))

    def sees(self, who: str, channel: Channel) -> bool:
        """Return whether a person can see a channel now."""
        return self.discord.sees(self.world.person(who), channel)

    def moderates(self, who: str, channel: Channel) -> bool:
        """Return whether a person is a moderator or reviewer in a channel now."""
        if channel.guild is None:
            return False
        held = self.world.discord.world.member_permissions(channel, self.world.person(who))
        is_reviewer = self.world.cast.guilds.get(self.reviewers.get(who, "")) is channel.guild
        return is_reviewer or bool(held & (1 << 5 | 1 << 13))

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
        found = _RUN.search(str([*shown.history, shown.body]))
        return found[1] if found else None


def keys_in(message: Message) -> set[str]:
    """Return the run keys in a message's buttons."""
    ids = (str(component.get("custom_id") or "") for component in message.components)
    return {match[1] for match in map(_ABOUT_RUN.match, ids) if match}


def first_text(interaction: Interaction) -> str:
    """Return the first text that an interaction's answer showed."""
    shown = interaction.original
    if shown is None:
        return ""
    bodies = [*shown.history, shown.body]
    return text_of(next((body for body in bodies if body.get("components") or body.get("content")), {}))


def _shown(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: getattr(value, "filename", getattr(value, "name", value)) for name, value in options.items()
    }
