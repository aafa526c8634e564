"""Actions: statements, COMMITs and leases fail; processes are killed or stopped, and started again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

from tests.chaos.faults import POST
from tests.fakediscord.faults import Fault
from tests.simulation.engine.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.engine.life import Life
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import held_run
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.places import withdraw
from tests.simulation.trouble.services import jump

Strike = Callable[[Life, str, bool], None]
"""Called with the process, before (False) and after (True) the execution of each of its statements."""
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
    reached = nth_call(nth, times)

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


def nth_call(nth: int, times: int = 1) -> Callable[[], bool]:
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


def kill(story: Story, life: Life | None, back: float, where: str, asleep: float = 0.0) -> None:
    """Kill a process, or all if `life` is None. If `asleep`, all clocks jump before it starts again."""
    if asleep:
        story.world.later(0.8 * back, lambda: jump(story, asleep))
    for process in story.world.running:
        if life in (None, process.life):
            story.strike(f"{process.life.name} is killed {where}")
            process.kill()
            story.world.launch_later(back, process.life.name)


@action("kill", weight=2)
async def kill_now(story: Story, draw: Draw) -> None:
    """Kill a process, or stop it with SIGTERM, and start it again."""
    which, back, stops = draw(which=range(5), back=(0.1, 1.0, 5.0, 30.0), stops=0.5)
    running = story.world.running
    for process in [running[which % len(running)]] if running else ():
        if not stops:
            kill(story, process.life, back, "in the middle")
        else:
            story.strike(f"{process.life.name} gets SIGTERM")
            process.terminate()
            # A stop takes at most ten seconds.
            story.world.launch_later(10 + back, process.life.name)


# Leases.

_EXTENSION = "UPDATE requests SET lease_until"
# Seconds, a little more than a lease with the longest sleep of the worker that takes over.
_TAKEN_OVER = 95.0


@action("leases")
async def lease_runs_out(story: Story, draw: Draw) -> None:
    """Let a post outlive its lease, whose extension fails, while the bot may not start other posts there.

    Unless the token has expired, another process edits the outcome into the answer meanwhile.
    """
    if story.struck or story.discord.faults.rules or STATEMENTS.strike is not None:
        raise Skip("there was other trouble")
    who, expires = draw(who=MEMBERS, expires=0.5)
    asked, run = await held_run(story, who, "pictures")
    world, channel = story.world, story.world.channel("pictures")
    extending: list[Life] = []
    held: list[Any] = []

    def strike(life: Life, sql: str, done: bool) -> None:
        if sql.startswith(_EXTENSION) and not held:
            extending[:] = [life]
        elif sql.startswith(_EXTENSION) and life in extending and not done and len(held) == 1:
            raise sqlite3.OperationalError("disk I/O error")

    def hold(parameters: Any) -> bool:
        held.append(parameters)
        return True

    asked.interaction.created_at -= 900 if expires else 0
    add_strike(strike)
    story.discord.faults.add(POST, Fault.delay(_TAKEN_OVER + 5), where=hold)
    world.comfydeploy.release(run.id)
    await world.until(lambda: held, 15)
    story.strike("no lease is extended: COMMIT fails")
    withdraw(story, "pictures")
    await asyncio.sleep(_TAKEN_OVER)
    story.discord.grant(channel, "send_messages")
    await asyncio.sleep(10)
    held.append(None)
    paths = [call.path for call in world.comfydeploy.call_log.answered if f"/{run.id}/" in call.path]
    downloads = [path for path in paths if path.startswith("/files/outputs/")]
    if len(world.layout) == 1 and len(downloads) > len({*downloads}):
        story.surprises.append(f"a message in progress isn't started a second time: {run.id}")
