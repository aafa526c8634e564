"""Actions: people press buttons under requests' messages, and fill in the forms that they open."""

from __future__ import annotations

from typing import Any

from tests.fakediscord.interactions import Interaction
from tests.simulation.people.asking import Reached, fill_in, labels_of, outcome, press, reach, send_draft
from tests.simulation.people.requests import (
    EVERYBODY,
    MEMBERS,
    MODERATORS,
    derived,
    made,
    new_mark,
    picture_file,
)
from tests.simulation.steps import Choice, Draw, Skip, action, sample
from tests.simulation.story import Ask, Story

# A request, the person who presses (None is its requester), and the seconds they wait for the button.
_PRESS: dict[str, Choice] = {
    "ask": range(4),
    "who": (*[None] * 12, *EVERYBODY),
    "wait": (0, 4, 12, 12, 12),
}
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
}
# Those that make a request, and how.
_STARTS = {
    "Again": "again",
    "Again ×": "again",
    "Try again": "again",
    "4 more": "vary",
    "Upscale": "upscale",
}


@action("press", weight=10)
async def button(story: Story, draw: Draw) -> None:
    """Press a button that opens no form."""
    label, number, who, wait = draw(label=_BUTTONS, **_PRESS)
    found, sent = await press(story, number, who, label, wait)
    if label in _STARTS:
        _add_started(story, found, sent, _STARTS[label])


@action("cancel", weight=3)
async def cancel(story: Story, draw: Draw) -> None:
    """Press Cancel, which disappears when the request ends."""
    number, who, wait = draw(ask=(0, 0, 0, 1, 1, 2), who=(*[None] * 6, *MEMBERS), wait=(0, 0, 1, 2))
    await press(story, number, who, "Cancel", wait)


def _add_started(story: Story, found: Reached, sent: Interaction | None, how: str) -> None:
    """Record the request that a button made. The button's label tells the number of its runs."""
    label, facts = found.label, dict[str, Any]()
    if label == "Upscale":
        facts |= {"deployment": "upscale", "mark": new_mark(story)}
    elif label.endswith("more"):
        facts["count"] = 4
    elif "×" in label:
        facts["count"] = int(label.rpartition("×")[2])
    derived(story, found.ask, sent, how, **facts)


_TWICE = ("Again", "Again ×", "4 more", "Upscale", "Share", "Post", "Delete", "Try again", "Report")


@action("press", weight=3)
async def together(story: Story, draw: Draw) -> None:
    """Press the first of some buttons that exists, as two people or twice as one, at the same instant."""
    labels, number, wait = draw(labels=sample(_TWICE, 3), ask=range(4), wait=(4, 12))
    await _press_together(story, draw, await reach(story, number, None, wait, *labels))


@action("cancel")
async def cancel_together(story: Story, draw: Draw) -> None:
    """Press Cancel as two people, or twice as one, at the same instant."""
    number = draw(ask=range(4))
    await _press_together(story, draw, await reach(story, number, None, 0.5, "Cancel"))


async def _press_together(story: Story, draw: Draw, found: Reached) -> None:
    second = draw(second=(None, None, None, *MEMBERS, "mona"))
    for who in (found.who, second or found.who):
        sent = await story.press(who, found.message, found.label)
        if sent is not None and found.label.startswith(("Again", "Try again", "4 more", "Upscale")):
            _add_started(story, found, sent, "together")


# Buttons with forms.


@action("press", weight=5)
async def form(story: Story, draw: Draw) -> None:
    """Open a form, and submit it, perhaps late or twice."""
    label = draw(label={"Edit": 5, "Share": 2, "Save preset": 1, "Reject": 1, "Block": 1})
    number, who, wait = draw(**_PRESS)
    keep, prompt, times, pause = draw(keep=0.3, prompt=0.5, times=(1, 1, 1, 2), pause=(0, 0, 0, 2, 8, 20))
    who = MODERATORS[number % 2] if label in ("Reject", "Block") else who
    found, sent = await press(story, number, who, label, wait)
    opened = await story.answer(sent)

    async def submit() -> None:
        for _ in range(times):
            if label == "Edit" and opened is not None and opened.modal is not None:
                await send_draft(story, found.ask, opened, "edit", keep=keep)
            elif label != "Edit":
                await fill_in(story, opened, prompt=prompt)

    if pause:
        story.world.later(pause, submit)
    else:
        await submit()


