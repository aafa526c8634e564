"""Actions: people press buttons under requests' messages, and fill in the forms that they open."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.engine.patches import TIME
from tests.simulation.people import requests
from tests.simulation.people.asking import outcome
from tests.simulation.people.reach import Reached, labels_of, open_form, press, reach
from tests.simulation.people.requests import (
    EVERYBODY,
    MEMBERS,
    MODERATORS,
    derived,
    new_mark,
    picture_file,
    send_request,
)
from tests.simulation.steps import Skip, action
from tests.simulation.story import Ask, Story

# A request, the person who presses (None is its requester), and the seconds they wait for the button.
PRESS: dict[str, Any] = {"ask": range(4), "who": (*[None] * 12, *EVERYBODY), "wait": (0, 4, 12, 12, 12)}
# For buttons that mostly the requester may use.
_OWN: dict[str, Any] = {**PRESS, "who": (*[None] * 8, *MEMBERS)}
# For Cancel, which disappears when the request ends.
_EARLY: dict[str, Any] = {"ask": (0, 0, 0, 1, 1, 2), "who": (*[None] * 6, *MEMBERS), "wait": (0, 0, 1, 2)}


def _plain(label: str, choices: Mapping[str, Any] = PRESS, *, weight: float = 1.0) -> None:
    """Register an action that only presses a button."""

    async def play(story: Story, ask: int, who: str | None, wait: float) -> None:
        await press(story, ask, who, label, wait)

    play.__name__ = label.removeprefix("⋯ ").lower().replace(" ", "_")
    action("press", weight=weight, **choices)(play)


for _each in ("Details", "Delete"):
    _plain(_each)
_plain("Post", _OWN, weight=0.5)
_plain("Post it here", _OWN, weight=0.5)
_plain("⋯ More", weight=0.3)


@action("cancel", **_EARLY, weight=3)
async def cancel(story: Story, ask: int, who: str | None, wait: float) -> None:
    await press(story, ask, who, "Cancel", wait)


# Buttons that make a request without a form.


def _starts(name: str, label: str, how: str, *, weight: float = 1.0) -> None:
    """Register an action that presses a button which makes a request. A label that ends in × has a number."""

    async def play(story: Story, ask: int, who: str | None, wait: float) -> None:
        pressed = await press(story, ask, who, label, wait)
        if pressed is not None:
            _add_started(story, *pressed, pressed[0].who, how)

    play.__name__ = name
    action("press", weight=weight, **_OWN)(play)


_starts("again", "Again", "again", weight=2)
_starts("again_all", "Again ×", "again")
_starts("try_again", "Try again", "again")
_starts("four_more", "4 more", "vary")
_starts("upscale", "Upscale", "upscale", weight=2)


def _add_started(story: Story, found: Reached, sent: Interaction, who: str, how: str) -> None:
    """Record the request that a button made. The button's label tells the number of its runs."""
    label, facts = found.label, dict[str, Any]()
    if label == "Upscale":
        facts |= {"deployment": "upscale", "mark": new_mark(story)}
    elif label.endswith("more"):
        facts["count"] = 4
    elif "×" in label:
        facts["count"] = int(label.rpartition("×")[2])
    derived(story, found.ask, sent, who, how, **facts)


@action("press", who=MEMBERS, where=("pictures", "adult"), twice=0.3)
async def post_one(story: Story, who: str, where: str, *, twice: bool) -> None:
    """Request two pictures, and post one of them, perhaps with two presses at once."""
    made = await send_request(story, who, where, "picture", count=2)
    found = await reach(story, made.number, None, "Post", 12) if made else None
    for _ in range(2 if twice else 1):
        if found is not None:
            await story.press(found.who, found.message, "Post")


# Buttons with forms.


@action("press", **PRESS, keep=0.3, twice=0.2, weight=2)
async def edit(story: Story, ask: int, who: str | None, wait: float, *, keep: bool, twice: bool) -> None:
    """Submit the form of Edit, with or without a new prompt, perhaps twice."""
    opened = await open_form(story, ask, who, "Edit", wait)
    if opened is not None:
        for _ in range(2 if twice else 1):
            await send_edited(story, opened[0].ask, opened[1], keep=keep)


async def send_edited(story: Story, parent: Ask, opened: Interaction, *, keep: bool = False) -> None:
    """Submit the form of Edit, with a new prompt unless `keep`, and record the request."""
    mark = new_mark(story)
    values = {"prompt": f"another {mark}"} if "'prompt'" in str(opened.modal) and not keep else {}
    sent = await story.submit(opened, values)
    if sent is not None:
        who = story.world.name_of(opened.user)
        derived(story, parent, sent, who, "edit", mark=mark if values else parent.mark)


