"""Actions: channels and deployments gain or lose their age restriction while results are made and used."""

from __future__ import annotations

import asyncio

from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.people.asking import held_run, release_all, request, result
from tests.simulation.people.buttons import send_picture_form
from tests.simulation.people.copying import copy_result, set_mark
from tests.simulation.people.reach import press_button
from tests.simulation.people.requests import MEMBERS, derived, new_mark
from tests.simulation.steps import action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.changes import deployments_change
from tests.simulation.trouble.deaths import kill_after_call

# Seconds after which a post that was started before has ended, with discord.py's retries.
_POSTS_END = 35.0


@action(
    "ages",
    who=MEMBERS,
    deployment=("picture", "picture", "restricted"),
    then=("use", "opened", "opened", "menu", "menu use", "share", "post"),
    count=(1, 1, 2),
    weight=5,
)
async def use_after_unmarking(story: Story, who: str, deployment: str, then: str, count: int) -> None:
    """Make a picture in an age-restricted channel, lift the restriction, and use or copy the picture.

    With `opened`, Use as input is pressed before, and the deployment chosen afterwards.
    """
    count = count if deployment == "picture" else 1
    asked, shown = await result(story, who, "adult", deployment, count=count)
    opened = await _use(story, who, asked) if then == "opened" else None
    await asyncio.sleep(4)
    set_mark(story, story.world.channel("adult"), nsfw=False)
    await asyncio.sleep(4)
    if then in ("share", "post"):
        await copy_result(story, asked.number, then.capitalize(), 1, prompt=False)
    elif then == "menu":
        await _upscale(story, who, asked, shown)
    elif then == "menu use":
        offered = await story.answer(await story.use_on(who, shown, "Use as input"))
        await send_picture_form(story, offered, asked)
    else:
        await send_picture_form(story, opened or await _use(story, who, asked), asked)


async def _use(story: Story, who: str, asked: Ask) -> Interaction | None:
    return await story.answer(await press_button(story, asked.number, who, "Use as input", 1))


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


@action("ages", who=MEMBERS, upscaled=0.5, then=(None, None, "share", "upscale"), back=(None, 60.0), weight=4)
async def mark_deployment(
    story: Story, who: str, then: str | None, back: float | None, *, upscaled: bool
) -> None:
    """Age-restrict a deployment after its result was made, which is `then` shared or used for a follow-up.

    Without `then`, it is restricted during its run, or during a run that uses its picture.
    """
    if then is not None or upscaled:
        asked, shown = await result(story, who, "pictures", "picture")
    if then is None:
        story.world.next_faults({"hold_at": "running"})
        if upscaled:
            await _upscale(story, who, asked, shown)
        else:
            await request(story, who, "pictures", "picture")
        await asyncio.sleep(5)
    await deployments_change(story, "picture is age-restricted", "signal", back)
    await asyncio.sleep(8)
    if then == "share":
        await copy_result(story, asked.number, "Share", 1, prompt=False)
    elif then == "upscale":
        await _upscale(story, who, asked, shown)
    release_all(story)
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
