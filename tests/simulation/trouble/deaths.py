"""Actions: statements and COMMITs fail, and processes of the bot are killed or stopped, and started again."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from typing import Any

from tests.chaos.faults import ROUTES
from tests.fakediscord.faults import Fault
from tests.simulation.engine.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.engine.life import Life
from tests.simulation.engine.patches import TIME
from tests.simulation.engine.process import Process
from tests.simulation.steps import Draw, action
from tests.simulation.story import Story
from tests.simulation.trouble.services import jump, watch

Strike = Callable[[Life, str, bool], None]
"""Called with the process, before (False) and after (True) the execution of each of its statements."""
# Seconds until a supervisor restarts a killed process.
_BACK = (0.1, 1.0, 5.0, 30.0)
_STATEMENTS = ("INSERT", "UPDATE", "DELETE", "SELECT", "BEGIN")


def error(story: Story, *, broken: bool = True) -> Exception:
    """Return an error of the database or, only on PostgreSQL, that of a broken connection."""
    if broken and story.world.is_postgres:
        return ConnectionLost("the connection was lost")
    return sqlite3.OperationalError("disk I/O error")


@action("database", weight=4)
async def statement_fault(story: Story, draw: Draw) -> None:
    """Let the nth COMMIT or other statement from now on fail, and perhaps the next one, too."""
    commits, nth, times = draw(commits=0.6, nth=(1, 1, 2, 3, 5, 8), times=(1, 1, 2))
    how = draw(how=("error", "broken", "reply lost", "reply lost"))
    late = how == "reply lost" and story.world.is_postgres
    reached = _nth_call(nth, times)

    def strike(life: Life, sql: str, done: bool) -> None:
        counts = is_commit(sql) if commits else sql.lstrip().upper().startswith(_STATEMENTS)
        if done is late and counts and reached():
            story.strike(f"{life.name}: {sql.split(maxsplit=1)[0]} fails: {how}")
            raise error(story, broken=how != "error")

    add_strike(strike)
    story.strike(f"the {nth}. {'COMMIT' if commits else 'statement'} will fail, {times} times: {how}")


def database_leaves(story: Story, seconds: float) -> None:
    """Let every statement fail for some seconds."""
    ends = TIME.monotonic + seconds

    def strike(_life: Life, _sql: str, done: bool) -> None:
        if not done and TIME.monotonic < ends:
            raise error(story)

    add_strike(strike)
    story.strike(f"the database is away for {seconds} s")


def _nth_call(nth: int, times: int = 1) -> Callable[[], bool]:
    """Return a function that returns True at `times` calls, from the nth one on."""
    calls = iter(range(1, nth + times))
    return lambda: next(calls, 0) >= nth


def is_commit(sql: str) -> bool:
    return sql.lstrip().upper().startswith("COMMIT")


def add_strike(strike: Strike) -> None:
    earlier = STATEMENTS.strike

    def both(life: Life, sql: str, done: bool) -> None:
        if earlier is not None:
            earlier(life, sql, done)
        if not life.dead:
            strike(life, sql, done)

    STATEMENTS.strike = both


# Kills. `back` is the number of seconds until a supervisor restarts the process.


def kill_life(story: Story, life: Life, back: float, where: str) -> None:
    for process in story.world.running:
        if process.life is life:
            story.strike(f"{life.name} is killed {where}")
            process.kill()
            story.world.launch_later(back, life.name)


def kill_at_commit(story: Story, nth: int, *, after: bool, back: float) -> None:
    """Kill the process that makes the nth COMMIT from now on, before or after its execution."""
    reached = _nth_call(nth)

    def strike(life: Life, sql: str, done: bool) -> None:
        if done is after and is_commit(sql) and reached():
            kill_life(story, life, back, f"{'after' if after else 'before'} a COMMIT")

    add_strike(strike)
    story.strike(f"a kill {'after' if after else 'before'} the {nth}. COMMIT")


def kill_at_call(story: Story, route: str, nth: int, *, done: bool, back: float, slept: float = 0.0) -> None:
    """Kill the bot at the nth call of a route from now on, before or after Discord has executed it.

    If `slept` isn't 0, all clocks jump by so many seconds afterwards.
    """
    reached = _nth_call(nth)

    def called(_: Any) -> bool:
        if not reached():
            return False
        for process in story.world.running:
            story.world.loop.call_later(
                0.5 if done else 0.0, kill_life, story, process.life, back, f"at the {nth}. {route}"
            )
        if slept:
            story.world.loop.call_later(1.0, jump, story, slept)
        return True

    effect = Fault.delay(1.0, after=True) if done else Fault.drop_before()
    story.discord.faults.add(route, effect, times=1, where=called)
    story.strike(f"a kill at the {nth}. {route}, {'after' if done else 'before'} it is done")


def kill_after_call(story: Story, route: str, *, nth: int, back: float) -> None:
    """Kill the bot before the nth COMMIT after the next call of a route."""
    calls: list[Any] = []
    reached = _nth_call(nth)

    def strike(life: Life, sql: str, done: bool) -> None:
        if calls and not done and is_commit(sql) and reached():
            kill_life(story, life, back, f"before the {nth}. COMMIT after {route}")

    watch(story, route, calls.append)
    add_strike(strike)
    story.strike(f"a kill before the {nth}. COMMIT after {route}")


@action("kill", weight=4)
async def kill_at_a_commit(story: Story, draw: Draw) -> None:
    nth, after, back = draw(nth=(1, 2, 3, 4, 6, 9, 13), after=0.5, back=_BACK)
    kill_at_commit(story, nth, after=after, back=back)


@action("kill")
async def kill_now(story: Story, draw: Draw) -> None:
    which, back = draw(which=range(5), back=_BACK)
    for process in _chosen(story, which):
        kill_life(story, process.life, back, "in the middle")


@action("kill")
async def terminate(story: Story, draw: Draw) -> None:
    """Stop a process with SIGTERM, and start it again."""
    which, back = draw(which=range(5), back=_BACK)
    for process in _chosen(story, which):
        story.strike(f"{process.life.name} gets SIGTERM")
        process.signal(signal.SIGTERM)
        # A stop takes at most ten seconds.
        story.world.launch_later(10 + back, process.life.name)


def _chosen(story: Story, which: int) -> list[Process]:
    running = story.world.running
    return [running[which % len(running)]] if running else []


@action("kill")
async def kill_after(story: Story, draw: Draw) -> None:
    """Kill the bot before a COMMIT soon after a call to Discord."""
    route, nth, back = draw(route=list(ROUTES), nth=(1, 1, 2, 3), back=_BACK)
    kill_after_call(story, route, nth=nth, back=back)


@action("kill", weight=2)
async def kill_during(story: Story, draw: Draw) -> None:
    """Kill the bot during a call to Discord, perhaps until Discord has forgotten the call's nonce."""
    route, nth, done = draw(route=list(ROUTES), nth=(1, 1, 2, 3), done=0.7)
    slept = draw(slept=(0.0, 0.0, 400.0, 4000.0))
    kill_at_call(story, route, nth, done=done, back=draw(back=(0.5, 5.0)), slept=slept)
