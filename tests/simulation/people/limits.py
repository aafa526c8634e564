"""Actions: many requests reach the limits of people, servers and the operator, or show estimates."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

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


# Estimates. Runs are held for a while, because simulated runs are otherwise too short for an estimate. There
# are no faults, so the promises about estimates are checked strictly.

# Requests at the same time: the person's index, the place, the deployment, and for each run the factor of the
# usual seconds that it takes. A negative run starts late. In the third row, a person asks for more than they
# may have at once, of a deployment with free capacity.
_THEN: dict[str, Sequence[tuple[int, str, str, Sequence[float]]]] = {
    "one": [(0, "pictures", "picture", [0.9])],
    "late batch": [(0, "pictures", "picture", [3, -1.5])],
    "at the limit": [
        (0, "pictures", "several", [2, 2]),
        (0, "adult", "restricted", [2]),
        (0, "pictures", "picture", [1]),
    ],
    "queue": [(number, "pictures", "picture", [1, 1]) for number in range(3)],
}


@action("durations")
async def durations(story: Story, draw: Draw) -> None:
    """Let some runs end, then send requests whose status messages may show an estimate."""
    people, usual = draw(**_PEOPLE, usual=(14, 20, 25))
    failures, successes = draw(failures=(0, 0, 5, 6), successes=(0, 3, 6, 6, 6, 6, 6))
    then = draw(then=("one", "late batch", "late batch", "at the limit", "at the limit", "queue"))
    for person, count, faults in ((people[1], failures, {"ends_as": "failed"}), (people[2], successes, {})):
        for first in range(0, count, 3):
            await _play(story, person, f"dm:{person}", "picture", [usual] * min(count - first, 3), faults)
    # The bot checks so often whether there are enough successes.
    await asyncio.sleep(25)
    playing = []
    for number, where, deployment, factors in _THEN[then]:
        held = [factor * usual for factor in factors]
        playing.append(asyncio.ensure_future(_play(story, people[number], where, deployment, held)))
        await asyncio.sleep(4 if then == "at the limit" else 0)
    await asyncio.gather(*playing)


async def _play(
    story: Story,
    who: str,
    where: str,
    deployment: str,
    held: Sequence[float],
    faults: Mapping[str, Any] = {},
) -> None:
    """Request runs, let each run for its seconds, or wait in the queue if negative, and wait for the end."""
    for seconds in held:
        story.world.next_faults({"hold_at": "running" if seconds > 0 else "queued", **faults})
    asked = await request(story, who, where, deployment, count=len(held))
    await asyncio.gather(*(_release(story, asked, number, abs(each)) for number, each in enumerate(held)))
    await story.world.until(lambda: all(run.ended for run in runs_of(story, asked)), 20)
    await asyncio.sleep(3)


async def _release(story: Story, asked: Any, number: int, seconds: float) -> None:
    def is_held() -> bool:
        runs = runs_of(story, asked)
        return len(runs) > number and runs[number].released.is_waited_for

    if await story.world.until(is_held, 60):
        await asyncio.sleep(seconds)
        story.world.comfydeploy.release(runs_of(story, asked)[number].id)
