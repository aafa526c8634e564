"""The machine sleeps while a call is under way."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import request, started
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.trouble.services import MESSAGES, jump

_CHANNEL = "GET /channels/{channel_id}"
# A delivery's lease in seconds, and a little more.
_LEASE = 62


@action("sleep", lambda chance: {"who": chance.choice(MEMBERS), "jumps": chance.choice((2, 3, 4))})
async def sleep_during_a_post(story: Story, who: str, jumps: int) -> None:
    """Let the machine sleep for longer than a lease while Discord makes the post of a result wait."""
    reached: list[Any] = []

    def watch(params: Any) -> bool:
        reached.append(params)
        return True

    made = await started(story, await request(story, who, "pictures"))
    fault = Fault.rate_limit(_LEASE * jumps + 20)
    rule = story.world.discord.faults.add(f"POST {MESSAGES}", fault, times=1, where=watch)
    await story.world.until(lambda: reached, 15 if made else 0)
    for _ in range(jumps if reached else 0):
        await asyncio.sleep(0.3)
        jump(story, _LEASE)
    story.world.discord.faults.remove(rule)
    await asyncio.sleep(20)


@action("sleep", lambda chance: {"who": chance.choice(MEMBERS), "seconds": chance.choice((2.0, 4.0))})
async def slow_channels(story: Story, who: str, seconds: float) -> None:
    """Let Discord take its time to describe a channel, which a courier without a gateway asks for."""
    rule = story.world.discord.faults.add(_CHANNEL, Fault.delay(seconds), times=None)
    await started(story, await request(story, who, "adult", "restricted"))
    await asyncio.sleep(15)
    story.world.discord.faults.remove(rule)
