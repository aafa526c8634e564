"""Processes die, in the middle of anything, and are started again."""

from __future__ import annotations

import random
import signal
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.engine.life import Life
from tests.simulation.engine.process import Process
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.trouble.database import add_strike, counts, nth_call
from tests.simulation.trouble.services import CALLBACK, MESSAGE, MESSAGES, ROUTES, jump

# `which` is the process's place among those that run, and `back` when a supervisor starts it again.


def _draw_kill(chance: random.Random) -> dict[str, Any]:
    return {
        "nth": chance.choice((1, 2, 3, 4, 6, 9, 13)),
        "after": chance.random() < 0.5,
        "back": chance.choice((0.1, 1.0, 5.0, 30.0)),
    }


@action("kill", _draw_kill, weight=4)
async def kill_at_commit(story: Story, nth: int, *, after: bool, back: float) -> None:
    """Kill whichever process makes the nth COMMIT from now on, before or after it is carried out."""
    reached = nth_call(nth)

    def strike(life: Life, sql: str, done: bool) -> None:
        if done is after and counts(sql, commits=True) and reached():
            kill_life(story, life, back, f"{'after' if after else 'before'} a COMMIT")

    add_strike(strike)
    story.strike(f"a kill {'after' if after else 'before'} the {nth}. COMMIT")


_CALLS = {
    "post": f"POST {MESSAGES}",
    "callback": f"POST {CALLBACK}",
    "edit": f"PATCH {MESSAGE}",
    "delete": f"DELETE {MESSAGE}",
}


@action(
    "kill",
    lambda chance: {
        # Of those in the callback, some end in a known gap.
        "call": chance.choice((*("post", "edit", "delete") * 4, "callback")),
        "nth": chance.choice((1, 1, 2, 3)),
        "executed": chance.random() < 0.5,
        "back": chance.choice((0.1, 1.0, 5.0)),
    },
    weight=3,
)
async def kill_during_call(story: Story, call: str, nth: int, *, executed: bool, back: float) -> None:
    """Kill all processes during a call to Discord, which carries it out or not."""
    reached = nth_call(nth)

    def watch(_: Any) -> bool:
        if not reached():
            return False
        for process in story.world.running:
            kill_life(story, process.life, back, f"during the {nth}. {call}")
        return True

    fault = Fault.lose_reply() if executed else Fault.drop_before()
    story.world.discord.faults.add(_CALLS[call], fault, times=1, where=watch)
    story.strike(f"a kill during the {nth}. {call}, {'executed' if executed else 'not executed'}")


@action("kill", lambda chance: {"which": chance.randrange(5), "back": chance.choice((0.1, 1.0, 5.0, 30.0))})
async def kill_now(story: Story, which: int, back: float) -> None:
    for process in _chosen(story, which):
        kill_life(story, process.life, back, "in the middle")


@action("kill", lambda chance: {"which": chance.randrange(5), "back": chance.choice((0.1, 2.0, 20.0))})
async def terminate(story: Story, which: int, back: float) -> None:
    """Stop a process in order, and start it again."""
    for process in _chosen(story, which):
        story.strike(f"{process.life.name} gets SIGTERM")
        process.signal(signal.SIGTERM)
        # A stop takes at most ten seconds.
        story.world.launch_later(10 + back, process.life.name)


def _chosen(story: Story, which: int) -> list[Process]:
    running = story.world.running
    return [running[which % len(running)]] if running else []


def kill_life(story: Story, life: Life, back: float, where: str) -> None:
    for process in story.world.running:
        if process.life is life:
            story.strike(f"{life.name} is killed {where}")
            process.kill()
            story.world.launch_later(back, life.name)


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
                kill_life(story, life, back, f"before the {nth}. COMMIT after {route}")

    story.world.discord.faults.add(route, Fault.drop_before(), times=None, where=watch)
    add_strike(strike)
    story.strike(f"a kill before the {nth}. COMMIT after {route}")


@action(
    "kill",
    lambda chance: {
        "route": chance.choice(sorted({*ROUTES})),
        "nth": chance.choice((1, 1, 2, 3)),
        "back": round(chance.choice((0.1, 1.0, 10.0)), 1),
    },
)
async def kill_after(story: Story, route: str, nth: int, back: float) -> None:
    """Kill the bot before a COMMIT that follows a call of Discord."""
    kill_after_call(story, route, nth=nth, back=back)


def _draw_during(chance: random.Random) -> dict[str, Any]:
    return {
        "route": chance.choice(sorted({*ROUTES})),
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
            world.loop.call_later(wait, kill_life, story, process.life, min(away, 5), f"during {route}")
        if away > 5:
            world.loop.call_later(1.0, lambda: jump(story, away))
        return True

    effect = Fault.delay(1.0, after=True) if done else Fault.drop_before()
    world.discord.faults.add(route, effect, times=1, where=watch)
    story.strike(f"a kill during the {nth}. {route}, {'after' if done else 'before'} it is done")
