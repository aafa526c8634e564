"""People press the buttons of messages about requests, and fill in the forms behind them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.patches import TIME
from tests.simulation.people import EVERYBODY, MEMBERS, derived, new_mark, picture_file
from tests.simulation.steps import action
from tests.simulation.story import Ask, Story

# Buttons that a result has only behind "More", which shows them to whoever presses it.
_BEHIND_MORE = ("Details", "Use as input", "Report", "Share", "Delete")
# Buttons that a result of several pictures has only behind a picture's number.
_BEHIND_NUMBERS = ("Again", "4 more", "Edit", "Upscale", "Use as input", "Details", "Post", "Share")


def draw_press(chance: random.Random) -> dict[str, Any]:
    """Draw a request, who presses (None: its requester), and how long they wait for the button."""
    return {
        "ask": chance.randrange(4),
        "who": chance.choice((*[None] * 9, *EVERYBODY)),
        "wait": chance.choice((0, 4, 12, 12, 12)),
    }


def draw_early_press(chance: random.Random) -> dict[str, Any]:
    return draw_press(chance) | {"wait": chance.choice((0, 0, 1))}


def labels_of(message: Message) -> Iterator[str]:
    """Return the labels that can be pressed."""
    for component in message.components:
        if component.get("custom_id") and component.get("label") and not component.get("disabled"):
            yield component["label"]


async def reach(story: Story, number: int, who: str | None, label: str, wait: float) -> Message | None:
    """Return a message about a request with this button, as soon as the person sees one.

    If the button is behind others, such as "More", the person presses them.
    """
    asked = story.nth(number)
    if asked is None:
        story.skip("there is no request")
        return None
    person, deadline = who or asked.who, TIME.monotonic + wait
    while True:
        messages = list(reversed(story.of_ask(asked, person)))
        for message in messages:
            if label in labels_of(message):
                return message
        for message in messages:
            found = await _behind(story, person, message, label)
            if found is not None:
                return found
        if TIME.monotonic >= deadline:
            story.skip(f"{person} sees no {label!r} about request {asked.number}")
            return None
        await asyncio.sleep(0.25)


async def _behind(story: Story, who: str, message: Message, label: str) -> Message | None:
    """Press More or a number to find a button."""
    offered = list(labels_of(message))
    if label in _BEHIND_MORE and "More" in offered:
        return await _opened(story, who, message, "More", label)
    if label in _BEHIND_NUMBERS and "1" in offered:
        number = offered[len(story.presses) % sum(each.isdigit() for each in offered)]
        if not number.isdigit():
            return None
        return await _opened(story, who, message, number, label)
    return None


async def _opened(story: Story, who: str, message: Message, button: str, label: str) -> Message | None:
    answer = await story.answer(await story.press(who, message, button))
    if answer is None or answer.original is None or answer.original is message:
        return None
    offered = list(labels_of(answer.original))
    if label in offered:
        return answer.original
    if button != "More" and "More" in offered and label in _BEHIND_MORE:
        return await _opened(story, who, answer.original, "More", label)
    return None


async def press(story: Story, ask: int, who: str | None, label: str, wait: float) -> Interaction | None:
    """Press a button of a message about a request; None if there is none."""
    message = await reach(story, ask, who, label, wait)
    if message is None:
        return None
    return await story.press(who or _asked(story, ask).who, message, label)


def _asked(story: Story, number: int) -> Ask:
    asked = story.nth(number)
    assert asked is not None
    return asked


def _plain(label: str, *, early: bool = False, weight: float = 1.0) -> None:
    """Register an action that presses a button and needs nothing else."""

    async def play(story: Story, ask: int, who: str | None, wait: float) -> None:
        await press(story, ask, who, label, wait)

    play.__name__ = label.lower().replace(" ", "_")
    action("press", draw_early_press if early else draw_press, weight=weight)(play)


_plain("Cancel", early=True, weight=3)
_plain("Details")
_plain("Delete", weight=1.5)
_plain("Report")
_plain("Post")
_plain("More", weight=0.5)


async def _start(
    story: Story, ask: int, who: str | None, label: str, wait: float, how: str, **facts: Any
) -> None:
    """Press a button that makes a request at once."""
    sent = await press(story, ask, who, label, wait)
    if sent is not None:
        parent = _asked(story, ask)
        derived(story, parent, sent, who or parent.who, how, **facts)


@action("press", draw_press, weight=2)
async def again(story: Story, ask: int, who: str | None, wait: float) -> None:
    await _start(story, ask, who, "Again", wait, "again")


@action("press", draw_press)
async def again_all(story: Story, ask: int, who: str | None, wait: float) -> None:
    """Repeat all pictures of a request for several."""
    asked = story.nth(ask)
    count = asked.count if asked is not None else 1
    await _start(story, ask, who, f"Again ×{count}", wait, "again", count=count)


@action("press", draw_press)
async def try_again(story: Story, ask: int, who: str | None, wait: float) -> None:
    await _start(story, ask, who, "Try again", wait, "again")


@action("press", draw_press)
async def four_more(story: Story, ask: int, who: str | None, wait: float) -> None:
    await _start(story, ask, who, "4 more", wait, "vary", count=4)


@action("press", draw_press, weight=2)
async def upscale(story: Story, ask: int, who: str | None, wait: float) -> None:
    """Continue with a picture by the follow-up that the operator set up."""
    await _start(story, ask, who, "Upscale", wait, "upscale", deployment="upscale", mark=new_mark(story))


def _draw_edit(chance: random.Random) -> dict[str, Any]:
    return draw_press(chance) | {"keep": chance.random() < 0.3, "twice": chance.random() < 0.2}


@action("press", _draw_edit, weight=2)
async def edit(story: Story, ask: int, who: str | None, wait: float, *, keep: bool, twice: bool) -> None:
    """Change the prompt in the form, or send it as it is; perhaps twice, with a second prompt."""
    opened = await story.answer(await press(story, ask, who, "Edit", wait))
    for _ in range(2 if twice else 1):
        await _send_edited(story, ask, who, opened, keep=keep)


async def _send_edited(
    story: Story, ask: int, who: str | None, opened: Interaction | None, *, keep: bool
) -> None:
    if opened is None or opened.modal is None:
        story.skip("no form opened")
        return
    parent, mark = _asked(story, ask), new_mark(story)
    has_prompt = "'prompt'" in str(opened.modal)
    values = {"prompt": f"another {mark}"} if has_prompt and not keep else {}
    sent = await story.submit(opened, values)
    if sent is not None:
        derived(story, parent, sent, who or parent.who, "edit", mark=mark if values else parent.mark)


@action("press", draw_press, weight=1.5)
async def use_as_input(story: Story, ask: int, who: str | None, wait: float) -> None:
    """Press Use as input, choose a deployment, and send the form."""
    answer = await story.answer(await press(story, ask, who, "Use as input", wait))
    await send_picture_form(story, answer, ask, who)


async def send_picture_form(
    story: Story, answer: Interaction | None, ask: int | None, who: str | None
) -> None:
    """Choose what to do with a picture, and send the form that opens."""
    if answer is None or answer.original is None or not answer.original.custom_ids:
        story.skip("no picture was offered")
        return
    choice = next(c for c in answer.original.components if c.get("custom_id") and not c.get("disabled"))
    values = [o["value"] for o in choice.get("options") or []][:1]
    person = story.world.name_of(answer.user)
    opened = await story.answer(await story.press(person, answer.original, choice["custom_id"], *values))
    if opened is None or opened.modal is None:
        story.skip("no form opened for the picture")
        return
    mark = new_mark(story)
    given = {"prompt": f"with {mark}"} if "'prompt'" in str(opened.modal) else {}
    sent = await story.submit(opened, given)
    if sent is None:
        return
    deployment = values[0] if values else "picture"
    if ask is not None:
        derived(story, _asked(story, ask), sent, who or person, "use", mark=mark, deployment=deployment)
    else:
        place = story.world.place_of(sent.channel)
        facts: dict[str, Any] = {"private": False, "count": 1, "deployment": deployment}
        story.asked(person, place, sent, mark=mark, how="use", source=sent.source, **facts)


@action("press", lambda chance: draw_press(chance) | {"prompt": chance.random() < 0.5})
async def share(story: Story, ask: int, who: str | None, wait: float, *, prompt: bool) -> None:
    """Share a result in the gallery channel, with or without its prompt."""
    opened = await story.answer(await press(story, ask, who, "Share", wait))
    if opened is not None and opened.modal is not None:
        box = str(opened.modal["components"][0]["component"]["custom_id"])
        await story.submit(opened, {box: prompt})


def _draw_menu(chance: random.Random) -> dict[str, Any]:
    return draw_press(chance) | {"name": chance.choice(("Use as input", "Upscale")), "own": chance.random() < 0.3}


@action("press", _draw_menu, weight=1.5)
async def message_menu(story: Story, ask: int, who: str | None, wait: float, name: str, *, own: bool) -> None:
    """Choose a command in the menu of a result, or of a message with a person's own picture."""
    parent = story.nth(ask)
    if parent is None:
        story.skip("there is no request")
        return
    person = who or parent.who
    message = _own_picture(story, person) if own else await _result(story, parent, person, wait)
    if message is None:
        story.skip(f"{person} sees no picture of request {parent.number}")
        return
    sent = await story.use_on(person, message, name)
    answer = await story.answer(sent)
    if name == "Use as input":
        await send_picture_form(story, answer, None if own else ask, who)
    elif sent is not None:
        derived(story, parent, sent, person, "menu", mark=new_mark(story), deployment="upscale", private=False)


