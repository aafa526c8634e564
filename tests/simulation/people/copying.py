"""Actions: requesters post and share results; they and moderators delete the copies."""

from __future__ import annotations

import asyncio

from tests.fakediscord.faults import Fault
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel, Message
from tests.simulation.people.asking import result
from tests.simulation.people.reach import labels_of, press_button, press_delete
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.people.settings import change_setting
from tests.simulation.promises.facts import subject
from tests.simulation.setup import open_panel
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.services import POST

_DELETABLE = {"Delete", "⋯ More"}
_KINDS = {"Share": "g", "Post": "s"}
_DELETE = "DELETE /channels/{channel_id}/messages/{message_id}"


async def _result(story: Story, who: str, where: str, count: int = 1) -> int:
    """Request pictures, wait for the result, and return the request's number. Raises Skip."""
    asked, _ = await result(story, who, where, count=count)
    return asked.number


async def copy_result(story: Story, ask: int, label: str, wait: float, *, prompt: bool) -> Interaction | None:
    """Press Share or Post, submit the form if one opens, and return the answered interaction."""
    opened = await story.answer(await press_button(story, ask, None, label, wait))
    if opened is not None and opened.modal is not None:
        box = str(opened.modal["components"][0]["component"]["custom_id"])
        return await story.answer(await story.submit(opened, {box: prompt}))
    return opened


def set_mark(story: Story, channel: Channel, *, nsfw: bool) -> None:
    """Change a channel's age restriction."""
    if not channel.deleted and channel.nsfw != nsfw:
        channel.nsfw = nsfw
        story.world.discord._announce(channel, "UPDATE")
        story.strike(f"#{channel.name} is {'' if nsfw else 'not '}age-restricted now")


def _copies(story: Story, ask: int, label: str, *, since: float = 0.0) -> list[Message]:
    """Return the copies of a request's results that its requester sees, newest first."""
    found = [m for m in story.of_ask(story.asks[ask]) if subject(m)[1] == _KINDS[label] and not m.ephemeral]
    return [m for m in reversed(found) if m.created >= since and _DELETABLE & set(labels_of(m))]


async def wait_for_copy(story: Story, ask: int, label: str, within: float) -> Message | None:
    await story.world.until(lambda: _copies(story, ask, label), within)
    return next(iter(_copies(story, ask, label)), None)


async def copy_shown(story: Story, ask: int, label: str, *, prompt: bool) -> Message:
    """Post or share a result, and wait for the copy. Raises Skip if none appears."""
    await copy_result(story, ask, label, 2, prompt=prompt)
    shown = await wait_for_copy(story, ask, label, 8)
    if shown is None:
        raise Skip("no copy appeared")
    return shown


@action(
    "copies",
    who=MEMBERS,
    where=("pictures", "pictures", "thread"),
    label=("Share", "Share", "Share", "Post"),
    prompt=0.3,
    deleters=([None], ["mona"], [None, "mona"], [None, "mike"], ["mona", None], []),
    gap=(0.0, 0.01, 0.2, 1.0, 3.0),
    slow=0.6,
    gallery=(None, None, "deleted", "moved", "closed"),
    again=0.8,
    weight=6,
)
async def copy_and_delete(
    story: Story,
    *,
    who: str,
    where: str,
    label: str,
    deleters: list[str | None],
    gap: float,
    gallery: str | None,
    prompt: bool,
    slow: bool,
    again: bool,
) -> None:
    """Copy a result, delete the copy as up to two people, perhaps change the gallery, and copy it again."""
    ask = await _result(story, who, where, 1 if label == "Share" else 2)
    shown = await copy_shown(story, ask, label, prompt=prompt)
    if slow:
        _slow_deletions(story, 3.0)
    sent = []
    for deleter in deleters:
        sent.append(await press_delete(story, deleter or who, shown))
        await asyncio.sleep(gap)
    if gallery is not None:
        await _change_gallery(story, gallery)
    for each in sent:
        await story.answer(each)
    if again:
        await asyncio.sleep(4 if slow else 0)
        await copy_result(story, ask, label, 2, prompt=prompt)


async def _change_gallery(story: Story, what: str) -> None:
    """Close the gallery to the bot, or delete it or leave it and choose another channel."""
    world = story.world
    earlier = world.channel("gallery")
    if what == "closed":
        if not earlier.deleted:
            world.discord.withdraw(earlier, "send_messages")
            story.strike("the bot loses send_messages in #gallery")
        return
    if what == "deleted" and not earlier.deleted:
        story.removed += list(earlier.messages.values())
        world.discord.delete_channel(earlier)
        story.strike("#gallery is deleted")
    await _move_gallery(story)


