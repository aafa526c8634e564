"""Draw a round from a seed, play it, let everything come to rest, and judge it."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation import faults, people
from tests.simulation.boundaries import STATEMENTS
from tests.simulation.loop import Deadlock, VirtualLoop
from tests.simulation.patches import TIME, entropy
from tests.simulation.steps import Step, choose, play
from tests.simulation.story import Story
from tests.simulation.world import DEPLOYMENTS, World

# How a round may go wrong, and how likely each kind is.
KINDS = {
    "discord": 0.45,
    "run": 0.6,
    "comfydeploy": 0.1,
    "outage": 0.08,
    "database": 0.15,
    "kill": 0.35,
    "threads": 0.05,
    "clock": 0.05,
    "place": 0.2,
    "press": 0.6,
    "moderate": 0.3,
    "command": 0.2,
}


def draw(seed: str) -> list[Step]:
    """Draw the steps of a round: up to four requests, and trouble around them."""
    chance = random.Random(f"{seed}-outline")
    before: list[Step] = []
    steps: list[Step] = []
    count = chance.choice((1, 2, 2, 3, 4))
    for number in range(count):
        own = random.Random(f"{seed}-ask-{number}")
        steps.append(_step(own, "ask"))
    for kind, likely in KINDS.items():
        own = random.Random(f"{seed}-{kind}")
        while own.random() < likely:
            step = _step(own, kind)
            # Trouble may begin before the first request, or after any of them.
            place = own.randrange(len(steps) + 1) if kind not in ("press", "moderate") else len(steps)
            steps.insert(place, step)
            likely *= 0.6
    return before + steps


def _step(chance: random.Random, kind: str) -> Step:
    after = chance.choice((0.0, 0.0, 0.05, 0.3, 1.0, 2.0, 5.0))
    drawn = choose(chance, kind)
    return Step(after, drawn.name, drawn.draw(chance))


@dataclass
class Result:
    """What came of a round."""

    seed: str
    steps: Sequence[Step]
    broken: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    requests: int = 0
    kills: int = 0
    faults: int = 0
    seconds: float = 0.0


async def _play(world: World, steps: Sequence[Step], result: Result) -> None:
    story = Story(world)
    await world.open()
    try:
        await world.start()
        for step in steps:
            await asyncio.sleep(step.after)
            world.note("step", str(step))
            await play(story, step)
        await _rest(story)
        result.broken += await _judge(story)
        await world.stop()
    finally:
        result.requests, result.faults = len(story.asks), len(story.struck)
        await world.close()


async def _rest(story: Story) -> None:
    """Stop all trouble, and give everything time to end."""
    world = story.world
    world.discord.faults.clear()
    world.comfydeploy.world.plan.away = False
    STATEMENTS.strike = None
    world.loop.executor_delay = lambda _life, _name: 0.0
    world.note("trouble", "all faults stop")
    await asyncio.sleep(20)


async def _judge(story: Story) -> list[str]:
    return []


def play_round(seed: str, steps: Sequence[Step], folder: Path) -> Result:
    """Play the steps in a fresh world."""
    result = Result(seed, steps)
    TIME.restart()
    entropy.restart(seed)
    folder.mkdir(parents=True)
    shutil.copyfile(DEPLOYMENTS, folder / "deployments.toml")
    loop = VirtualLoop(random.Random(f"{seed}-order"))
    asyncio.set_event_loop(loop)
    world = World(loop, folder, seed)
    world.database_url = f"sqlite+aiosqlite:///{folder}/bot.db"
    try:
        loop.run_until_complete(_play(world, steps, result))
    except Deadlock as error:
        result.broken.append(f"deadlock: {error}")
    finally:
        result.seconds = TIME.monotonic - 1000
        result.broken += [f"an error in the loop: {error}" for error in loop.errors]
        result.broken += [f"a callback took too long: {slow}" for slow in loop.slow_callbacks]
        result.log = [str(entry) for entry in world.log]
        loop.bury()
        shutil.rmtree(folder, ignore_errors=True)
    return result


_ = faults, people
