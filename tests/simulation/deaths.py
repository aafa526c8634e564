"""The bot dies during or shortly after a call to Discord."""

from __future__ import annotations

import random
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation import faults
from tests.simulation.life import Life
from tests.simulation.steps import action
from tests.simulation.story import Story


def kill_after_call(story: Story, route: str, *, nth: int, back: float) -> None:
    """Kill the bot before the nth COMMIT that follows the next call of a route."""
    armed = [False]
    left = [nth]

    def watch(_: Any) -> bool:
        armed[0] = True
        return False

    def strike(life: Life, sql: str, done: bool) -> None:
        if armed[0] and not done and sql.lstrip().upper().startswith("COMMIT"):
            left[0] -= 1
            if left[0] == 0:
                faults.kill_life(story, life, back, f"before the {nth}. COMMIT after {route}")

    story.world.discord.faults.add(route, Fault.drop_before(), times=None, where=watch)
    faults.add_strike(strike)
    story.strike(f"a kill before the {nth}. COMMIT after {route}")


@action(
    "kill",
    lambda chance: {
        "route": chance.choice(faults.ROUTES),
        "nth": chance.choice((1, 1, 2, 3)),
        "back": round(chance.choice((0.1, 1.0, 10.0)), 1),
    },
)
async def kill_after(story: Story, route: str, nth: int, back: float) -> None:
    """Kill the bot before a COMMIT that follows a call of Discord."""
    kill_after_call(story, route, nth=nth, back=back)


def _draw_during(chance: random.Random) -> dict[str, Any]:
    return {
        "route": chance.choice(faults.ROUTES),
        "nth": chance.choice((1, 1, 2, 3)),
        "done": chance.random() < 0.7,
        "away": chance.choice((0.5, 5.0, 400.0, 4000.0)),
    }


@action("kill", _draw_during, weight=2)
async def kill_during(story: Story, route: str, nth: int, away: float, *, done: bool) -> None:
    """Kill the bot while Discord carries out a call; it may come back when Discord has forgotten nonces."""
    world = story.world
    left = [nth]

    def watch(_: Any) -> bool:
        left[0] -= 1
        if left[0] != 0:
            return False
        for process in world.running[:1]:
            wait = 0.5 if done else 0.0
            world.loop.call_later(
                wait, faults.kill_life, story, process.life, min(away, 5), f"during {route}"
            )
        if away > 5:
            world.loop.call_later(1.0, lambda: faults.jump(story, away))
        return True

    effect = Fault.delay(1.0, after=True) if done else Fault.drop_before()
    world.discord.faults.add(route, effect, times=1, where=watch)
    story.strike(f"a kill during the {nth}. {route}, {'after' if done else 'before'} it is done")
