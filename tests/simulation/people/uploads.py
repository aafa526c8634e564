"""An action: people upload another file in the form of Edit."""

from __future__ import annotations

import asyncio

from tests.simulation.people.asking import outcome
from tests.simulation.people.requests import (
    MEMBERS,
    MODERATORS,
    derived,
    new_mark,
    picture_file,
    send_request,
)
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story


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
