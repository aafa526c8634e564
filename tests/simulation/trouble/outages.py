"""Actions: people continue while a service or the database is unavailable or slow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakediscord.faults import Fault
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import held_run, request, started
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.trouble.database import database_away
from tests.simulation.trouble.services import POST, jump

_RULES = "GET /guilds/{guild_id}/auto-moderation/rules"


@contextmanager
def away(story: Story, what: str) -> Iterator[None]:
    """Record the block as an outage, in which ComfyDeploy answers 503 if it is the one that is away."""
    since, plan = TIME.monotonic, story.world.comfydeploy.world.plan
    story.strike(f"{what} is away")
    plan.away = what == "ComfyDeploy"
    try:
        yield
    finally:
        plan.away = False
        story.away.append((what, since, TIME.monotonic))
        story.strike(f"{what} is back")


@action(
    "away",
    people=lambda chance: chance.choices(MEMBERS, k=chance.choice((2, 3, 4))),
    gaps=lambda chance: [round(chance.choice((0.0, 0.3, 2.0, 6.0)), 1) for _ in range(4)],
    seconds=(20, 45),
    deployments=(["picture"], ["several"], ["picture", "text", "several"]),
    weight=2,
)
async def requests_in_an_outage(
    story: Story, people: list[str], gaps: list[float], seconds: float, deployments: list[str]
) -> None:
    """Send requests while ComfyDeploy answers 503; earlier runs have ended."""
    jump(story, 60)
    with away(story, "ComfyDeploy"):
        for who, gap in zip(people, gaps, strict=False):
            await request(story, who, "pictures", deployments[int(gap) % len(deployments)])
            await asyncio.sleep(gap)
        await asyncio.sleep(seconds)
        for _ in people:
            story.world.next_faults({"queue_delay": 1.5})
    await asyncio.sleep(12)


@action(
    "away",
    who=MEMBERS,
    where=("pictures", "adult", "thread"),
    status=(500, 500, 502, 503),
    seconds=(40, 60, 90, 120),
    expired=0.5,
    weight=4,
)
async def posts_fail(
    story: Story, who: str, where: str, status: int, seconds: float, *, expired: bool
) -> None:
    """Let posts in a channel fail for longer than discord.py retries them.

    If the token has `expired`, only a post can show the result.
    """
    channel = story.world.channel(where)
    asked, run = await held_run(story, who, where)
    asked.interaction.created_at -= 900 if expired else 0
    rule = story.world.discord.faults.add(
        POST, Fault.answer(status), times=None, where=lambda at: int(at["channel_id"]) == channel.id
    )
    with away(story, "posting"):
        story.world.comfydeploy.release(run.id)
        await asyncio.sleep(seconds)
        story.world.discord.faults.remove(rule)
    await asyncio.sleep(5)


@action(
    "away", who=MEMBERS, where=("pictures", "adult"), after=(0.0, 0.5, 1.5, 2.5), seconds=(3, 8), weight=2
)
async def database_leaves_a_run(story: Story, who: str, where: str, after: float, seconds: float) -> None:
    """Let every statement fail for some seconds during a run."""
    await started(story, await request(story, who, where), status="running")
    await asyncio.sleep(after)
    with away(story, "the database"):
        await database_away(story, seconds)
        await asyncio.sleep(seconds)


@action("words", who=MEMBERS, minutes=(20, 70, 70, 200), status=(500, 503), weight=1)
async def rules_unreadable(story: Story, who: str, minutes: float, status: int) -> None:
    """Let Discord fail to return a server's AutoMod rules after they were read once, and send requests."""
    await request(story, who, "pictures")
    rule = story.world.discord.faults.add(_RULES, Fault.answer(status), times=None)
    with away(story, "AutoMod"):
        jump(story, minutes * 60)
        await asyncio.sleep(1)
        for _ in range(2):
            await request(story, who, "pictures")
            await asyncio.sleep(1)
        story.world.discord.faults.remove(rule)


@action(
    "away",
    people=lambda chance: chance.sample(MEMBERS, 2),
    before=(3, 57, 57, 92),
    seconds=(9, 14),
    late=0.5,
    weight=2,
)
async def runs_in_an_outage(
    story: Story, people: list[str], before: float, seconds: float, *, late: bool
) -> None:
    """Let ComfyDeploy be away during a run, which meanwhile ends or passes its deadline."""
    who, other = people
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


@action("limits", people=lambda chance: chance.sample(MEMBERS, 3), gap=(0.0, 0.2, 1.0))
async def one_machine_fails(story: Story, people: list[str], gap: float) -> None:
    """Let the queue call of one deployment fail while people wait for other deployments."""
    story.world.next_faults({"queue_status": 500})
    for who, deployment in zip(people, ("picture", "several", "text"), strict=True):
        await request(story, who, "pictures", deployment)
        await asyncio.sleep(gap)
    await asyncio.sleep(40)


@action("limits", people=lambda chance: chance.sample(MEMBERS, 3), seconds=(3.0, 5.0))
async def slow_posts(story: Story, people: list[str], seconds: float) -> None:
    """Delay Discord's posts while many results arrive in one channel."""

    def watch(parameters: dict[str, str]) -> bool:
        story.slow_posts.append((TIME.monotonic, parameters["channel_id"], seconds))
        return True

    rule = story.world.discord.faults.add(POST, Fault.delay(seconds), times=None, where=watch)
    for who, deployment in zip(people, ("picture", "several", "text"), strict=True):
        for _ in range(2):
            await request(story, who, "pictures", deployment)
    await asyncio.sleep(25)
    story.world.discord.faults.remove(rule)
