"""Actions: results are posted and shared, copies are deleted, and age restrictions change meanwhile."""

from __future__ import annotations

import asyncio
from itertools import cycle

from tests.fakediscord.faults import Fault
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.evidence import subject
from tests.simulation.people.asking import MORE, choose, fill_in, labels_of, press, press_and_wait, result
from tests.simulation.people.buttons import use_on
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.people.settings import change_setting
from tests.simulation.setup import open_panel
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.places import delete_channel, set_mark, withdraw

_KINDS = {"Share": "g", "Post": "s"}
_DELETE = "DELETE /channels/{channel_id}/messages/{message_id}"


async def copy_result(story: Story, number: int, label: str, *, prompt: bool = False) -> None:
    """Press Share or Post, and submit the form if one opens."""
    await fill_in(story, await press_and_wait(story, number, None, label, 2), prompt=prompt)


async def copy_shown(story: Story, asked: Ask, label: str, *, prompt: bool = False) -> Message:
    """Post or share a result, and wait for the copy. Raises Skip if none appears."""
    await copy_result(story, asked.number, label, prompt=prompt)

    def copies() -> list[Message]:
        found = [m for m in story.of_ask(asked) if subject(m)[1] == _KINDS[label] and not m.ephemeral]
        return [m for m in reversed(found) if {"Delete", MORE} & set(labels_of(m))]

    if not await story.world.until(copies, 8):
        raise Skip("no copy appeared")
    return copies()[0]


@action("copies", weight=8)
async def copy_and_delete(story: Story, draw: Draw) -> None:
    """Copy a result, delete the copies as up to two people, perhaps change the gallery, and copy it again."""
    who, where, prompt = draw(who=MEMBERS, where=("pictures", "pictures", "thread"), prompt=0.3)
    labels = draw(labels=(["Share"], ["Share"], ["Share"], ["Post"], ["Post", "Share"], ["Share", "Post"]))
    deleters = draw(deleters=([who], ["mona"], [who, "mona"], [who, "mike"], ["mona", who], [who, who], []))
    gap, slow = draw(gap=(0.0, 0.01, 0.2, 1.0, 3.0), slow=0.6)
    gallery, again = draw(gallery=(None, None, "deleted", "moved", "closed"), again=0.8)
    asked, _ = await result(story, who, where, count=2 if "Post" in labels else 1)
    shown = [await copy_shown(story, asked, label, prompt=prompt) for label in labels]
    if slow:
        story.discord.faults.add(_DELETE, Fault.delay(3.0), times=2)
        story.strike("Discord: the next two deletions take 3 s")
    sent: list[Interaction | None] = []
    for deleter, message in zip(deleters, cycle(shown), strict=False):
        sent.append(await _delete(story, deleter, message))
        await asyncio.sleep(gap)
    if gallery == "closed":
        withdraw(story, "gallery")
    elif gallery is not None:
        await _move_gallery(story, deletes=gallery == "deleted")
    for each in sent:
        await story.answer(each)
    if again:
        await asyncio.sleep(4 if slow else 0)
        await copy_result(story, asked.number, labels[0], prompt=prompt)


async def _delete(story: Story, who: str, message: Message) -> Interaction | None:
    """Press Delete, if necessary after More, without waiting for the answer."""
    if "Delete" not in labels_of(message):
        opened = await story.answer(await story.press(who, message, MORE))
        message = opened.original if opened is not None and opened.original is not None else message
    return await story.press(who, message, "Delete")


async def _move_gallery(story: Story, *, deletes: bool) -> None:
    """Create a channel and make it the gallery, perhaps after deleting the earlier one."""
    if deletes:
        delete_channel(story, "gallery")
    world = story.world
    name = f"gallery-{len(world.cast.channels)}"
    world.cast.channels[name] = story.discord.add_text(world.cast.guilds["studio"], name)
    await asyncio.sleep(0.1)
    panel = await open_panel(story, "mona", "pictures")
    await change_setting(story, panel, "results", gallery_channel_id=[f"#{name}"])
    story.strike(f"#{name} is the gallery now")


@action("copies", weight=2)
async def share_after_deletion(story: Story, draw: Draw) -> None:
    """Open the form of Share, delete the result, and then submit the form."""
    who, deleter, pause = draw(who=MEMBERS, deleter=(None, *MODERATORS), pause=(0.0, 0.5, 4.0))
    asked, _ = await result(story, who, "pictures")
    opened = await press_and_wait(story, asked.number, None, "Share", 2)
    await press_and_wait(story, asked.number, deleter, "Delete", 2)
    await asyncio.sleep(pause)
    await fill_in(story, opened)


# Age restrictions.


@action("ages", weight=5)
async def use_after_unmarking(story: Story, draw: Draw) -> None:
    """Make a picture in an age-restricted channel, lift the restriction, and use or copy the picture.

    With `opened`, Use as input is pressed before, and the deployment chosen afterwards.
    """
    who, deployment, count = draw(
        who=MEMBERS, deployment=("picture", "picture", "restricted"), count=(1, 1, 2)
    )
    then = draw(then=("press", "opened", "opened", "Upscale", "Use as input", "Share", "Post"))
    asked, shown = await result(story, who, "adult", deployment, count=count)
    opened = None
    if then == "opened":
        opened = await press(story, asked.number, who, "Use as input", 1)
        await story.answer(opened[1])
    await asyncio.sleep(4)
    set_mark(story, "adult", nsfw=False)
    await asyncio.sleep(4)
    if then in _KINDS:
        await copy_result(story, asked.number, then)
    elif then in ("Use as input", "Upscale"):
        await use_on(story, who, shown, then, asked)
    else:
        # The button may be that of another request's result.
        found, sent = opened or await press(story, asked.number, who, "Use as input", 1)
        await fill_in(story, await choose(story, await story.answer(sent)), found.ask)
