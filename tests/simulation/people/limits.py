"""Actions: many requests reach the limits of people, servers and the operator."""

from __future__ import annotations

import asyncio

from tests.simulation.people.asking import release_all, request, runs_of
from tests.simulation.people.requests import MEMBERS, send
from tests.simulation.steps import Choice, Draw, action, sample
from tests.simulation.story import Story

_HELD = {"hold_at": "running"}
_PEOPLE: dict[str, Choice] = {"people": sample(MEMBERS, 3)}


@action("limits")
async def come_late(story: Story, draw: Draw) -> None:
    """Let one person fill the queue, and others send as many requests after the first runs started."""
    people, pause = draw(**_PEOPLE, pause=(0.0, 0.5))
    many = await request(story, people[0], "pictures", count=4)
    await request(story, people[0], "pictures", count=4)
    await story.world.until(lambda: len(runs_of(story, many)) >= 4, 20)
    for who in people[1:]:
        await asyncio.sleep(pause)
        await request(story, who, "pictures", count=4)
    await asyncio.sleep(40)


@action("limits")
async def all_at_once(story: Story, draw: Draw) -> None:
    """Send more requests at the same instant than may wait."""
    who, count = draw(who=MEMBERS, count=(3, 4, 4))
    for _ in range(4):
        await send(story, who, "pictures", count=count)
    await asyncio.sleep(30)


@action("limits")
async def use_up_the_day(story: Story, draw: Draw) -> None:
    """Request more in several places than the operator's GPU seconds per day allow."""
    people = draw(**_PEOPLE)
    for _ in range(6):
        story.world.next_faults(_HELD)
    for number, who in enumerate(people):
        deployment = "several" if number == 2 else "picture"
        await request(story, who, f"dm:{who}" if number else "pictures", deployment, count=2)
    await asyncio.sleep(12)
    release_all(story)
    await asyncio.sleep(10)
