"""Helpers for actions: send a request, wait for its run or messages, press its buttons and fill in forms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.engine.patches import TIME
from tests.simulation.evidence import is_status
from tests.simulation.people.requests import derived, new_mark, send
from tests.simulation.steps import Skip
from tests.simulation.story import Ask, Story

MORE = "⋯ More"
# Buttons that a result shows only after More, in an ephemeral message.
_BEHIND_MORE = {"Details", "Use as input", "Report", "Share", "Save preset", "Delete", "Again ×"}
# Buttons of a batch that appear only once a picture's number is pressed.
_BEHIND_NUMBERS = {"Again", "Upscale", "Use as input", "Details", "Post", "Share", "Save preset", "Delete"}
# Those that appear after a press of More, too.
_BEHIND_BOTH = {"Details", "Delete"}
# The prefix of each report's note.
_NOTE = "reportnote"
_REASONS = ("rules", "harassment", "sexual", "other")


async def request(story: Story, who: str, where: str, deployment: str = "picture", **options: Any) -> Ask:
    """Send /generate with a unique prompt, and wait for the answer."""
    asked = await send(story, who, where, deployment, **options)
    await story.answer(asked.interaction)
    return asked


async def open_list(
    story: Story, who: str, where: str, name: str, options: Mapping[str, Any] = {}
) -> Message:
    """Use a command, and return the message that only its user sees. Raises Skip if there is none."""
    sent = await story.answer(await story.slash(who, where, name, options))
    if sent is None or sent.original is None:
        raise Skip(f"/{name} wasn't answered")
    return sent.original


# Waiting.


def runs_of(story: Story, ask: Ask) -> list[Run]:
    """Return the runs at ComfyDeploy whose prompt has the request's mark."""
    runs = story.world.comfydeploy.runs
    return [run for run in runs if ask.mark in str(run.inputs.get("prompt", "")).split()]


async def started(story: Story, ask: Ask, *, status: str = "") -> Run:
    """Wait until ComfyDeploy has a run of a request, in a certain status if one is given.

    Raises Skip if there is none in time.
    """

    def found() -> list[Run]:
        return [run for run in runs_of(story, ask) if status in ("", run.status)]

    if not await story.world.until(found, 10):
        raise Skip("no run started")
    return found()[0]


async def held_run(
    story: Story, who: str, where: str, *deployment: str, faults: Mapping[str, Any] = {}, **options: Any
) -> tuple[Ask, Run]:
    """Send a request whose run stays `running` until it is released. Raises Skip if none starts."""
    story.world.next_faults({"hold_at": "running", **faults})
    asked = await request(story, who, where, *deployment, **options)
    return asked, await started(story, asked, status="running")


def release_all(story: Story) -> None:
    """Let all held runs go on."""
    for run in story.world.comfydeploy.runs:
        if run.released.is_waited_for:
            story.world.comfydeploy.release(run.id)


async def result(story: Story, who: str, where: str, *deployment: str, **options: Any) -> tuple[Ask, Message]:
    """Send a request, and wait for a message with its files. Raises Skip if there is none."""
    asked = await request(story, who, where, *deployment, **options)
    return asked, await outcome(story, asked)


async def outcome(story: Story, ask: Ask, within: float = 15, *, files: bool = True) -> Message:
    """Wait until the requester sees a public outcome, by default one with files.

    Raises Skip if there is none in time.
    """

    def found() -> list[Message]:
        shown = [m for m in reversed(story.of_ask(ask)) if not is_status(m) and not m.ephemeral]
        return [m for m in shown if m.attachments or not files]

    # Reading all messages is slow.
    if not await story.world.until(found, within, every=0.1):
        raise Skip("no outcome appeared")
    return found()[0]


# Pressing.


def labels_of(message: Message) -> Iterator[str]:
    """Yield the labels of a message's enabled buttons."""
    for component in message.components:
        if component.get("custom_id") and component.get("label") and not component.get("disabled"):
            yield component["label"]


class Reached(NamedTuple):
    """A button that a person can press, and the request that it is about."""

    ask: Ask
    who: str
    message: Message
    label: str


async def reach(story: Story, number: int, who: str | None, wait: float, *labels: str) -> Reached:
    """Wait for a button with one of the labels, trying the requests from this number on.

    `who` is by default each request's requester, who presses More or a number to get to the button. A label
    that ends in × matches any number after it. Raises Skip if there is no such button in time.
    """
    deadline = TIME.monotonic + wait
    tried: set[int] = set()
    while True:
        for asked in story.since(number):
            person = who or asked.who
            found = await _find(story, asked, person, labels, tried)
            if found is not None:
                return Reached(asked, person, *found)
        if TIME.monotonic >= deadline:
            raise Skip(f"{who or 'the requester'} sees no {labels}")
        await asyncio.sleep(0.25)


