"""The record of a broken promise, and helpers about requests, presses and messages that checks share."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakediscord.world import Attachment, Message
from tests.simulation.evidence import Evidence, Request, keys_of
from tests.simulation.promises.facts import chosen
from tests.simulation.story import Ask, Press

_VIEW = 1 << 10
MODERATORS = ("mona", "mike", "rita", "owner")
# The words in /runs about an undelivered result.
_OFFERED = "couldn't be posted"


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that wasn't kept."""

    promise: str
    about: str | Request
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.about}: {self.detail}"


def was_removed(evidence: Evidence, request: Request) -> bool:
    """Return whether a person with the right to it deleted a message or result of a request."""
    if any(message in evidence.story.removed for message in request.messages):
        return True
    return any(
        press.label.startswith(("Delete", "Block"))
        and not press.custom_id.endswith(":hide")  # the requester is told
        and entitled(press)
        and is_about(press, request)
        for press in evidence.story.presses
    )


def entitled(press: Press) -> bool:
    """Return whether a person may cancel or delete the request that the pressed message is about."""
    return bool(press.rights & {"requester", "manages_messages", "manages_server", "reviews"})


def is_about(press: Press, request: Request) -> bool:
    """Return whether a press was about a request, even if its message has changed since."""
    number = request.ask.number if request.ask is not None else None
    return number in press.asks or bool(keys_of(press.message) & request.keys)


def offered(evidence: Evidence, request: Request) -> bool:
    if request.ask is None:
        return False
    return any(_OFFERED in text for text in evidence.story.lists.get(request.ask.who, ()))


def cancelled(evidence: Evidence, request: Request) -> bool:
    """Return whether a person with the right to it pressed Cancel."""
    pressed = any(
        press.custom_id.endswith(":cancel") and entitled(press) and is_about(press, request)
        for press in evidence.story.presses
    )
    return pressed or _cancelled_in_runs(evidence, request)


def _cancelled_in_runs(evidence: Evidence, request: Request) -> bool:
    """Return whether the requester cancelled a request in /runs."""
    return request.ask is not None and any(
        press.who == request.ask.who and chosen(press, "cancel") in request.keys
        for press in evidence.story.presses
    )


def erased(evidence: Evidence, request: Request) -> bool:
    return any(
        name == "privacy delete" and request.ask is not None and who == request.ask.who
        for who, name, *_ in evidence.story.commands
    )


def reachable(evidence: Evidence, message: Message) -> bool:
    """Return whether the bot can still edit a message, in its channel or by a valid token."""
    world = evidence.story.world
    if message.interaction is not None:
        age = world.discord.world.clock.now() - message.interaction.created_at
        if age < world.discord.interactions.token_lifetime:
            return True
    if message.ephemeral or message.channel.deleted:
        return False
    return bool(world.discord.world.bot_permissions(message.channel) & _VIEW)


def text_in(file: Attachment) -> str:
    """Return the text of a text file, or an empty text for any other file."""
    is_text = file.filename.endswith((".txt", ".csv", ".jsonl", ".json", ".log"))
    return (file.data or b"").decode("utf-8", "ignore") if is_text else ""


def where(message: Message) -> str:
    place = message.channel.name or f"dm of {message.channel.recipient and message.channel.recipient.name}"
    return f"#{place} {message.id}{' (ephemeral)' if message.ephemeral else ''}"


def reader_of(message: Message) -> str:
    """Return the only reader of a message, or an empty text if several people may read it."""
    if message.ephemeral and message.interaction is not None:
        return message.interaction.user.name
    recipient = message.channel.recipient
    return recipient.name if recipient is not None else ""


def seen_by_others(message: Message, ask: Ask) -> bool:
    """Return whether anybody but the requester could read a message. Moderators may read ephemeral ones."""
    readers = (ask.who, *(MODERATORS if message.ephemeral else ()))
    return reader_of(message) not in readers
