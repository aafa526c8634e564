"""Requesters post and share results, delete the copies, and try again, while moderators do the same."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.fakediscord.faults import Fault
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation import settings
from tests.simulation.people import MODERATORS
from tests.simulation.promises.facts import purpose
from tests.simulation.reach import labels_of, press_button
from tests.simulation.setup import open_panel
from tests.simulation.steps import action
from tests.simulation.story import Story

_KINDS = {"Share": "g", "Post": "s"}
_DELETE = "DELETE /channels/{channel_id}/messages/{message_id}"
_POST = "POST /channels/{channel_id}/messages"


async def copy_result(story: Story, ask: int, label: str, wait: float, *, prompt: bool) -> Interaction | None:
    """Press Share or Post, and send the form if one opens; return what answered."""
    opened = await story.answer(await press_button(story, ask, None, label, wait))
    if opened is not None and opened.modal is not None:
        box = str(opened.modal["components"][0]["component"]["custom_id"])
        return await story.answer(await story.submit(opened, {box: prompt}))
    return opened


def _copies(story: Story, ask: int, label: str, *, since: float = 0.0) -> list[Message]:
    """Return the copies of a request's results that can be seen, newest first."""
    found = [m for m in story.of_ask(story.asks[ask]) if purpose(m)[1] == _KINDS[label] and not m.ephemeral]
    return [m for m in reversed(found) if m.created >= since and "Delete" in set(labels_of(m))]


async def _wait_for_copy(story: Story, ask: int, label: str, within: float) -> Message | None:
    await story.world.until(lambda: _copies(story, ask, label), within)
    return next(iter(_copies(story, ask, label)), None)


def _draw_copy_and_delete(chance: random.Random) -> dict[str, Any]:
    return {
        "ask": chance.randrange(3),
        "label": chance.choice(("Share", "Share", "Share", "Post")),
        "prompt": chance.random() < 0.3,
        "deleters": chance.choice(([None], ["mona"], [None, "mona"], [None, "mike"], ["mona", None], [])),
        "gap": chance.choice((0.0, 0.01, 0.2, 3.0)),
        "slow": chance.random() < 0.4,
        "gallery": chance.choice((None, None, "deleted", "moved", "closed")),
        "again": chance.random() < 0.8,
    }


@action("copies", _draw_copy_and_delete, weight=4)
async def copy_and_delete(
    story: Story,
    *,
    ask: int,
    label: str,
    deleters: list[str | None],
    gap: float,
    gallery: str | None,
    prompt: bool,
    slow: bool,
    again: bool,
) -> None:
    """Copy a result, delete the copy as one or two people, perhaps change the gallery, and copy it again."""
    if ask >= len(story.asks):
        story.skip(f"there is no request {ask}")
        return
    await copy_result(story, ask, label, 12, prompt=prompt)
    shown = await _wait_for_copy(story, ask, label, 8)
    if shown is None:
        story.skip("no copy appeared")
        return
    if slow:
        story.world.discord.faults.add(_DELETE, Fault.delay(3.0), times=2)
        story.strike("Discord: the next two deletions take 3 s")
    sent = []
    for who in deleters:
        sent.append(await story.press(who or story.asks[ask].who, shown, "Delete"))
        await asyncio.sleep(gap)
    if gallery is not None:
        await _change_gallery(story, gallery)
    for each in sent:
        await story.answer(each)
    if again:
        await copy_result(story, ask, label, 2, prompt=prompt)


async def _change_gallery(story: Story, what: str) -> None:
    """Delete or close the gallery, or choose another channel, as a moderator does."""
    world = story.world
    earlier = world.channel("gallery")
    if what == "closed":
        if not earlier.deleted:
            world.discord.withdraw(earlier, "send_messages")
            story.strike("the bot loses send_messages in #gallery")
        return
    if what == "deleted" and not earlier.deleted:
        story.taken += list(earlier.messages.values())
        world.discord.delete_channel(earlier)
        story.strike("#gallery is deleted")
    name = f"gallery-{len(world.cast.channels)}"
    world.cast.channels[name] = world.discord.add_text(world.cast.guilds["studio"], name)
    await asyncio.sleep(0.1)
    panel = await open_panel(story, "mona", "pictures")
    if panel is None:
        story.skip("/settings showed no panel")
        return
    await settings.choose_gallery(panel, name, story)
    story.strike(f"#{name} is the gallery now")


@action(
    "copies",
    lambda chance: {
        "ask": chance.randrange(3),
        "gap": chance.choice((0.0, 0.3, 1.5)),
        "slow": chance.random() < 0.7,
        "who": chance.choice((None, None, "mona")),
    },
    weight=2,
)
async def delete_both_copies(story: Story, ask: int, gap: float, who: str | None, *, slow: bool) -> None:
    """Post and share one result, then delete both copies shortly after each other."""
    if ask >= len(story.asks):
        story.skip(f"there is no request {ask}")
        return
    for label in _KINDS:
        await copy_result(story, ask, label, 12, prompt=False)
    shown = [await _wait_for_copy(story, ask, label, 8) for label in _KINDS]
    if slow:
        story.world.discord.faults.add(_DELETE, Fault.delay(2.0), times=2)
        story.strike("Discord: the next two deletions take 2 s")
    for message in shown:
        if message is not None:
            await story.press(who or story.asks[ask].who, message, "Delete")
            await asyncio.sleep(gap)


@action(
    "copies",
    lambda chance: {
        "ask": chance.randrange(3),
        "who": chance.choice((None, *MODERATORS)),
        "pause": chance.choice((0.0, 0.5, 4.0)),
    },
    weight=2,
)
async def share_after_deletion(story: Story, ask: int, who: str | None, pause: float) -> None:
    """Open the form of Share, let somebody delete the result, and send the form."""
    opened = await story.answer(await press_button(story, ask, None, "Share", 12))
    if opened is None or opened.modal is None:
        story.skip("no form of Share opened")
        return
    await story.answer(await press_button(story, ask, who, "Delete", 2))
    await asyncio.sleep(pause)
    box = str(opened.modal["components"][0]["component"]["custom_id"])
    await story.answer(await story.submit(opened, {box: False}))


@action(
    "copies",
    lambda chance: {
        "ask": chance.randrange(3),
        "seconds": chance.choice((35.0, 50.0)),
        "mark": chance.choice(("source", "gallery")),
    },
    weight=2,
)
async def share_and_mark(story: Story, ask: int, seconds: float, mark: str) -> None:
    """Share a result while Discord takes no posts, and change an age restriction meanwhile."""
    if ask >= len(story.asks):
        story.skip(f"there is no request {ask}")
        return
    rule = story.world.discord.faults.add(_POST, Fault.answer(503), times=None)
    story.strike(f"Discord takes no posts for {seconds} s")
    await copy_result(story, ask, "Share", 12, prompt=False)
    await asyncio.sleep(1)
    channel = story.asks[ask].interaction.channel
    place = channel.parent or channel
    if mark == "gallery":
        place = story.world.channel("gallery")
    if place.guild is not None and not place.deleted:
        place.nsfw = mark == "source"
        story.world.discord._announce(place, "UPDATE")
        story.strike(f"#{place.name} is {'' if place.nsfw else 'not '}age-restricted now")
    await asyncio.sleep(seconds)
    if rule in story.world.discord.faults.rules:
        story.world.discord.faults.rules.remove(rule)
    story.strike("Discord takes posts again")
