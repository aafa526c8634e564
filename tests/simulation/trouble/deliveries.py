"""Outcomes meet trouble at a chosen moment: during a post, before their cleanup, in their downloads."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.people.asking import outcome, request, started
from tests.simulation.people.copying import set_mark
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import kill_life
from tests.simulation.trouble.outages import away
from tests.simulation.trouble.services import ANSWER, CALLBACK, MESSAGE, MESSAGES, jump

_POST = f"POST {MESSAGES}"
# Discord knows a nonce for a few minutes. In a jump, it keeps those that discord.py may still repeat.
_NONCES_IN_USE = 45.0
_NONCES_FORGOTTEN = 400.0
# Longer than a drip may last, and too short for a picture at one byte per second.
_DRIPPING = 60.0
# discord.py repeats an answer for so long.
_ANSWERS_END = 30.0


def kill_at_call(story: Story, route: str, nth: int, *, done: bool, back: float) -> None:
    """Kill the bot at the nth call of a route from now on, before or after Discord has carried it out."""
    left = [nth]

    def watch(_: Any) -> bool:
        left[0] -= 1
        if left[0] != 0:
            return False
        for process in story.world.running:
            story.world.loop.call_later(
                0.5 if done else 0.0, kill_life, story, process.life, back, f"at the {nth}. {route}"
            )
        return True

    effect = Fault.delay(1.0, after=True) if done else Fault.drop_before()
    story.world.discord.faults.add(route, effect, times=1, where=watch)
    story.strike(f"a kill at the {nth}. {route}, {'after' if done else 'before'} it is done")


def _draw_cleanup(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "where": chance.choice(("pictures", "adult", "thread")),
        "deployment": chance.choice(("picture", "several", "text")),
        "back": chance.choice((0.1, 1.0, 5.0)),
    }


@action("delivery", _draw_cleanup)
async def kill_at_cleanup(story: Story, who: str, where: str, deployment: str, back: float) -> None:
    """Kill the bot when it has posted an outcome and is about to remove the status message."""
    kill_at_call(story, f"DELETE {ANSWER}", 1, done=False, back=back)
    await outcome(story, await request(story, who, where, deployment), files=False)
    await asyncio.sleep(back + 5)


def _draw_parts(chance: random.Random) -> dict[str, Any]:
    # Four runs make more pictures than one message takes.
    count = chance.choice((1, 2, 4))
    return {
        "who": chance.choice(MEMBERS),
        "where": chance.choice(("pictures", "adult", "thread")),
        "count": count,
        "nth": chance.choice((1, 2)) if count == 4 else 1,
        "forgotten": chance.random() < 0.8,
    }


@action("delivery", _draw_parts, weight=2)
async def kill_after_a_post(
    story: Story, who: str, where: str, count: int, nth: int, *, forgotten: bool
) -> None:
    """Kill the bot after a post that it hasn't noted, perhaps until Discord has forgotten the nonce."""
    kill_at_call(story, _POST, nth, done=True, back=_NONCES_IN_USE + 10)
    options = {"count": count} if count > 1 else {}
    asked = await request(story, who, where, "several" if count > 1 else "picture", **options)
    killed = await story.world.until(lambda: not story.world.running, 20)
    if asked is None or not killed:
        story.skip("no post began")
        return
    await asyncio.sleep(_NONCES_IN_USE)
    if forgotten:
        jump(story, _NONCES_FORGOTTEN)
    await asyncio.sleep(15)


def _draw_closed(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "where": chance.choice(("pictures", "adult", "thread")),
        "status": chance.choice((500, 500, 502, 503)),
        "seconds": chance.choice((60, 120)),
    }


@action("delivery", _draw_closed)
async def posts_fail_late(story: Story, who: str, where: str, status: int, seconds: float) -> None:
    """Let posts in one channel fail for a while after a long run, when only posts can show its result."""
    channel = story.world.channel(where)
    story.world.next_faults({"hold_at": "running"})
    asked = await request(story, who, where)
    run = await started(story, asked, status="running")
    if asked is None or run is None:
        story.skip("no run started")
        return
    asked.interaction.created_at -= 900
    rule = story.world.discord.faults.add(
        _POST, Fault.answer(status), times=None, where=lambda at: int(at["channel_id"]) == channel.id
    )
    with away(story, "posting"):
        story.world.comfydeploy.release(run.id)
        await asyncio.sleep(seconds)
        story.world.discord.faults.remove(rule)
    await asyncio.sleep(5)


@action(
    "delivery",
    lambda chance: {
        "who": chance.choice(MEMBERS),
        "deployment": chance.choice(("picture", "several")),
        "body": chance.choice(("slow", "private-redirect")),
    },
)
async def files_misbehave(story: Story, who: str, deployment: str, body: str) -> None:
    """Let a run's files arrive at one byte per second, or lead to a private address."""
    story.world.next_faults({"body": body})
    story.strike(f"the files of the next run: {body}")
    if await started(story, await request(story, who, "pictures", deployment)) is not None:
        await asyncio.sleep(_DRIPPING)


@action(
    "ages", lambda chance: {"who": chance.choice(MEMBERS), "back": chance.choice((0.1, 1.0, 5.0))}, weight=2
)
async def unmark_between_parts(story: Story, who: str, back: float) -> None:
    """Unmark a channel that has a part of an age-restricted result, and kill the bot when it deletes that."""
    kill_at_call(story, _POST, 2, done=False, back=3)
    asked = await request(story, who, "adult", "several", count=4)
    if asked is None or not await story.world.until(lambda: not story.world.running, 20):
        story.skip("no second part began")
        return
    set_mark(story, story.world.channel("adult"), nsfw=False)
    kill_at_call(story, f"DELETE {MESSAGE}", 1, done=False, back=back)
    await asyncio.sleep(back + 15)


def _draw_refused(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "where": chance.choice(("pictures", "adult", "thread")),
        "busy": chance.choice((2, 4, 6)),
    }


@action("delivery", _draw_refused)
async def answer_refused_after_start(story: Story, who: str, where: str, busy: int) -> None:
    """Show an answer with a 500, refuse its last repetition, and let ComfyDeploy be busy in between."""
    faults = story.world.discord.faults
    seen: list[str] = []

    def first(parameters: dict[str, str]) -> bool:
        seen.append(parameters["webhook_id"])
        return parameters["webhook_id"] == seen[0]

    # Earlier answers have arrived by then.
    await asyncio.sleep(1)
    faults.add(f"POST {CALLBACK}", Fault.answer_after(500), times=1, where=first)
    faults.add(f"POST {CALLBACK}", Fault.answer(500), times=3, where=first)
    faults.add(f"POST {CALLBACK}", Fault.answer(404), times=1, where=first)
    story.strike("Discord shows the next answer with a 500, and refuses it at last")
    for _ in range(busy):
        story.world.next_faults({"queue_status": 429})
    await request(story, who, where)
    await asyncio.sleep(_ANSWERS_END)
