"""Actions that test access to logs and prompts, default presets, and the limit of presses."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.faults import POST
from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import (
    MORE,
    held_run,
    outcome,
    press_and_wait,
    press_delete,
    press_when_shown,
    request,
    result,
    started,
)
from tests.simulation.people.buttons import use_own_picture
from tests.simulation.people.copying import copy_shown
from tests.simulation.people.requests import MEMBERS, derived
from tests.simulation.steps import Choice, Draw, Skip, action, sample
from tests.simulation.story import Story

_TWO: dict[str, Choice] = {"people": sample(MEMBERS, 2)}


@action("readers", weight=3)
async def read_the_log(story: Story, draw: Draw) -> None:
    """Press Details of a failed run as its requester and as somebody else, once its log is archived.

    The log may get its last lines late, and the outcome may be posted late.
    """
    people, slow, late = draw(**_TWO, slow=0.4, late=0.6)
    asked, run = await held_run(story, people[0], "pictures", "trouble")
    rule = story.discord.faults.add(POST, Fault.answer(503), times=None if slow else 0)
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(7)
    if late:
        story.world.comfydeploy.world.write_log(run, f"RuntimeError: can't send to {run.webhook}\n")
    await asyncio.sleep(40 if slow else 33)
    story.discord.faults.remove(rule)
    if slow:
        story.strike("Discord took no posts for a while")
    await outcome(story, asked, files=False)
    for person in people:
        await press_and_wait(story, asked.number, person, "Details", 1)


@action("readers", weight=2)
async def look_at_a_share(story: Story, draw: Draw) -> None:
    """Share a result without its prompt, and press its buttons in the gallery as somebody else."""
    who, other = draw(**_TWO)
    asked, _ = await result(story, who, "pictures")
    shown = await copy_shown(story, asked, "Share")
    opened = [await story.answer(await story.press(other, shown, label)) for label in ("Edit", MORE)]
    behind = opened[1].original if opened[1] is not None else None
    if behind is not None:
        await story.answer(await story.press(other, behind, "Details"))


@action("readers")
async def start_from_deleted(story: Story, draw: Draw) -> None:
    """Press Again of somebody else's deleted result, in an ephemeral message that was opened before."""
    who, other = draw(**_TWO)
    asked, shown = await result(story, who, "pictures", count=2)
    opened = await story.answer(await story.press(other, shown, "1"))
    if opened is None or opened.original is None:
        raise Skip("the result has no numbers")
    await story.answer(await press_delete(story, who, shown))
    await asyncio.sleep(11)
    derived(story, asked, await story.press(other, opened.original, "Again"), "again")
    await asyncio.sleep(6)


@action("readers")
async def enlarge_two(story: Story, draw: Draw) -> None:
    """Upscale two of one's own pictures in quick succession, by the message command."""
    who, pause = draw(who=MEMBERS, pause=(0.1, 1.0))
    for _ in range(2):
        await use_own_picture(story, who, "Upscale")
        await asyncio.sleep(pause)
    await asyncio.sleep(6)


@action("readers", weight=2)
async def use_defaults(story: Story, draw: Draw) -> None:
    """Set a preset as one's own default, perhaps another as the channel's, and send plain requests."""
    (who, other), channel = draw(**_TWO, channel=0.6)
    for person, name in (("mona", "shared"), (who, "mine")) if channel else ((who, "mine"),):
        await started(story, await request(story, person, "pictures"))
        is_shared = {"channel": True} if name == "shared" else {}
        commands: dict[str, dict[str, Any]] = {
            "preset save": {"name": name, "prompt": "{prompt}, by " + name},
            "preset share": {"name": name},
            "preset default": {"name": name, **is_shared},
        }
        for command, options in commands.items():
            if command != "preset share" or is_shared:
                await story.answer(await story.slash(person, "pictures", command, options))
    for person in (who, other):
        await request(story, person, "pictures")
    await asyncio.sleep(6)


@action("readers")
async def press_many_times(story: Story, draw: Draw) -> None:
    """Press Cancel many times while ComfyDeploy can't stop the run, and then Again many times."""
    who, times = draw(who=MEMBERS, times=(13, 16))
    asked, run = await held_run(story, who, "pictures", faults={"cancel_supported": False})
    await press_when_shown(story, who, asked, "Cancel", 2)
    pressed = [press for press in story.presses if press.custom_id.endswith(":cancel")]
    for _ in range(times if pressed else 0):
        await story.forge(who, pressed[-1].message, pressed[-1].custom_id)
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)
    story.world.comfydeploy.release(run.id)
    shown = await outcome(story, asked)
    again = next(each for each in shown.custom_ids if each.endswith(":again"))
    derived(story, asked, await story.forge(who, shown, again), "again")
    for _ in range(times):
        await asyncio.sleep(0.1)
        await story.forge(who, shown, again)
    await asyncio.sleep(6)