Found = tuple[Message, str]
"""A message and the full label of its button."""


async def _find(story: Story, asked: Ask, who: str, labels: tuple[str, ...], tried: set[int]) -> Found | None:
    """Find a button. More and the numbers of messages in `tried` aren't pressed again."""
    messages = list(reversed(story.of_ask(asked, who)))
    for message in messages:
        found = _matching(message, labels)
        if found is not None:
            return message, found
    for message in messages:
        button = _leading_to(message, labels, len(story.presses))
        if button is not None and message.id not in tried:
            tried.add(message.id)
            behind = await _opened(story, who, message, button, *labels)
            if behind is not None:
                return behind
    return None


def _matching(message: Message, wanted: tuple[str, ...]) -> str | None:
    """Return the full label of a wanted button, or None if the message has none."""
    for each in wanted:
        for label in labels_of(message):
            if label == each or (each.endswith("×") and label.startswith(each)):
                return label
    return None


def _leading_to(message: Message, labels: tuple[str, ...], turn: int) -> str | None:
    """Return the number or More that may lead to one of the buttons; the turn decides between them."""
    offered = list(labels_of(message))
    numbers = [each for each in offered if each.isdigit()]
    by_turns = turn % 2 and MORE in offered and _BEHIND_BOTH.intersection(labels)
    if numbers and _BEHIND_NUMBERS.intersection(labels) and not by_turns:
        return numbers[turn % len(numbers)]
    return MORE if MORE in offered and _BEHIND_MORE.intersection(labels) else None


async def _opened(story: Story, who: str, message: Message, button: str, *labels: str) -> Found | None:
    answer = await story.answer(await story.press(who, message, button))
    if answer is None or answer.original is None or answer.original is message:
        return None
    found = _matching(answer.original, labels)
    return None if found is None else (answer.original, found)


async def press(
    story: Story, number: int, who: str | None, label: str, wait: float
) -> tuple[Reached, Interaction | None]:
    """Press a button as soon as `reach` finds it."""
    found = await reach(story, number, who, wait, label)
    return found, await story.press(found.who, found.message, found.label)


async def press_and_wait(
    story: Story, number: int, who: str | None, label: str, wait: float
) -> Interaction | None:
    """Press a button as `press` does, and return the interaction once it is answered."""
    return await story.answer((await press(story, number, who, label, wait))[1])


async def press_when_shown(story: Story, who: str, ask: Ask, label: str, within: float) -> bool:
    """Press a button as soon as a message about a request has it; return whether it was answered."""

    def found() -> list[Message]:
        return [m for m in reversed(story.of_ask(ask, who)) if label in labels_of(m)]

    await story.world.until(found, within)
    shown = found()
    return bool(shown) and await story.answer(await story.press(who, shown[0], label)) is not None


async def press_delete(story: Story, who: str, message: Message) -> Interaction | None:
    """Press Delete, if necessary after More, without waiting for the answer."""
    if "Delete" in labels_of(message):
        return await story.press(who, message, "Delete")
    opened = await _opened(story, who, message, MORE, "Delete")
    return None if opened is None else await story.press(who, *opened)


# Forms.


async def fill_in(story: Story, opened: Interaction | None, **given: Any) -> Interaction | None:
    """Submit the form that an interaction opened, with usual values of the boxes that aren't given."""
    if opened is None or opened.modal is None:
        return None
    form = str(opened.modal)
    values = {"reason": "not here", "duration": "hour", "name": "from more", "prompt": False, **given}
    if _has_box(form, "note"):
        number = sum(_NOTE in str(press.values) for press in story.presses)
        values |= {"reason": _REASONS[number % len(_REASONS)], "note": f"{_NOTE}{number}x"}
    values = {box: value for box, value in values.items() if _has_box(form, box)}
    return await story.answer(await story.submit(opened, values))


def _has_box(form: str, box: str) -> bool:
    return f"'custom_id': '{box}'" in form


async def send_draft(
    story: Story, parent: Ask, opened: Interaction | None, how: str, *, keep: bool = False, **facts: Any
) -> None:
    """Submit a request's form, with a new prompt unless `keep`, and record the request.

    Raises Skip if the form didn't open.
    """
    if opened is None or opened.modal is None:
        raise Skip(f"no form opened: {opened.text if opened else ''}")
    mark, takes_prompt = new_mark(story), _has_box(str(opened.modal), "prompt")
    values = {"prompt": f"another {mark}"} if takes_prompt and not keep else {}
    sent = await story.submit(opened, values)
    derived(story, parent, sent, how, **{"mark": mark if values else parent.mark} | facts)
