"""Assign the messages, queue calls and runs of a round to its requests, as outsiders can.

The fake services and the people are the only sources. Two things connect a message to a request: the run key,
which the bot puts into custom_ids, file names, nonces and webhook URLs, and the mark, a word in the prompt
that no other request has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from simcord.components import walk_components as walk

from demo.fake_comfydeploy.call_log import QueueCall
from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.errors import Json
from tests.fakediscord.interactions import TOKEN_SECONDS
from tests.fakediscord.world import Attachment, Message, text_of
from tests.simulation.engine.patches import EPOCH
from tests.simulation.story import Ask, Press, Story

# How the buttons beside the lines of /runs and /audit begin. A list is about nobody's request alone.
_IN_LISTS = ("runs:", "auditopen:")
_KEY = re.compile(r"(?<![a-z0-9])[a-z2-7]{16}(?![a-z0-9])")
_NONCE = re.compile(r"([a-z2-7]{16})-([a-z])")
_UPTIME = 1_000.0
_CARD_CHANNELS = ("cards", "reports")
# Letters of the kinds of messages in the bot's nonces.
OUTCOMES = ("o", "l")
LATE, POST, SHARE, REPORT_CARD, PICTURES_CARD = "l", "s", "g", "p", "c"

# Messages.


def bodies(message: Message) -> Iterator[Json]:
    """Yield all versions of a message's JSON, oldest first."""
    yield from message.history
    yield message.body


def custom_ids_in(body: Json) -> Iterator[str]:
    """Yield all custom_ids in a message's JSON."""
    for component in walk(body.get("components") or []):
        if component.get("custom_id"):
            yield str(component["custom_id"])


def has_offered(message: Message, *endings: str) -> bool:
    """Return whether any version of a message has a custom_id with one of these endings."""
    return any(item.endswith(endings) for body in bodies(message) for item in custom_ids_in(body))


def whole_text(message: Message) -> str:
    """Return every text that a message has ever shown, its file names and what its text files contain."""
    files = [f"{file.filename} {file.description or ''} {_text_in(file)}" for file in message.attachments]
    return "\n".join([*map(text_of, bodies(message)), *files])


def _text_in(file: Attachment) -> str:
    is_text = file.filename.endswith((".txt", ".csv", ".jsonl", ".json", ".log"))
    return (file.data or b"").decode("utf-8", "ignore") if is_text else ""


def keys_of(message: Message) -> set[str]:
    """Return the keys in a message's own buttons, of all times, in its file names and in its nonce."""
    ids = [each for body in bodies(message) for each in custom_ids_in(body)]
    shown = [each for each in ids if not each.startswith(_IN_LISTS)]
    return set(_KEY.findall("\n".join([message.nonce or "", *shown]))) | file_keys_of(message)


def file_keys_of(message: Message) -> set[str]:
    """Return the run keys in a message's file names."""
    return {key for file in message.attachments for key in _KEY.findall(file.filename)}


def subject(message: Message) -> tuple[str, str]:
    """Return the run key and the letter of the kind in a message's nonce, or two empty strings."""
    found = _NONCE.match(message.nonce or "")
    return (found[1], found[2]) if found else ("", "")


def is_status(message: Message) -> bool:
    """Return whether a message shows an unfinished request: it offers Cancel, or is a deferred answer."""
    return message.loading or any(item.endswith(":cancel") for item in message.custom_ids)


def reader_of(message: Message) -> str:
    """Return the only reader of a message, or an empty text if several people may read it."""
    if message.ephemeral and message.interaction is not None:
        return message.interaction.user.name
    recipient = message.channel.recipient
    return recipient.name if recipient is not None else ""


def where(message: Message) -> str:
    place = message.channel.name or f"dm of {message.channel.recipient and message.channel.recipient.name}"
    return f"#{place} {message.id}{' (ephemeral)' if message.ephemeral else ''}"


# Calls and runs.


def key_of(call: QueueCall) -> str:
    """Return the run key in a queue call's webhook URL."""
    found = _KEY.search(call.webhook or "")
    return found[0] if found else ""


def monotonic(wall: float) -> float:
    """Convert a Unix time to the round's monotonic time."""
    return wall - EPOCH + _UPTIME


def ended(run: Run) -> float:
    """Return the monotonic time of a run's end, or infinity."""
    return float("inf") if run.ended_at is None else monotonic(run.ended_at.timestamp())


# Requests.


@dataclass(eq=False)
class Request:
    """A request with its messages, queue calls and runs, one of which has each of the keys."""

    keys: set[str]
    ask: Ask | None = None
    messages: list[Message] = field(default_factory=list)
    calls: list[QueueCall] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def __str__(self) -> str:
        return f"request {self.ask.number if self.ask else '?'} ({' '.join(sorted(self.keys))})"

    @cached_property
    def text(self) -> str:
        """Everything that its messages have ever shown."""
        return "\n".join(map(whole_text, self.messages))

    @property
    def prompts(self) -> set[str]:
        return {f"{call.body.get('inputs', {}).get('prompt')}" for call in self.calls}


