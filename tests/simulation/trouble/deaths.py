"""Actions: processes of the bot are killed or stopped, and started again."""

from __future__ import annotations

import signal
from typing import Any

from tests.fakediscord.faults import Fault
from tests.simulation.engine.life import Life
from tests.simulation.engine.process import Process
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.trouble.database import add_strike, counts, nth_call
from tests.simulation.trouble.services import ROUTES, jump

# `which` is the index of a running process, and `back` the seconds until a supervisor restarts it.


@action("kill", nth=(1, 2, 3, 4, 6, 9, 13), after=0.5, back=(0.1, 1.0, 5.0, 30.0), weight=4)
async def kill_at_commit(story: Story, nth: int, *, after: bool, back: float) -> None:
    """Kill the process that makes the nth COMMIT from now on, before or after its execution."""
    reached = nth_call(nth)

    def strike(life: Life, sql: str, done: bool) -> None:
        if done is after and counts(sql, commits=True) and reached():
            kill_life(story, life, back, f"{'after' if after else 'before'} a COMMIT")

    add_strike(strike)
    story.strike(f"a kill {'after' if after else 'before'} the {nth}. COMMIT")


@action("kill", which=range(5), back=(0.1, 1.0, 5.0, 30.0))
async def kill_now(story: Story, which: int, back: float) -> None:
    for process in _chosen(story, which):
        kill_life(story, process.life, back, "in the middle")


@action("kill", which=range(5), back=(0.1, 2.0, 20.0))
async def terminate(story: Story, which: int, back: float) -> None:
    """Stop a process with SIGTERM, and start it again."""
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


def kill_at_call(story: Story, route: str, nth: int, *, done: bool, back: float, slept: float = 0.0) -> None:
    """Kill the bot at the nth call of a route from now on, before or after Discord has executed it.

    If `slept` isn't 0, all clocks jump by so many seconds afterwards.
    """
    left = [nth]

    def watch(_: Any) -> bool:
        left[0] -= 1
        if left[0] != 0:
            return False
        for process in story.world.running:
            story.world.loop.call_later(
                0.5 if done else 0.0, kill_life, story, process.life, back, f"at the {nth}. {route}"
            )
        if slept:
            story.world.loop.call_later(1.0, jump, story, slept)
        return True

    effect = Fault.delay(1.0, after=True) if done else Fault.drop_before()
    story.world.discord.faults.add(route, effect, times=1, where=watch)
    story.strike(f"a kill at the {nth}. {route}, {'after' if done else 'before'} it is done")


def kill_after_call(story: Story, route: str, *, nth: int, back: float) -> None:
    """Kill the bot before the nth COMMIT after the next call of a route."""
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


@action("kill", route=sorted({*ROUTES}), nth=(1, 1, 2, 3), back=(0.1, 1.0, 10.0))
async def kill_after(story: Story, route: str, nth: int, back: float) -> None:
    """Kill the bot before a COMMIT soon after a call to Discord."""
    kill_after_call(story, route, nth=nth, back=back)


@action("kill", route=sorted({*ROUTES}), nth=(1, 1, 2, 3), done=0.7, away=(0.5, 5.0, 400.0, 4000.0), weight=2)
async def kill_during(story: Story, route: str, nth: int, away: float, *, done: bool) -> None:
    """Kill the bot during a call to Discord, perhaps until Discord has forgotten the call's nonce."""
    kill_at_call(story, route, nth, done=done, back=min(away, 5), slept=away if away > 5 else 0.0)
