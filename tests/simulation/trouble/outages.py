"""A service or the database answers nothing for a while, and people go on."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.engine.life import Life
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import request, started
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.trouble.database import add_strike, counts
from tests.simulation.trouble.services import jump

_POST = "POST /channels/{channel_id}/messages"
_RULES = "GET /guilds/{guild_id}/auto-moderation/rules"


@contextmanager
def away(story: Story, what: str) -> Iterator[None]:
    """Note that something answers nothing inside the block."""
    since = TIME.monotonic
    story.strike(f"{what} is away")
    try:
        yield
    finally:
        story.away.append((what, since, TIME.monotonic))
        story.strike(f"{what} is back")


def _draw_waiting(chance: random.Random) -> dict[str, Any]:
    return {
        "people": chance.choices(MEMBERS, k=chance.choice((2, 3, 4))),
        "gaps": [round(chance.choice((0.0, 0.3, 2.0, 6.0)), 1) for _ in range(4)],
        "seconds": chance.choice((20, 45)),
    }


@action("away", _draw_waiting, weight=2)
async def requests_in_an_outage(story: Story, people: list[str], gaps: list[float], seconds: float) -> None:
    """Send requests while ComfyDeploy answers 503, after everything else has ended."""
    jump(story, 60)
    plan = story.world.comfydeploy.world.plan
    with away(story, "ComfyDeploy"):
        plan.away = True
        for who, gap in zip(people, gaps, strict=False):
            await request(story, who, "pictures")
            await asyncio.sleep(gap)
        await asyncio.sleep(seconds)
        plan.away = False


def _draw_errors(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "where": chance.choice(("pictures", "adult", "thread")),
        "status": chance.choice((500, 500, 502, 503)),
        "seconds": chance.choice((40, 90)),
    }


@action("away", _draw_errors, weight=2)
async def posts_fail(story: Story, who: str, where: str, status: int, seconds: float) -> None:
    """Let Discord answer every post with an error for longer than discord.py repeats it."""
    rule = story.world.discord.faults.add(_POST, Fault.answer(status), times=None)
    with away(story, "posting"):
        await request(story, who, where)
        await asyncio.sleep(seconds)
        story.world.discord.faults.remove(rule)


def _draw_database(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "where": chance.choice(("pictures", "adult")),
        "after": round(chance.choice((0.0, 0.5, 1.5, 2.5)), 1),
        "seconds": chance.choice((3, 8)),
    }


@action("away", _draw_database, weight=2)
async def database_away(story: Story, who: str, where: str, after: float, seconds: float) -> None:
    """Let every statement fail for a while during a run."""

    def strike(_: Life, sql: str, done: bool) -> None:
        if gone[0] and not done and counts(sql, commits=False):
            raise sqlite3.OperationalError("disk I/O error")

    gone = [False]
    add_strike(strike)
    await started(story, await request(story, who, where), status="running")
    await asyncio.sleep(after)
    with away(story, "the database"):
        gone[0] = True
        await asyncio.sleep(seconds)
        gone[0] = False


def _draw_rules(chance: random.Random) -> dict[str, Any]:
    return {
        "who": chance.choice(MEMBERS),
        "minutes": chance.choice((20, 70, 70, 200)),
        "status": chance.choice((500, 503)),
    }


@action("words", _draw_rules, weight=1)
async def rules_unreadable(story: Story, who: str, minutes: float, status: int) -> None:
    """Let Discord hide a server's AutoMod rules for a while after they were read, and send requests."""
    await request(story, who, "pictures")
    rule = story.world.discord.faults.add(_RULES, Fault.answer(status), times=None)
    with away(story, "AutoMod"):
        jump(story, minutes * 60)
        await asyncio.sleep(1)
        for _ in range(2):
            await request(story, who, "pictures")
            await asyncio.sleep(1)
        story.world.discord.faults.remove(rule)
