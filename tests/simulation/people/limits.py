"""Actions: many requests at once reach the limits of people, servers and the operator."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import open_list, press_when_shown, release_all, request, runs_of, started
from tests.simulation.people.moderators import open_cards
from tests.simulation.people.requests import MEMBERS, send_request
from tests.simulation.setup import open_panel
from tests.simulation.steps import action
from tests.simulation.story import Story, Weight

_HELD = {"hold_at": "running"}


_PEOPLE: dict[str, Any] = {"people": lambda chance: chance.sample(MEMBERS, 3), "pause": (0.0, 0.5)}


@action("limits", **_PEOPLE)
async def come_late(story: Story, people: list[str], pause: float) -> None:
    """Let one person fill the queue, and others send as many requests after the first runs started."""
    many = await request(story, people[0], "pictures", count=4)
    await request(story, people[0], "pictures", count=4)
    await story.world.until(lambda: len(runs_of(story, many)) >= 4, 20)
    for who in people[1:]:
        await asyncio.sleep(pause)
        await request(story, who, "pictures", count=4)
    await asyncio.sleep(40)


@action("limits", **_PEOPLE)
async def cancel_and_wait(story: Story, people: list[str], pause: float) -> None:
    """Cancel a batch that waits while another run of the same person and a batch of somebody else wait."""
    for _ in range(2):
        story.world.next_faults(_HELD)
    held = await request(story, people[0], "pictures", count=2)
    await started(story, held, status="running")
    many = await request(story, people[1], "pictures", count=4)
    await request(story, people[1], "pictures")
    await request(story, people[2], "pictures", count=4)
    await asyncio.sleep(pause)
    await press_when_shown(story, people[1], many, "Cancel", 2)
    await asyncio.sleep(1)
    release_all(story)
    await asyncio.sleep(20)


@action("limits", who=MEMBERS, count=(3, 4, 4))
async def all_at_once(story: Story, who: str, count: int) -> None:
    """Send more requests at the same instant than may wait."""
    for _ in range(4):
        await send_request(story, who, "pictures", "picture", count=count)
    await asyncio.sleep(30)


@action("limits", people=lambda chance: chance.sample(MEMBERS, 3), ceiling=(130, 200))
async def use_up_the_day(story: Story, people: list[str], ceiling: int) -> None:
    """Request more in several places than the operator's GPU seconds per day allow."""
    for _ in range(6):
        story.world.next_faults(_HELD)
    places = ("pictures", f"dm:{people[1]}", f"dm:{people[2]}")
    for who, where in zip(people, places, strict=True):
        await request(story, who, where, "picture" if who != people[2] else "several", count=2)
    await asyncio.sleep(12)
    release_all(story)
    await asyncio.sleep(10)


@action("limits", who=MEMBERS, factor=(5, 20), before=(True, True, False))
async def weigh_and_approve(story: Story, who: str, factor: int, *, before: bool) -> None:
    """Change a GPU's weight before a request for it is approved, or before it is sent."""
    story.world.next_faults(_HELD)
    asked = await request(story, who, "requests", gpu="H100") if before else None
    panel = await open_panel(story, "mona", "requests")
    await panel.change("gpus", "H100", gpu_weights=str(factor))
    if str(factor) in panel.text:
        guild = story.world.cast.guilds["reviewed"]
        story.weights.append(Weight(TIME.monotonic, guild, "H100", factor))
    asked = asked or await request(story, who, "requests", gpu="H100")
    await story.world.until(lambda: open_cards(story), 4)
    for card in open_cards(story):
        await story.answer(await story.press("mona", card, "Approve"))
    await started(story, asked, status="running")
    await asyncio.sleep(15)
    await open_list(story, who, "requests", "usage")
    release_all(story)
    await asyncio.sleep(5)
