"""People edit a prompt that is too long for a form: they upload it as a file."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.simulation.people.asking import outcome, request
from tests.simulation.people.reach import labels_of
from tests.simulation.people.requests import MEMBERS, MODERATORS, derived, new_mark
from tests.simulation.steps import action
from tests.simulation.story import Story

# Longer than a text field of a form can hold.
_LONG = ", very large" * 380


def _draw_upload(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "by": chance.choice(MODERATORS),
        "blocked": chance.random() < 0.6,
        "binary": chance.random() < 0.2,
    }


@action("uploads", _draw_upload)
async def upload_text(story: Story, who: str, by: str, *, blocked: bool, binary: bool) -> None:
    """Edit a long prompt by a file. A moderator may block the requester while the form is open."""
    made = await request(story, who, "pictures", prompt=f"a {new_mark(story)}{_LONG}")
    shown = await outcome(story, made, 20)
    opened = await story.answer(await story.press(who, shown, "Edit")) if shown is not None else None
    if made is None or opened is None or opened.modal is None:
        story.skip("no form of Edit opened")
        return
    if blocked:
        options = {"user": story.world.person(who), "reason": "too long"}
        await story.answer(await story.slash(by, "pictures", "block", options))
        await asyncio.sleep(1)
    mark = new_mark(story)
    text = f"another {mark}{_LONG}".encode()
    file = story.world.discord.file("prompt.txt", b"\xff\xfe\x00" if binary else text)
    sent = await story.answer(await story.submit(opened, {"prompt.txt": file}))
    if sent is None:
        return
    await story.world.until(lambda: sent.followups or (sent.original and not sent.original.loading), 10)
    for offer in (*sent.followups, sent.original):
        if offer is not None and "Send" in set(labels_of(offer)):
            again = await story.press(who, offer, "Send")
            if again is not None:
                derived(story, made, again, who, "edit", mark=mark)
            return
