"""Find and press buttons, also those that appear only after pressing More or a picture's number."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.engine.patches import TIME
from tests.simulation.story import Ask, Story

_MORE = "⋯ More"
# Buttons that a result shows only after More, in an ephemeral message.
_BEHIND_MORE = ("Details", "Use as input", "Report", "Share", "Save preset", "Delete", "Again ×")
# Buttons of a batch that appear only once a picture's number is pressed.
_BEHIND_NUMBERS = ("Again", "Upscale", "Use as input", "Details", "Post", "Share", "Save preset", "Delete")
# Those that appear after a press of More, too.
_BEHIND_BOTH = ("Details", "Delete")


def labels_of(message: Message) -> Iterator[str]:
    """Yield the labels of a message's enabled buttons."""
    for component in message.components:
        if component.get("custom_id") and component.get("label") and not component.get("disabled"):
            yield component["label"]


@dataclass(frozen=True, slots=True)
class Reached:
    """A button that a person can press, and the request that it is about."""

    ask: Ask
    who: str
    message: Message
    label: str


async def reach(story: Story, number: int, who: str | None, label: str, wait: float) -> Reached | None:
    """Wait for a button with this label, trying the requests from this number on; None if there is none.

    `who` is by default each request's requester, who presses More or a number to get to the button. A label
    that ends in × matches any number after it.
    """
    deadline = TIME.monotonic + wait
    tried: set[int] = set()
    while True:
        for asked in story.since(number):
            person = who or asked.who
            found = await _find(story, asked, person, label, tried)
            if found is not None:
                return Reached(asked, person, *found)
        if TIME.monotonic >= deadline:
            story.skip(f"{who or 'the requester'} sees no {label!r}")
            return None
        await asyncio.sleep(0.25)


async def _find(
    story: Story, asked: Ask, who: str, label: str, tried: set[int]
) -> tuple[Message, str] | None:
    """Return a message with the button, and its label. Don't press More or numbers of those in `tried`."""
    messages = list(reversed(story.of_ask(asked, who)))
    for message in messages:
        found = _label(message, label)
        if found is not None:
            return message, found
    for message in messages:
        if message.id not in tried:
            behind = await _behind(story, who, message, label, tried)
            if behind is not None:
                return behind
    return None


def _label(message: Message, wanted: str) -> str | None:
    """Return the full label of the wanted button, or None if the message doesn't have it."""
    for label in labels_of(message):
        if label == wanted or (wanted.endswith("×") and label.startswith(wanted)):
            return label
    return None


async def _behind(
    story: Story, who: str, message: Message, label: str, tried: set[int]
) -> tuple[Message, str] | None:
    """Press More or a number, and find the button in the ephemeral message."""
    offered = list(labels_of(message))
    numbers = [each for each in offered if each.isdigit()]
    by_turns = label in _BEHIND_BOTH and len(story.presses) % 2
    if label in _BEHIND_NUMBERS and numbers and not by_turns:
        tried.add(message.id)
        return await _opened(story, who, message, numbers[len(story.presses) % len(numbers)], label)
    if label in _BEHIND_MORE and _MORE in offered:
        tried.add(message.id)
        return await _opened(story, who, message, _MORE, label)
    return None


async def _opened(
    story: Story, who: str, message: Message, button: str, label: str
) -> tuple[Message, str] | None:
    answer = await story.answer(await story.press(who, message, button))
    if answer is None or answer.original is None or answer.original is message:
        return None
    found = _label(answer.original, label)
    return None if found is None else (answer.original, found)


async def press_delete(story: Story, who: str, message: Message) -> Interaction | None:
    """Press Delete, if necessary after More."""
    if "Delete" not in labels_of(message):
        opened = await _opened(story, who, message, _MORE, "Delete")
        if opened is None:
            story.skip(f"{who} isn't offered Delete")
            return None
        message = opened[0]
    return await story.press(who, message, "Delete")


async def press(
    story: Story, number: int, who: str | None, label: str, wait: float
) -> tuple[Reached, Interaction] | None:
    """Press a button as soon as `reach` finds it; None if there is none."""
    found = await reach(story, number, who, label, wait)
    if found is None:
        return None
    sent = await story.press(found.who, found.message, found.label)
    return None if sent is None else (found, sent)


async def press_button(
    story: Story, number: int, who: str | None, label: str, wait: float
) -> Interaction | None:
    """Press a button as `press` does, and return only the interaction."""
    pressed = await press(story, number, who, label, wait)
    return None if pressed is None else pressed[1]


async def open_form(
    story: Story, number: int, who: str | None, label: str, wait: float
) -> tuple[Reached, Interaction] | None:
    """Press a button that opens a form, and return the interaction with the form."""
    pressed = await press(story, number, who, label, wait)
    if pressed is None:
        return None
    found, sent = pressed
    answer = await story.answer(sent)
    if answer is None or answer.modal is None:
        story.skip(f"{found.who} got no form of {label!r}")
        return None
    return found, answer