class Evidence:
    """The requests of a round so far, each with its messages, queue calls and runs."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.world = story.world
        self.messages: list[Message] = list(story.discord.request_log.messages)
        self.calls = story.world.comfydeploy.call_log.queue_calls
        self.keys = {message.id: keys_of(message) for message in self.messages}
        self._cards = {story.world.channel(name).id for name in _CARD_CHANNELS}
        self._answers: dict[int, Ask] = {}
        for ask in story.asks:
            own = [ask.interaction.original, *ask.interaction.followups]
            self._answers |= {message.id: ask for message in own if message is not None}
        self.requests = self._requests()

    def is_card(self, message: Message) -> bool:
        """Return whether a message is, or was, a card for moderators, or has more of its files."""
        names = [file.filename for file in message.attachments]
        follows = bool(names) and all(name.startswith("report-") for name in names)
        decides = has_offered(message, ":approve", ":dismiss", ":veil")
        return message.channel.id in self._cards and (follows or decides)

    def is_copy(self, message: Message) -> bool:
        """Return whether a message is a share, or a single result of a batch or private request."""
        if subject(message)[1] in (POST, SHARE):
            return True
        keys = self.keys[message.id]
        return any(
            message.created >= press.at and keys and keys <= keys_of(press.message)
            for press in self.story.presses
            if press.label == "Post" and press.message.ephemeral
        )

    def is_about_a_request(self, message: Message) -> bool:
        """Return whether a message can be a status message or an outcome."""
        if self.is_card(message) or self.is_copy(message):
            return False
        ask = self._answers.get(message.id)
        # If no edit of a private status message arrives, a result is the first that the answer shows.
        is_answer = ask is not None and ask.interaction.original is message
        is_result = is_answer and (bool(file_keys_of(message)) or has_offered(message, ":more", ":all"))
        return not message.ephemeral or has_offered(message, ":cancel") or is_result

    def _requests(self) -> list[Request]:
        groups: list[set[str]] = []
        for message in self.messages:
            # A list has buttons for many requests, so buttons don't show that runs belong together. Files
            # do: a private result may need several messages, with the files of different runs.
            about = self.is_about_a_request(message)
            _join(groups, self.keys[message.id] if about else file_keys_of(message))
        for call in self.calls:
            _join(groups, {key_of(call)})
        found = [Request(keys) for keys in groups]
        for request in found:
            request.messages = [m for m in self.messages if self.keys[m.id] & request.keys]
        for request in found:
            self._complete(request)
        # Nothing names the later runs of a cancelled batch, so the batch that misses them gets them.
        for silent in [request for request in found if not request.messages]:
            named = (each for each in found if each.messages and each.ask and len(each.keys) < each.ask.count)
            alike = (each for each in named if each.ask is silent.ask or each.prompts & silent.prompts)
            home = next(alike, None)
            if home is not None:
                home.keys |= silent.keys
                self._complete(home)
                found.remove(silent)
        return found

    def _complete(self, request: Request) -> None:
        """Find the calls and runs of a request, and the command or press that made it."""
        request.calls = [call for call in self.calls if key_of(call) in request.keys]
        runs = (self.world.comfydeploy.runs.get(each) for call in request.calls for each in call.run_ids)
        request.runs = [run for run in runs if run is not None]
        answered = [self._answers[message.id] for message in request.messages if message.id in self._answers]
        words = set(re.findall(r"\w+", f"{request.text} {request.prompts}"))
        named = [ask for ask in self.story.asks if ask.mark in words]
        request.ask = next(iter([*answered, *named]), None)

    def outcomes(self, request: Request) -> list[Message]:
        """Return the existing messages that show how a request ended."""
        shown = [message for message in request.messages if message.deleted_at is None]
        return [m for m in shown if not is_status(m) and self.is_about_a_request(m)]

    def statuses(self, request: Request) -> list[Message]:
        """Return the existing messages that show a request as unfinished."""
        shown = [message for message in request.messages if message.deleted_at is None]
        return [m for m in shown if is_status(m) and not self.is_card(m)]

    def presses_about(self, request: Request) -> list[Press]:
        """Return the presses below a request's messages, and its requester's in lists."""
        who = request.ask.who if request.ask is not None else ""
        return [
            press
            for press in self.story.presses
            if keys_of(press.message) & request.keys or (press.who == who and press.key in request.keys)
        ]

    def is_reachable(self, message: Message) -> bool:
        """Return whether the bot can still edit a message, in its channel or by a valid token."""
        if message.interaction is not None:
            age = self.story.discord.world.clock.now() - message.interaction.created_at
            if age < TOKEN_SECONDS:
                return True
        if message.ephemeral or message.channel.deleted:
            return False
        return bool(self.story.discord.world.bot_permissions(message.channel) & 1 << 10)


def _join(groups: list[set[str]], keys: set[str]) -> None:
    """Add keys that belong together to the groups of keys, joining those that they connect."""
    for group in [group for group in groups if group & keys]:
        groups.remove(group)
        keys = keys | group
    if keys:
        groups.append(keys)