_TRY = "Edit and try again"


def _refused(story: Story, who: str) -> list[tuple[Ask, Message]]:
    """Return a person's refused requests that can be corrected, with their answers."""
    return [
        (ask, message)
        for ask in story.asks
        for message in (ask.interaction.original, *ask.interaction.followups)
        if ask.who == who and message is not None and _TRY in labels_of(message)
    ]


@action("press", who=MEMBERS, nth=range(3), weight=2)
async def edit_and_try_again(story: Story, who: str, nth: int) -> None:
    """Correct a refused request in the form that shows what was typed."""
    if not _refused(story, who):
        await requests.ask(story, who, "pictures", "picture", forbidden=True)
        await story.world.until(lambda: bool(_refused(story, who)), 4)
    refused = _refused(story, who)
    if not refused:
        raise Skip(f"{who} wasn't refused")
    ask, message = refused[-1 - nth % len(refused)]
    opened = await story.answer(await story.press(who, message, _TRY))
    if opened is None or opened.modal is None:
        raise Skip(f"no form opened: {opened.text if opened else ''}")
    mark = new_mark(story)
    sent = await story.submit(opened, {"prompt": f"better {mark}"} if "'prompt'" in str(opened.modal) else {})
    if sent is not None:
        derived(story, ask, sent, who, "corrected", mark=mark, count=ask.count)


@action("press", **PRESS, weight=1.5)
async def use_as_input(story: Story, ask: int, who: str | None, wait: float) -> None:
    """Press Use as input, choose a deployment, and submit the form."""
    pressed = await press(story, ask, who, "Use as input", wait)
    if pressed is not None:
        found, sent = pressed
        await send_picture_form(story, await story.answer(sent), found.ask)


async def _choose(story: Story, who: str, shown: Message) -> tuple[Interaction | None, list[str]]:
    """Use the first control of a message; return the answer and, for a select, the chosen value."""
    choice = next((c for c in shown.components if c.get("custom_id") and not c.get("disabled")), None)
    if choice is None:
        return None, []
    values = [option["value"] for option in choice.get("options") or []][:1]
    return await story.answer(await story.press(who, shown, choice["custom_id"], *values)), values


async def send_picture_form(story: Story, answer: Interaction | None, parent: Ask | None) -> None:
    """Choose a deployment for a picture, and submit its form. Raises Skip if nothing is offered."""
    shown = answer.original if answer is not None else None
    if answer is None or shown is None or not shown.custom_ids:
        raise Skip(f"no picture was offered: {answer.text if answer else ''}")
    who = story.world.name_of(answer.user)
    opened, values = await _choose(story, who, shown)
    if opened is not None and opened.modal is None and opened.original is not None:  # several pictures
        opened, values = await _choose(story, who, opened.original)
    if opened is None or opened.modal is None:
        raise Skip(f"no form opened for the picture: {opened.text if opened else ''}")
    mark = new_mark(story)
    given = {"prompt": f"with {mark}"} if "'prompt'" in str(opened.modal) else {}
    sent = await story.submit(opened, given)
    if sent is None:
        return
    # The value is the custom_id of a draft, such as `draft::picture:0::`.
    deployment = values[0].split(":")[2] if values else "picture"
    facts: dict[str, Any] = {"mark": mark, "deployment": deployment}
    if parent is not None:
        derived(story, parent, sent, who, "use", **facts)
    else:
        place = story.world.place_of(sent.channel)
        story.asked(who, place, sent, how="use", source=sent.source, private=False, count=1, **facts)


@action("press", **PRESS, weight=0.5)
async def save_from_more(story: Story, ask: int, who: str | None, wait: float) -> None:
    """Save the inputs of anybody's result as a preset."""
    opened = await open_form(story, ask, who, "Save preset", wait)
    if opened is not None:
        await story.answer(await story.submit(opened[1], {"name": "from more"}))


@action("press", **_OWN, prompt=0.5)
async def share(story: Story, ask: int, who: str | None, wait: float, *, prompt: bool) -> None:
    """Share a result in the gallery, with or without its prompt."""
    opened = await open_form(story, ask, who, "Share", wait)
    if opened is not None:
        await story.submit(opened[1], {"prompt": prompt})


