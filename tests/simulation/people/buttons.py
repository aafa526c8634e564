"""Actions: people press buttons and use message commands, and fill in the forms that open."""

from __future__ import annotations

import asyncio

from tests.fakediscord.world import Message
from tests.simulation.people.asking import choose, fill_in, labels_of, outcome, press, record
from tests.simulation.people.requests import (
    EVERYBODY,
    MEMBERS,
    MODERATORS,
    derived,
    made,
    new_mark,
    picture_file,
)
from tests.simulation.steps import Choice, Draw, Skip, action
from tests.simulation.story import Ask, Story

# A request, the person who presses (None is its requester), and the seconds they wait for the button.
_PRESS: dict[str, Choice] = {
    "ask": range(4),
    "who": (*[None] * 12, *EVERYBODY),
    "wait": (0, 4, 12, 12, 12),
}
# Another person who presses at the same instant; `same` presses twice.
_SECOND = (*[None] * 20, "same", "same", *MEMBERS, "mona")
_BUTTONS = {
    "Details": 2,
    "Delete": 2,
    "Post": 1,
    "Post it here": 1,
    "⋯ More": 1,
    "Again": 4,
    "Again ×": 2,
    "Try again": 2,
    "4 more": 2,
    "Upscale": 4,
    "Edit": 6,
    "Share": 3,
    "Report": 1,
    "Save preset": 1,
    "Reject": 1,
    "Block": 1,
    "Use as input": 3,
}


@action("press", weight=20)
async def button(story: Story, draw: Draw) -> None:
    """Press a button, perhaps two people at once, and submit the form that opens, perhaps late or twice."""
    label, number, who, wait, second = draw(label=_BUTTONS, **_PRESS, second=_SECOND)
    keep, prompt, times, pause = draw(keep=0.3, prompt=0.5, times=(1, 1, 1, 2), pause=(0, 0, 0, 2, 8, 20))
    who = MODERATORS[number % 2] if label in ("Reject", "Block") else who
    found, sent = await press(story, number, who, label, wait, second)
    opened = await story.answer(sent)
    if label == "Use as input":
        opened = await choose(story, opened)
    if opened is not None and opened.modal is not None:
        await asyncio.sleep(pause)
        await asyncio.gather(
            *(fill_in(story, opened, found.ask, keep=keep, prompt=prompt) for _ in range(times))
        )


@action("cancel", weight=4)
async def cancel(story: Story, draw: Draw) -> None:
    """Press Cancel, which disappears when the request ends."""
    number, who, wait = draw(ask=(0, 0, 0, 1, 1, 2), who=(*[None] * 6, *MEMBERS), wait=(0, 0, 1, 2))
    await press(story, number, who, "Cancel", wait, draw(second=_SECOND))


@action("press", weight=1.5)
async def message_menu(story: Story, draw: Draw) -> None:
    """Use a message command on a result, or on a person's own picture in #pictures."""
    number, who, wait = draw(**_PRESS)
    name, own = draw(name=("Use as input", "Upscale"), own=0.3)
    asked = None if own else story.nth(number)
    if own:
        who, channel = who or "alice", story.world.channel("pictures")
        if channel.deleted or not story.sees(who, channel):
            raise Skip(f"{who} can't post in #pictures")
        message = story.discord.post(story.world.person(who), channel, "look at this")
        message.attachments.append(picture_file(story))
    elif asked is not None:
        who, message = who or asked.who, await outcome(story, asked, wait)
    else:
        raise Skip("there is no request")
    await use_on(story, who, message, name, asked)


async def use_on(story: Story, who: str, message: Message, name: str, parent: Ask | None) -> None:
    """Use a message command, choose a picture if the message has several, and record what is requested."""
    sent = await story.use_on(who, message, name)
    if name == "Use as input":
        await fill_in(story, await choose(story, await story.answer(sent)), parent)
        return
    answer = await story.answer(sent)
    shown = answer.original if answer is not None else None
    if shown is not None and shown.ephemeral and "1" in labels_of(shown):
        record(story, parent, await story.press(who, shown, "1"))
    elif parent is not None:
        derived(story, parent, sent, "menu", mark=new_mark(story), deployment="upscale", private=False)
    elif sent is not None:
        made(story, sent, "own menu", deployment="upscale")
