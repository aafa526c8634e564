"""Actions for several processes: work that outlives its lease, and an end of a claim without a reply."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.engine.boundaries import ConnectionLost
from tests.simulation.engine.life import Life
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import request, runs_of, started
from tests.simulation.people.requests import MEMBERS
from tests.simulation.setup import open_panel
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.database import add_strike, counts
from tests.simulation.trouble.services import POST, jump

_CHANNEL = "GET /channels/{channel_id}"
# Seconds, a little more than a message's lease.
_LEASE = 62


@action("leases", who=MEMBERS, jumps=(2, 3, 4))
async def sleep_during_a_post(story: Story, who: str, jumps: int) -> None:
    """Let the machine sleep for longer than a lease while Discord's rate limit delays a post."""
    reached: list[Any] = []

    def watch(params: Any) -> bool:
        reached.append(params)
        return True

    await started(story, await request(story, who, "pictures"))
    fault = Fault.rate_limit(_LEASE * jumps + 20)
    rule = story.world.discord.faults.add(POST, fault, times=1, where=watch)
    await story.world.until(lambda: reached, 15)
    for _ in range(jumps if reached else 0):
        await asyncio.sleep(0.3)
        jump(story, _LEASE)
    story.world.discord.faults.remove(rule)
    await asyncio.sleep(20)


@action("leases", who=MEMBERS, seconds=(2.0, 4.0), weight=2)
async def slow_channels(story: Story, who: str, seconds: float) -> None:
    """Delay Discord's description of a channel, which a messenger without a gateway asks for."""
    rule = story.world.discord.faults.add(_CHANNEL, Fault.delay(seconds), times=None)
    await started(story, await request(story, who, "adult", "restricted"))
    await asyncio.sleep(15)
    story.world.discord.faults.remove(rule)


# `seconds` is more than the 30 after which a worker that isn't woken looks for runs.
@action("leases", who=MEMBERS, seconds=(36.0, 40.0), weight=2)
async def unconfirmed_requeue(story: Story, who: str, seconds: float) -> None:
    """Let a process lose the database just after it requeued a run, which another process then starts."""
    world = story.world
    if not {"worker-1", "worker-2"} <= world.layout.keys():
        raise Skip("no other process starts runs")
    world.next_faults({"queue_status": 429})
    world.next_faults({"queue_delay": seconds + 6, "webhook_drop": True})
    lost: list[tuple[Life, float]] = []

    def strike(life: Life, sql: str, done: bool) -> None:
        calls = world.comfydeploy.call_log.queue_calls
        if not lost and calls and calls[-1].status == 429 and done and counts(sql, commits=True):
            lost.append((life, TIME.monotonic + seconds))
            story.strike(f"{life.name}: COMMIT fails, and the database is away for {seconds} s")
            raise ConnectionLost("the connection was lost")
        if lost and life is lost[0][0] and not done and TIME.monotonic < lost[0][1]:
            raise ConnectionLost("the connection was lost")

    add_strike(strike)
    await request(story, who, "pictures")
    await asyncio.sleep(seconds + 15)


@action("leases", waiting=(2, 2, 3), weight=2)
async def turned_away_in_a_race(story: Story, waiting: int) -> None:
    """End a run while several processes wait to start the next, and the first in the queue has no budget."""
    world = story.world
    jump(story, 60)
    asked = await request(story, "alice", "pictures", count=2)
    await started(story, asked)
    await world.until(lambda: all(run.ended for run in runs_of(story, asked)), 15)
    for _ in range(2):
        world.next_faults({"hold_at": "running"})
        await request(story, "bob", "pictures")
    await asyncio.sleep(2)
    await request(story, "alice", "pictures")
    for _ in range(waiting):
        await request(story, "carol", "pictures")
    panel = await open_panel(story, "mona", "pictures")
    await panel.change("member", runs_a_day="2")
    for run in world.comfydeploy.runs:
        if run.released.is_waited_for:
            world.comfydeploy.release(run.id)
            break
    await asyncio.sleep(15)