async def _move_gallery(story: Story) -> Channel:
    """Create a channel, and make it the gallery."""
    world = story.world
    name = f"gallery-{len(world.cast.channels)}"
    world.cast.channels[name] = world.discord.add_text(world.cast.guilds["studio"], name)
    await asyncio.sleep(0.1)
    panel = await open_panel(story, "mona", "pictures")
    await change_setting(story, panel, "results", gallery_channel_id=[f"#{name}"])
    story.strike(f"#{name} is the gallery now")
    return world.channel(name)


def _slow_deletions(story: Story, seconds: float) -> None:
    story.world.discord.faults.add(_DELETE, Fault.delay(seconds), times=2)
    story.strike(f"Discord: the next two deletions take {seconds:g} s")


@action("copies", who=MEMBERS, closes=0.6, weight=2)
async def share_in_the_next_gallery(story: Story, who: str, *, closes: bool) -> None:
    """Share a result again in another gallery.

    Either the first gallery was deleted, or the first share is being deleted while the new gallery closes to
    the bot.
    """
    ask = await _result(story, who, "pictures")
    shown = await copy_shown(story, ask, "Share", prompt=False)
    if not closes:
        await _change_gallery(story, "deleted")
        await copy_result(story, ask, "Share", 2, prompt=False)
        return
    rule = story.world.discord.faults.add(_DELETE, Fault.answer(503), times=None)
    story.strike("Discord deletes nothing for a moment")
    await story.answer(await press_delete(story, who, shown))
    gallery = await _move_gallery(story)
    story.world.discord.faults.add(POST, Fault.delay(1.5), times=1)
    story.world.loop.call_later(1.2, story.world.discord.faults.remove, rule)
    await copy_result(story, ask, "Share", 2, prompt=False)
    await asyncio.sleep(0.3)
    story.world.discord.withdraw(gallery, "send_messages")
    story.strike(f"the bot loses send_messages in #{gallery.name}")
    await asyncio.sleep(8)


@action(
    "copies",
    who=MEMBERS,
    gap=(0.0, 0.3, 1.5),
    slow=0.7,
    deleter=(None, None, "mona"),
    order=lambda chance: chance.sample(list(_KINDS), 2),
    weight=2,
)
async def delete_both_copies(
    story: Story, who: str, gap: float, deleter: str | None, order: list[str], *, slow: bool
) -> None:
    """Post and share one result, then delete both copies in quick succession."""
    ask = await _result(story, who, "pictures", 2)
    for label in _KINDS:
        await copy_result(story, ask, label, 2, prompt=False)
    shown = [await wait_for_copy(story, ask, label, 8) for label in order]
    if slow:
        _slow_deletions(story, 2.0)
    for message in shown:
        if message is not None:
            await press_delete(story, deleter or who, message)
            await asyncio.sleep(gap)


@action("copies", who=MEMBERS, deleter=(None, *MODERATORS), pause=(0.0, 0.5, 4.0), weight=2)
async def share_after_deletion(story: Story, who: str, deleter: str | None, pause: float) -> None:
    """Open the form of Share, delete the result, and then submit the form."""
    ask = await _result(story, who, "pictures")
    opened = await story.answer(await press_button(story, ask, None, "Share", 2))
    if opened is None or opened.modal is None:
        raise Skip("no form of Share opened")
    await story.answer(await press_button(story, ask, deleter, "Delete", 2))
    await asyncio.sleep(pause)
    box = str(opened.modal["components"][0]["component"]["custom_id"])
    await story.answer(await story.submit(opened, {box: False}))


@action("copies", who=MEMBERS, seconds=(35.0, 50.0), mark=("source", "gallery"), weight=2)
async def share_and_mark(story: Story, who: str, seconds: float, mark: str) -> None:
    """Share a result while Discord refuses posts, and meanwhile change an age restriction."""
    gallery = story.world.channel("gallery")
    if mark == "gallery":
        set_mark(story, gallery, nsfw=True)
    ask = await _result(story, who, "adult" if mark == "gallery" else "pictures")
    rule = story.world.discord.faults.add(POST, Fault.answer(503), times=None)
    story.strike(f"Discord takes no posts for {seconds} s")
    await copy_result(story, ask, "Share", 2, prompt=False)
    await asyncio.sleep(1)
    if mark == "gallery":
        set_mark(story, gallery, nsfw=False)
    else:
        set_mark(story, story.world.channel("pictures"), nsfw=True)
    await asyncio.sleep(seconds)
    story.world.discord.faults.remove(rule)
    story.strike("Discord takes posts again")
