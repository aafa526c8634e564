"""Assign the messages, queue calls and runs of a round to its requests, as outsiders can.

The fake services and the people are the only sources. Two things connect a message to a request: the run key,
which the bot puts into custom_ids, file names, nonces and webhook URLs, and the mark, a word in the prompt
that no other request has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from demo.fake_comfydeploy.call_log import QueueCall
from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.components import walk
from tests.fakediscord.errors import Json
from tests.fakediscord.world import Message
from tests.simulation.story import Ask, Story

# How the buttons beside the lines of /runs and /audit begin. A list is about nobody's request alone.
_IN_LISTS = ("runs:", "auditopen:")
_KEY = re.compile(r"(?<![a-z0-9])[a-z2-7]{16}(?![a-z0-9])")
CARD_CHANNELS = ("cards", "reports")
# The nonce of a post or share.
_COPY = re.compile(r"[a-z2-7]{16}-[sg]")


def bodies(message: Message) -> Iterator[Json]:
    """Yield all versions of a message's JSON, oldest first."""
    yield from message.history
    yield message.body


def text_of(body: Json) -> str:
    parts = [body.get("content") or ""]
    parts += [str(c.get("content") or c.get("label") or "") for c in walk(body.get("components") or [])]
    return "\n".join(part for part in parts if part)


def custom_ids_in(body: object) -> Iterator[str]:
    """Yield all custom_ids in a message's JSON."""
    if isinstance(body, dict):
        if isinstance(body.get("custom_id"), str):
            yield body["custom_id"]
        for value in body.values():
            yield from custom_ids_in(value)
    elif isinstance(body, list):
        for value in body:
            yield from custom_ids_in(value)


def has_offered(message: Message, *endings: str) -> bool:
    """Return whether any version of a message has a custom_id with one of these endings."""
    return any(item.endswith(endings) for body in bodies(message) for item in custom_ids_in(body))


def whole_text(message: Message) -> str:
    """Return every text that a message has ever shown, and its file names."""
    names = [file.filename for file in message.attachments]
    return "\n".join([*map(text_of, bodies(message)), *names])


def keys_of(message: Message) -> set[str]:
    """Return the keys in a message's own buttons, of all times, in its file names and in its nonce."""
    found: set[str] = set(_KEY.findall(message.nonce or ""))
    for body in bodies(message):
        for component in walk(body.get("components") or []):
            custom_id = str(component.get("custom_id") or "")
            found.update(_KEY.findall(custom_id) if not custom_id.startswith(_IN_LISTS) else ())
    return found | file_keys_of(message)


def file_keys_of(message: Message) -> set[str]:
    """Return the run keys in a message's file names."""
    return {key for file in message.attachments for key in _KEY.findall(file.filename)}


def is_status(message: Message) -> bool:
    """Return whether a message shows an unfinished request: it offers Cancel, or is a deferred answer."""
    return message.loading or any(item.endswith(":cancel") for item in message.custom_ids)


@dataclass(eq=False)
class Request:
    """A request with its messages, queue calls and runs. `key` is the run key of its first run."""

    key: str
    keys: set[str] = field(default_factory=set)
    ask: Ask | None = None
    messages: list[Message] = field(default_factory=list)
    calls: list[QueueCall] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def __str__(self) -> str:
        return f"request {self.ask.number if self.ask else '?'} ({self.key})"