@action("press", **PRESS, name=("Use as input", "Upscale"), own=0.3, weight=1.5)
async def message_menu(story: Story, ask: int, who: str | None, wait: float, name: str, *, own: bool) -> None:
    """Use a message command on a result, or on a message with a person's own picture."""
    found = await _result(story, ask, who, wait)
    if found is None:
        raise Skip(f"{who or 'the requester'} sees no picture")
    parent, person, message = found
    message = picture_message(story, person) or message if own else message
    sent = await story.use_on(person, message, name)
    answer = await story.answer(sent)
    if name == "Use as input":
        await send_picture_form(story, answer, None if own else parent)
    elif sent is not None and own:
        facts: dict[str, Any] = {"private": False, "count": 1, "deployment": "upscale"}
        story.asked(
            person, story.world.place_of(sent.channel), sent, mark=new_mark(story), how="menu", **facts
        )
    elif sent is not None:
        sent = await _choose_picture(story, person, answer) or sent
        derived(
            story, parent, sent, person, "menu", mark=new_mark(story), deployment="upscale", private=False
        )


async def _choose_picture(story: Story, who: str, answer: Interaction | None) -> Interaction | None:
    """Choose the first picture of a message with several; None if the answer doesn't ask for one."""
    shown = answer.original if answer is not None else None
    if shown is None or not shown.ephemeral or "1" not in labels_of(shown):
        return None
    return await story.press(who, shown, "1")


def picture_message(story: Story, person: str) -> Message | None:
    """Post a message with a person's picture in #pictures; None if they can't see the channel."""
    channel = story.world.channel("pictures")
    if channel.deleted or not story.sees(person, channel):
        return None
    message = story.world.discord.post(story.world.person(person), channel, "look at this")
    message.attachments.append(picture_file(story))
    return message


async def _result(story: Story, number: int, who: str | None, wait: float) -> tuple[Ask, str, Message] | None:
    """Wait for a public result, trying the requests from this number on."""
    deadline = TIME.monotonic + wait
    while True:
        for asked in story.since(number):
            person = who or asked.who
            for message in reversed(story.of_ask(asked, person)):
                if message.attachments and not message.ephemeral:
                    return asked, person, message
        if TIME.monotonic >= deadline:
            return None
        await asyncio.sleep(0.25)


@action("uploads", who=MEMBERS, by=MODERATORS, blocked=0.6, broken=0.2)
async def upload_file(story: Story, who: str, by: str, *, blocked: bool, broken: bool) -> None:
    """Edit an upscaled picture with another file, perhaps a broken one.

    A moderator may block the requester while the form is open.
    """
    made = await send_request(story, who, "pictures", "upscale", image=picture_file(story))
    shown = await outcome(story, made, 20)
    opened = await story.answer(await story.press(who, shown, "Edit")) if shown is not None else None
    if made is None or opened is None or opened.modal is None:
        raise Skip("no form of Edit opened")
    if blocked:
        options = {"user": story.world.person(who), "reason": "too large"}
        await story.answer(await story.slash(by, "pictures", "block", options))
        await asyncio.sleep(1)
    file = story.world.discord.file("other.png", b"no picture") if broken else picture_file(story)
    sent = await story.submit(opened, {"image": file})
    if sent is not None:
        derived(story, made, sent, who, "edit", mark=new_mark(story))


# Simultaneous presses.

_TWICE = ("Again", "Again ×", "4 more", "Upscale", "Share", "Post", "Delete", "Try again", "Report")


def _draw_together(chance: random.Random) -> dict[str, Any]:
    """Draw the requester (None), a second person, and labels of buttons."""
    people: tuple[str | None, ...] = (None, None, None, *MEMBERS, "mona")
    return {
        "ask": chance.randrange(4),
        "people": [None, chance.choice(people)],
        "labels": chance.sample(_TWICE, 3),
        "wait": chance.choice((4, 12)),
    }


@action("press", _draw_together, weight=3)
async def together(story: Story, ask: int, people: list[str | None], labels: list[str], wait: float) -> None:
    """Press the first of these buttons that exists, as two people or twice as one, at the same instant."""
    found = None
    for number, label in enumerate(labels):
        found = found or await reach(story, ask, people[0], label, 0 if number else wait)
    if found is None:
        return
    for person in people:
        who = person or found.ask.who
        sent = await story.press(who, found.message, found.label)
        if sent is None:
            story.skip(f"{who} can't press {found.label!r}")
        elif found.label.startswith(("Again", "Try again", "4 more", "Upscale")):
            _add_started(story, found, sent, who, "together")


@action("cancel", lambda chance: {**_draw_together(chance), "labels": ["Cancel"], "wait": 0.5})
async def cancel_together(
    story: Story, ask: int, people: list[str | None], labels: list[str], wait: float
) -> None:
    """Press Cancel as two people, or twice as one, at the same instant."""
    await together(story, ask, people, labels, wait)