# Pictures as inputs.


@action("press", weight=1.5)
async def use_as_input(story: Story, draw: Draw) -> None:
    """Press Use as input, choose a deployment, and submit the form."""
    number, who, wait = draw(**_PRESS)
    found, sent = await press(story, number, who, "Use as input", wait)
    await send_picture_form(story, await story.answer(sent), found.ask)


async def _choose(story: Story, answer: Interaction | None) -> tuple[Interaction | None, list[str]]:
    """Use the first control of an answer; return the next answer and, for a select, the chosen value.

    Raises Skip if nothing is offered.
    """
    shown = answer.original if answer is not None else None
    controls = shown.components if shown is not None else ()
    choice = next((c for c in controls if c.get("custom_id") and not c.get("disabled")), None)
    if answer is None or shown is None or choice is None:
        raise Skip(f"no picture was offered: {answer.text if answer else ''}")
    values = [option["value"] for option in choice.get("options") or []][:1]
    who = story.world.name_of(answer.user)
    return await story.answer(await story.press(who, shown, choice["custom_id"], *values)), values


async def send_picture_form(story: Story, answer: Interaction | None, parent: Ask | None) -> None:
    """Choose a deployment for a picture, and submit its form. Raises Skip if nothing is offered."""
    opened, values = await _choose(story, answer)
    if opened is not None and opened.modal is None:  # several pictures
        opened, values = await _choose(story, opened)
    # The value is the custom_id of a draft, such as `draft::picture:0::`.
    deployment = values[0].split(":")[2] if values else "picture"
    mark = new_mark(story)
    takes_prompt = opened is not None and "'prompt'" in str(opened.modal)
    sent = await story.submit(opened, {"prompt": f"with {mark}"} if takes_prompt else {})
    if parent is not None:
        derived(story, parent, sent, "use", mark=mark, deployment=deployment)
    elif sent is not None:
        made(story, sent, "use", mark=mark, deployment=deployment)


@action("press", weight=1.5)
async def message_menu(story: Story, draw: Draw) -> None:
    """Use a message command on a result, or on a person's own picture."""
    number, who, wait = draw(**_PRESS)
    name, own = draw(name=("Use as input", "Upscale"), own=0.3)
    if own:
        await use_own_picture(story, who or "alice", name)
        return
    asked = story.nth(number)
    if asked is None:
        raise Skip("there is no request")
    message = await outcome(story, asked, wait)
    answer = await story.answer(await story.use_on(who or asked.who, message, name))
    if name == "Use as input":
        await send_picture_form(story, answer, asked)
    else:
        await add_upscaled(story, asked, answer)


async def use_own_picture(story: Story, who: str, name: str) -> None:
    """Post a message with a person's picture in #pictures, and use a message command on it.

    Raises Skip if they can't see the channel.
    """
    channel = story.world.channel("pictures")
    if channel.deleted or not story.sees(who, channel):
        raise Skip(f"{who} can't post in #pictures")
    message = story.discord.post(story.world.person(who), channel, "look at this")
    message.attachments.append(picture_file(story))
    sent = await story.use_on(who, message, name)
    if name == "Use as input":
        await send_picture_form(story, await story.answer(sent), None)
    elif sent is not None:
        made(story, sent, "own menu", deployment="upscale")


async def add_upscaled(story: Story, parent: Ask, answer: Interaction | None) -> None:
    """Record a request made with the message command, after choosing a picture if the message has more."""
    shown = answer.original if answer is not None else None
    sent = answer
    if answer is not None and shown is not None and shown.ephemeral and "1" in labels_of(shown):
        sent = await story.press(story.world.name_of(answer.user), shown, "1") or answer
    derived(story, parent, sent, "menu", mark=new_mark(story), deployment="upscale", private=False)