class Evidence:
    """The requests of a round so far, each with its messages, queue calls and runs."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.messages: list[Message] = list(story.world.discord.request_log.messages)
        self._cards = {story.world.channel(name).id for name in CARD_CHANNELS}
        self._answers = self._all_answers()
        self.requests = self._requests()

    def _all_answers(self) -> dict[int, Ask]:
        """Return each message that answers a command or press, by its id, with the request."""
        found: dict[int, Ask] = {}
        for ask in self.story.asks:
            own = [ask.interaction.original, *ask.interaction.followups]
            found |= {message.id: ask for message in own if message is not None}
        return found

    def is_card(self, message: Message) -> bool:
        """Return whether a message is, or was, a card for moderators, or has more of its files."""
        names = [file.filename for file in message.attachments]
        follows = bool(names) and all(name.startswith("report-") for name in names)
        decides = has_offered(message, ":approve", ":dismiss", ":veil")
        return message.channel.id in self._cards and (follows or decides)

    def is_about_pictures(self, message: Message) -> bool:
        """Return whether a message is, or was, the card about outputs that wait for a moderator."""
        return self.is_card(message) and has_offered(message, ":veil")

    def is_copy(self, message: Message) -> bool:
        """Return whether a message is a share, or a single result of a batch or private request."""
        if _COPY.match(message.nonce or ""):
            return True
        return any(
            message.created >= press.at and keys_of(message) and keys_of(message) <= keys_of(press.message)
            for press in self.story.presses
            if press.label == "Post" and press.message.ephemeral
        )

    def is_about_a_request(self, message: Message) -> bool:
        """Return whether a message can be a status message or an outcome."""
        if self.is_card(message) or self.is_copy(message):
            return False
        ask = self._answers.get(message.id)
        # If no edit of a private status message arrives, a result is the first that the answer shows.
        is_result = ask is not None and ask.interaction.original is message and bool(file_keys_of(message))
        return not message.ephemeral or has_offered(message, ":cancel") or is_result

    def _requests(self) -> list[Request]:
        groups = _Groups()
        for message in self.messages:
            about = self.is_about_a_request(message)
            # A list has buttons for many requests, so buttons don't show that runs belong together. Files
            # do: a private result may need several messages, with the files of different runs.
            groups.join(keys_of(message) if about else file_keys_of(message))
        calls = defaultdict(list)
        for call in self.story.world.comfydeploy.call_log.queue_calls:
            key = key_of(call)
            groups.join({key})
            calls[key].append(call)
        found: dict[str, Request] = {}
        for key, lead in groups.leads().items():
            request = found.setdefault(lead, Request(lead))
            request.keys.add(key)
            request.calls += calls[key]
        for message in self.messages:
            for lead in {groups.lead(key) for key in keys_of(message)} & found.keys():
                found[lead].messages.append(message)
        for request in found.values():
            self._complete(request)
        return _with_silent_runs(list(found.values()))

    def _complete(self, request: Request) -> None:
        """Find the runs of a request, and the command or press that made it."""
        runs = self.story.world.comfydeploy.runs
        ids = [run_id for call in request.calls for run_id in call.run_ids]
        request.runs = [run for run_id in ids if (run := runs.get(run_id)) is not None]
        for message in request.messages:
            if message.id in self._answers:
                request.ask = self._answers[message.id]
                return
        shown = "\n".join(whole_text(message) for message in request.messages)
        prompts = "\n".join(str(call.body.get("inputs", {}).get("prompt")) for call in request.calls)
        for ask in self.story.asks:
            if re.search(rf"\b{ask.mark}\b", f"{shown}\n{prompts}"):
                request.ask = ask
                return

    def outcomes(self, request: Request) -> list[Message]:
        """Return the existing messages that show how a request ended."""
        return [
            message
            for message in request.messages
            if message.deleted_at is None and not is_status(message) and self.is_about_a_request(message)
        ]

    def statuses(self, request: Request) -> list[Message]:
        """Return the existing messages that show a request as unfinished."""
        return [
            message
            for message in request.messages
            if message.deleted_at is None and is_status(message) and not self.is_card(message)
        ]

    def told_no(self, ask: Ask) -> str:
        """Return the text of the answer that refused a request, or an empty text."""
        original = ask.interaction.original
        if original is None or keys_of(original) or original.loading:
            return ""
        # The status of a held result has no button. It may be the first edit that reaches Discord.
        return "" if "Waiting for a moderator" in ask.interaction.text else ask.interaction.text


def _with_silent_runs(requests: list[Request]) -> list[Request]:
    """Give each batch the runs that no message names, such as those of a cancelled batch."""
    kept = [request for request in requests if request.messages]
    for silent in requests:
        if silent.messages:
            continue
        home = next((batch for batch in kept if _misses(batch, silent)), None)
        if home is None:
            kept.append(silent)
        else:
            home.keys |= silent.keys
            home.calls += silent.calls
            home.runs += silent.runs
    return kept


def _misses(batch: Request, silent: Request) -> bool:
    """Return whether a run without messages can belong to a batch that has fewer runs than it should."""
    if batch.ask is None or len(batch.keys) >= batch.ask.count:
        return False
    return any(_sent(call) == _sent(other) for call in batch.calls for other in silent.calls)


def _sent(call: QueueCall) -> tuple[Any, Any]:
    """Return what all queue calls of a batch have in common: the deployment and the prompt."""
    return call.body.get("deployment_id"), call.body.get("inputs", {}).get("prompt")


def key_of(call: QueueCall) -> str:
    """Return the run key in a queue call's webhook URL."""
    found: list[Any] = _KEY.findall(call.webhook or "")
    return str(found[0]) if found else ""


class _Groups:
    """Run keys grouped by request (a union-find): keys in one message belong to one request."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def lead(self, key: str) -> str:
        while self._parent.get(key, key) != key:
            key = self._parent[key]
        return key

    def join(self, keys: Iterable[str]) -> None:
        ordered = sorted(keys)
        for key in ordered:
            self._parent.setdefault(key, key)
        for key in ordered[1:]:
            first, other = sorted((self.lead(ordered[0]), self.lead(key)))
            self._parent[other] = first

    def leads(self) -> dict[str, str]:
        return {key: self.lead(key) for key in self._parent}
