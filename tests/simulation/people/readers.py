"""Actions that test access to logs, prompts and notes, and default presets, rate limits and the audit log."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import held_run, outcome, press_when_shown, request, result, started
from tests.simulation.people.buttons import picture_message
from tests.simulation.people.copying import copy_shown
from tests.simulation.people.moderators import send_report
from tests.simulation.people.reach import labels_of, press_button
from tests.simulation.people.requests import MEMBERS, derived, new_mark
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.services import POST, jump
from tests.simulation.world import FORBIDDEN

_YEAR = 400 * 86_400.0


def _draw_two(chance: random.Random) -> dict[str, Any]:
    who, other = chance.sample(MEMBERS, 2)
    return {"who": who, "other": other}


@action(
    "readers",
    lambda chance: _draw_two(chance) | {"slow": chance.random() < 0.4, "late": chance.random() < 0.6},
    weight=3,
)
async def read_the_log(story: Story, who: str, other: str, *, slow: bool, late: bool) -> None:
    """Press Details of a failed run as its requester and as somebody else, once its log is archived.

    The log may get its last lines late, and the outcome may be posted late.
    """
    asked, run = await held_run(story, who, "pictures", "trouble")
    service = story.world.comfydeploy
    rule = story.world.discord.faults.add(POST, Fault.answer(503), times=None if slow else 0)
    service.release(run.id)
    await asyncio.sleep(7)
    if late:
        service.world.write_log(run, f"RuntimeError: can't send to {run.webhook}\n")
    await asyncio.sleep(40 if slow else 33)
    story.world.discord.faults.remove(rule)
    if slow:
        story.strike("Discord took no posts for a while")
    await outcome(story, asked, files=False)
    for person in (who, other):
        await story.answer(await press_button(story, asked.number, person, "Details", 1))


@action("readers", _draw_two, weight=2)
async def look_at_a_share(story: Story, who: str, other: str) -> None:
    """Share a result without its prompt, and press its buttons in the gallery as somebody else."""
    asked, _ = await result(story, who, "pictures")
    shown = await copy_shown(story, asked.number, "Share", prompt=False)
    opened = [await story.answer(await story.press(other, shown, label)) for label in ("⋯ More", "Edit")]
    behind = opened[0].original if opened[0] is not None else None
    if behind is not None and "Details" in set(labels_of(behind)):
        await story.answer(await story.press(other, behind, "Details"))


@action("readers", _draw_two)
async def start_from_deleted(story: Story, who: str, other: str) -> None:
    """Press Again of somebody else's deleted result, in an ephemeral message that was opened before."""
    asked = await request(story, who, "pictures", count=2)
    shown = await outcome(story, asked)
    opened = await story.answer(await story.press(other, shown, "1")) if shown is not None else None
    if shown is None or opened is None or opened.original is None:
        raise Skip("no result with numbers appeared")
    more = await story.answer(await story.press(who, shown, "⋯ More"))
    if more is not None and more.original is not None:
        await story.answer(await story.press(who, more.original, "Delete"))
    await asyncio.sleep(11)
    sent = await story.press(other, opened.original, "Again")
    if sent is not None:
        derived(story, asked, sent, other, "again")
        await story.answer(sent)
    await asyncio.sleep(6)


@action("readers", _draw_two)
async def report_and_export(story: Story, who: str, other: str) -> None:
    """Report a result, and use /privacy export as its requester and as the reporter."""
    asked, _ = await result(story, who, "pictures")
    await send_report(story, await press_button(story, asked.number, other, "Report", 2))
    for person in (who, other):
        await story.answer(await story.slash(person, f"dm:{person}", "privacy export", {}))
    await asyncio.sleep(2)


@action(
    "readers",
    who=MEMBERS,
    typed=(f"{FORBIDDEN}", f"{FORBIDDEN};=1+1", "nice;=1+1", "nice|@SUM(1)"),
    private=0.6,
    weight=2,
)
async def type_for_the_record(story: Story, who: str, typed: str, *, private: bool) -> None:
    """Type a forbidden word, or text that a spreadsheet would execute as a formula."""
    mark = new_mark(story)
    options: dict[str, Any] = {"prompt": f"a {mark} {typed}"} | ({"private": True} if private else {})
    sent = await story.slash(who, "pictures", "generate picture", options)
    if sent is not None:
        facts: dict[str, Any] = {"private": private, "count": 1, "deployment": "picture"}
        story.asked(who, "pictures", sent, mark=mark, options=options, **facts)
        await story.answer(sent)
        await asyncio.sleep(4)


@action("readers", who=MEMBERS, pause=(0.1, 1.0))
async def enlarge_two(story: Story, who: str, pause: float) -> None:
    """Upscale two of one's own pictures in quick succession, by the message command."""
    for _ in range(2):
        message = picture_message(story, who)
        sent = await story.use_on(who, message, "Upscale") if message is not None else None
        if sent is not None:
            facts: dict[str, Any] = {"private": False, "count": 1, "deployment": "upscale"}
            story.asked(who, "pictures", sent, mark=new_mark(story), how="own menu", **facts)
        await asyncio.sleep(pause)
    await asyncio.sleep(6)


@action("readers", lambda chance: _draw_two(chance) | {"channel": chance.random() < 0.6}, weight=2)
async def use_defaults(story: Story, who: str, other: str, *, channel: bool) -> None:
    """Set a preset as one's own default, perhaps another as the channel's, and send plain requests."""
    for person, name, own in (("mona", "shared", False), (who, "mine", True)):
        if own or channel:
            made = await request(story, person, "pictures")
            await started(story, made)
            prompt = {"name": name, "prompt": "{prompt}, by " + name}
            await story.answer(await story.slash(person, "pictures", "preset save", prompt))
            if not own:
                await story.answer(await story.slash(person, "pictures", "preset share", {"name": name}))
            default: dict[str, Any] = {"name": name} | ({} if own else {"channel": True})
            await story.answer(await story.slash(person, "pictures", "preset default", default))
    for person in (who, other):
        await request(story, person, "pictures")
    await asyncio.sleep(6)


@action("readers", who=MEMBERS, times=(13, 16))
async def press_many_times(story: Story, who: str, times: int) -> None:
    """Press Cancel many times while ComfyDeploy can't stop the run, and then Again many times."""
    asked, run = await held_run(story, who, "pictures", faults={"cancel_supported": False})
    await press_when_shown(story, who, asked, "Cancel", 2)
    pressed = [press for press in story.presses if press.custom_id.endswith(":cancel")]
    for _ in range(times if pressed else 0):
        await story.forge(who, pressed[-1].message, pressed[-1].custom_id)
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)
    story.world.comfydeploy.release(run.id)
    shown = await outcome(story, asked)
    custom_ids = [each for each in shown.custom_ids if each.endswith(":again")] if shown else []
    if shown is not None and custom_ids:
        derived(story, asked, await story.forge(who, shown, custom_ids[0]), who, "again")
        for _ in range(times):
            await asyncio.sleep(0.1)
            await story.forge(who, shown, custom_ids[0])
    await asyncio.sleep(6)


@action("readers", who=MEMBERS, hours=(2, 5))
async def clock_is_a_year_ahead(story: Story, who: str, hours: int) -> None:
    """Set the bot's clock more than a year ahead after a result was shown."""
    await outcome(story, await request(story, who, "pictures"))
    for process in story.world.running:
        process.ahead += _YEAR
    story.strike(f"the bot's clock is set by {_YEAR:.0f} s")
    for _ in range(hours):
        await asyncio.sleep(2)
        jump(story, 3600)
    await asyncio.sleep(2)
