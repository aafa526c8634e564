"""Actions: channels and deployments gain or lose their age restriction while results are made and used."""

from __future__ import annotations

import asyncio

from tests.fakediscord.world import Message
from tests.simulation.people.asking import held_run, outcome, request, result
from tests.simulation.people.buttons import send_picture_form
from tests.simulation.people.copying import copy_result, set_mark
from tests.simulation.people.reach import press_button
from tests.simulation.people.requests import MEMBERS, derived, new_mark
from tests.simulation.steps import action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.changes import deployments_change
from tests.simulation.trouble.deaths import kill_after_call

_POST = "POST /channels/{channel_id}/messages"
# Seconds after which a post that was started before has ended, with discord.py's retries.
_POSTS_END = 35.0


@action(
    "ages",
    who=MEMBERS,
    deployment=("picture", "picture", "restricted"),
    then=("use", "menu", "menu use", "share", "post"),
    count=(1, 1, 2),
    weight=3,
)
async def use_after_unmarking(story: Story, who: str, deployment: str, then: str, count: int) -> None:
    """Make a picture in an age-restricted channel, lift the restriction, and use or copy the picture."""
    channel = story.world.channel("adult")
    asked, shown = await result(
        story, who, "adult", deployment, count=count if deployment == "picture" else 1
    )
    await asyncio.sleep(4)
    set_mark(story, channel, nsfw=False)
    await asyncio.sleep(4)
    number = asked.number
    if then in ("share", "post"):
        await copy_result(story, number, then.capitalize(), 1, prompt=False)
    elif then == "use":
        await send_picture_form(
            story,
            await story.answer(await press_button(story, number, who, "Use as input", 1)),
            story.asks[number],
        )
    elif then == "menu use":
        await send_picture_form(
            story, await story.answer(await story.use_on(who, shown, "Use as input")), story.asks[number]
        )
    else:
        await _upscale(story, who, asked, shown)


@action("ages", who=MEMBERS, deployment=("picture", "restricted"), weight=2)
async def unmark_before_form(story: Story, who: str, deployment: str) -> None:
    """Press Use as input in an age-restricted channel, lift the restriction, and choose the deployment."""
    asked, _ = await result(story, who, "adult", deployment)
    offered = await story.answer(await press_button(story, asked.number, who, "Use as input", 1))
    set_mark(story, story.world.channel("adult"), nsfw=False)
    await asyncio.sleep(4)
    await send_picture_form(story, offered, asked)


@action(
    "ages", who=MEMBERS, deployment=("picture", "picture", "restricted"), count=(1, 1, 3), back=0.3, weight=2
)
async def unmark_before_delivery(story: Story, who: str, deployment: str, count: int, *, back: bool) -> None:
    """Lift a channel's age restriction during a run, and perhaps restore it before the result."""
    _, run = await held_run(story, who, "adult", deployment, count=count if deployment == "picture" else 1)
    await asyncio.sleep(4)
    set_mark(story, story.world.channel("adult"), nsfw=False)
    await asyncio.sleep(_POSTS_END)
    if back:
        set_mark(story, story.world.channel("adult"), nsfw=True)
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(3)


_MARK = {"what": "picture is age-restricted", "how": "signal"}


@action("ages", who=MEMBERS, upscaled=0.5, back=(None, 60.0), weight=2)
async def mark_deployment_meanwhile(story: Story, who: str, *, upscaled: bool, back: float | None) -> None:
    """Age-restrict the deployment during its run, or during a run that uses its picture."""
    asked = await request(story, who, "pictures", "picture") if upscaled else None
    shown = await outcome(story, asked)
    story.world.next_faults({"hold_at": "running"})
    if asked is not None and shown is not None:
        await _upscale(story, who, asked, shown)
    else:
        await request(story, who, "pictures", "picture")
    await asyncio.sleep(5)
    await deployments_change(story, **_MARK, back=back)
    await asyncio.sleep(8)
    for run in story.world.comfydeploy.runs:
        if run.status == "running":
            story.world.comfydeploy.release(run.id)
    await asyncio.sleep(10)


@action("ages", who=MEMBERS, share=0.5, back=(None, 60.0), weight=2)
async def mark_deployment_afterwards(story: Story, who: str, *, share: bool, back: float | None) -> None:
    """Age-restrict the deployment of a result, and then share the result or use it for a follow-up."""
    asked, shown = await result(story, who, "pictures", "picture")
    await deployments_change(story, **_MARK, back=back)
    await asyncio.sleep(8)
    if share:
        await copy_result(story, asked.number, "Share", 1, prompt=False)
    else:
        await _upscale(story, who, asked, shown)
    await asyncio.sleep(10)


async def _upscale(story: Story, who: str, asked: Ask, shown: Message) -> Ask | None:
    """Start the follow-up by the message command on a result, and return its request."""
    sent = await story.use_on(who, shown, "Upscale")
    if sent is None:
        return None
    follow = derived(
        story, asked, sent, who, "menu", mark=new_mark(story), deployment="upscale", private=False
    )
    await story.answer(sent)
    return follow


@action("ages", who=MEMBERS, nth=(1, 2, 3), back=(1.0, 10.0), weight=2)
async def note_instead_of_result(story: Story, who: str, nth: int, back: float) -> None:
    """Delete an age-restricted channel before the result, and kill the bot when it sends the note as a DM."""
    asked, run = await held_run(story, who, "adult", "restricted")
    asked.interaction.created_at -= 900
    channel = story.world.channel("adult")
    if not channel.deleted:
        story.removed += list(channel.messages.values())
        story.world.discord.delete_channel(channel)
        story.strike("#adult is deleted, and the token of the request has expired")
    kill_after_call(story, "POST /users/@me/channels", nth=nth, back=back)
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(back + 5)