def _own_picture(story: Story, person: str) -> Message | None:
    """Post a picture as a person does."""
    channel = story.world.channel("pictures")
    if channel.deleted or not story.sees(person, channel):
        return None
    message = story.world.discord.post(story.world.person(person), channel, "look at this")
    message.attachments.append(picture_file(story))
    return message


async def _result(story: Story, asked: Ask, person: str, wait: float) -> Message | None:
    deadline = TIME.monotonic + wait
    while True:
        for message in reversed(story.of_ask(asked, person)):
            if message.attachments and not message.ephemeral:
                return message
        if TIME.monotonic >= deadline:
            return None
        await asyncio.sleep(0.25)


_TWICE = ("Again", "4 more", "Upscale", "Share", "Post", "Delete", "Cancel", "Try again", "Report")


def _draw_together(chance: random.Random) -> dict[str, Any]:
    """Draw two people who press at the same instant; None stands for the requester."""
    people: tuple[str | None, ...] = (None, None, *MEMBERS, "mona")
    label = chance.choice(_TWICE)
    return {
        "ask": chance.randrange(4),
        "people": [None, chance.choice(people)],
        "label": label,
        "wait": chance.choice((0, 0, 1)) if label == "Cancel" else chance.choice((4, 12)),
    }


@action("press", _draw_together, weight=2)
async def together(story: Story, ask: int, people: list[str | None], label: str, wait: float) -> None:
    """Press the same button at the same instant, twice or as two people."""
    message = await reach(story, ask, people[0], label, wait)
    if message is None:
        return
    parent = _asked(story, ask)
    for person in people:
        who = person or parent.who
        sent = await story.press(who, message, label)
        if sent is None:
            story.skip(f"{who} can't press {label!r}")
        elif label in ("Again", "Try again"):
            derived(story, parent, sent, who, "again")
        elif label == "4 more":
            derived(story, parent, sent, who, "vary", count=4)
        elif label == "Upscale":
            derived(story, parent, sent, who, "upscale", deployment="upscale", mark=new_mark(story))
