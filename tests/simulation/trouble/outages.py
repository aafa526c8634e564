"""Actions: people continue while a service or the database is unavailable or slow."""

from __future__ import annotations

import asyncio

from tests.chaos.faults import POST
from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import held_run, request, started
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Draw, action, sample
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import database_leaves
from tests.simulation.trouble.services import away, jump

_DEPLOYMENTS = ("picture", "several", "text")


@action("away", weight=2)
async def requests_in_an_outage(story: Story, draw: Draw) -> None:
    """Send requests while ComfyDeploy answers 503; earlier runs have ended."""
    people = draw(people=lambda chance: chance.choices(MEMBERS, k=chance.choice((2, 3, 4))))
    gap, seconds, several = draw(gap=(0.0, 0.3, 2.0, 6.0), seconds=(20, 45), several=0.3)
    jump(story, 60)
    with away(story, "ComfyDeploy"):
        for number, who in enumerate(people):
            await request(story, who, "pictures", _DEPLOYMENTS[number % 3 if several else 0])
            await asyncio.sleep(gap)
        await asyncio.sleep(seconds)
        for _ in people:
            story.world.next_faults({"queue_delay": 1.5})
    await asyncio.sleep(12)


@action("away", weight=2)
async def runs_in_an_outage(story: Story, draw: Draw) -> None:
    """Let ComfyDeploy be away during a run, which meanwhile ends or passes its deadline."""
    (who, other), before, seconds, late = draw(
        people=sample(MEMBERS, 2), before=(3, 57, 57, 92), seconds=(9, 14), late=0.5
    )
    _, run = await held_run(story, who, "pictures")
    await asyncio.sleep(before)
    with away(story, "ComfyDeploy"):
        await request(story, other, f"dm:{other}", "text")
        await asyncio.sleep(2)
        if late:
            jump(story, 130)
        else:
            story.world.comfydeploy.release(run.id)
        await asyncio.sleep(seconds)
    await asyncio.sleep(1 if late else 16)
    story.world.comfydeploy.release(run.id)
    await asyncio.sleep(20)


@action("away", weight=4)
async def posts_fail(story: Story, draw: Draw) -> None:
    """Let posts in a channel fail for longer than discord.py retries them.

    If the token has `expired`, only a post can show the result.
    """
    who, where, expired = draw(who=MEMBERS, where=("pictures", "adult", "thread"), expired=0.5)
    status, seconds = draw(status=(500, 500, 502, 503), seconds=(40, 60, 90, 120))
    channel = story.world.channel(where)
    asked, run = await held_run(story, who, where)
    asked.interaction.created_at -= 900 if expired else 0
    rule = story.discord.faults.add(
        POST, Fault.answer(status), times=None, where=lambda at: int(at["channel_id"]) == channel.id
    )
    with away(story, "posting"):
        story.world.comfydeploy.release(run.id)
        await asyncio.sleep(seconds)
        story.discord.faults.remove(rule)
    await asyncio.sleep(5)


@action("away", weight=2)
async def database_leaves_a_run(story: Story, draw: Draw) -> None:
    """Let every statement fail for some seconds during a run."""
    who, where = draw(who=MEMBERS, where=("pictures", "adult"))
    after, seconds = draw(after=(0.0, 0.5, 1.5, 2.5), seconds=(3, 8))
    await started(story, await request(story, who, where), status="running")
    await asyncio.sleep(after)
    with away(story, "the database"):
        database_leaves(story, seconds)
        await asyncio.sleep(seconds)
