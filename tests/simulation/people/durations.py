"""Actions: enough runs succeed for the bot to show estimates, and then people send more requests.

Runs are held for a while at ComfyDeploy, because simulated runs are otherwise too short for an estimate.
These actions cause no faults, so the promises about estimates are checked strictly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from demo.fake_comfydeploy.runs import Run
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import request, runs_of
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import action
from tests.simulation.story import Ask, Story

# Seconds after which the bot checks again whether there are enough successes for an estimate.
_LOOKS_AGAIN = 25.0
_LONGEST = 110.0


@action(
    "durations",
    successes=(0, 3, 6, 6, 6, 6, 6),
    failures=(0, 0, 5, 6),
    usual=(14, 20, 25),
    then=("one", "late batch", "late batch", "at the limit", "at the limit", "queue"),
    who=MEMBERS,
)
async def durations(
    story: Story, successes: int, failures: int, *, usual: float, then: str, who: str
) -> None:
    """Let some runs end, then send requests whose status messages may show an estimate."""
    others = [each for each in MEMBERS if each != who]
    for person, count, held in (
        (others[0], failures, {"hold_at": "running", "ends_as": "failed"}),
        (others[1], successes, {"hold_at": "running"}),
    ):
        for first in range(0, count, 3):
            runs = [(held, usual)] * min(count - first, 3)
            await _play(story, person, f"dm:{person}", "picture", runs)
    await asyncio.sleep(_LOOKS_AGAIN)
    await _THEN[then](story, who, others, usual)


async def _one(story: Story, who: str, _: Sequence[str], usual: float) -> None:
    """Request one run that takes about the usual time."""
    await _play(story, who, "pictures", "picture", [({"hold_at": "running"}, usual - 2)])


async def _late_batch(story: Story, who: str, _: Sequence[str], usual: float) -> None:
    """Request a batch whose first run takes much longer than usual and whose second one starts late."""
    late, waits = {"hold_at": "running"}, {"hold_at": "queued"}
    await _play(story, who, "pictures", "picture", [(late, 3 * usual), (waits, usual + 10)])


async def _at_the_limit(story: Story, who: str, _: Sequence[str], usual: float) -> None:
    """Request one more run than a person may have at once, of a deployment with free capacity."""
    held = {"hold_at": "running"}
    others = [
        asyncio.ensure_future(_play(story, who, where, name, [(held, 2 * usual)] * count))
        for where, name, count in (("pictures", "several", 2), ("adult", "restricted", 1))
    ]
    await asyncio.sleep(8)
    await _play(story, who, "pictures", "picture", [(held, usual)])
    await asyncio.gather(*others)


async def _queue(story: Story, who: str, others: Sequence[str], usual: float) -> None:
    """Let several people queue for the same deployment."""
    held = {"hold_at": "running"}
    await asyncio.gather(
        *(_play(story, each, "pictures", "picture", [(held, usual)] * 2) for each in (who, *others))
    )


_THEN = {"one": _one, "late batch": _late_batch, "at the limit": _at_the_limit, "queue": _queue}


async def _play(
    story: Story, who: str, where: str, deployment: str, held: Sequence[tuple[dict[str, Any], float]]
) -> None:
    """Request runs, release each after its seconds, and wait until all have ended."""
    for faults, _ in held:
        story.world.next_faults(faults)
    asked = await request(story, who, where, deployment, count=len(held))
    await _release(story, asked, [seconds for _, seconds in held])


async def _release(story: Story, asked: Ask, seconds: Sequence[float]) -> None:
    since: dict[str, float] = {}
    until = TIME.monotonic + _LONGEST
    while TIME.monotonic < until:
        runs: list[Run] = runs_of(story, asked)
        for run, held in zip(runs, seconds, strict=False):
            if (
                run.released.is_waited_for
                and TIME.monotonic - since.setdefault(run.id, TIME.monotonic) >= held
            ):
                story.world.comfydeploy.release(run.id)
        if len(runs) >= len(seconds) and all(run.ended for run in runs):
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(3)
