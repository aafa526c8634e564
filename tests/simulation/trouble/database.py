"""Actions: statements or COMMITs fail, lose their reply, or all fail for a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tests.simulation.engine.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.engine.life import Life
from tests.simulation.engine.patches import TIME
from tests.simulation.steps import action
from tests.simulation.story import Story

_WRITES = ("INSERT", "UPDATE", "DELETE", "SELECT", "BEGIN")
# An error of the database, and a broken connection, which only PostgreSQL can have.
_ERRORS: dict[str, Callable[[], Exception]] = {
    "error": lambda: sqlite3.OperationalError("disk I/O error"),
    "broken": lambda: ConnectionLost("the connection was lost"),
}


@action(
    "database",
    commits=0.6,
    nth=(1, 1, 2, 3, 5, 8),
    times=(1, 1, 2),
    how=("error", "broken", "reply lost", "reply lost"),
    weight=4,
)
async def statement_fault(story: Story, *, commits: bool, nth: int, times: int, how: str = "error") -> None:
    """Let the nth COMMIT or other statement from now on fail, and perhaps the next one, too.

    SQLite has no connection that can break, so each fault is an error there.
    """
    late = how == "reply lost" and story.world.is_postgres
    error = _ERRORS["broken" if late or (how == "broken" and story.world.is_postgres) else "error"]
    reached = nth_call(nth, times)

    def strike(life: Life, sql: str, done: bool) -> None:
        if done is late and counts(sql, commits=commits) and reached():
            story.strike(f"{life.name}: {sql.split(maxsplit=1)[0]} fails: {how}")
            raise error()

    add_strike(strike)
    story.strike(f"the {nth}. {'COMMIT' if commits else 'statement'} will fail, {times} times: {how}")


async def database_away(story: Story, seconds: float) -> None:
    """Let every statement fail for some seconds."""
    ends = TIME.monotonic + seconds
    error = _ERRORS["broken" if story.world.is_postgres else "error"]

    def strike(_life: Life, _sql: str, done: bool) -> None:
        if not done and TIME.monotonic < ends:
            raise error()

    add_strike(strike)
    story.strike(f"the database is away for {seconds} s")


def nth_call(nth: int, times: int = 1) -> Callable[[], bool]:
    """Return a function that returns True at `times` calls, from the nth one on."""
    calls = [0]

    def reached() -> bool:
        calls[0] += 1
        return nth <= calls[0] < nth + times

    return reached


def counts(sql: str, *, commits: bool) -> bool:
    first = sql.lstrip().split(None, 1)[0].upper()
    return first == "COMMIT" if commits else first in _WRITES


def add_strike(strike: Callable[[Life, str, bool], None]) -> None:
    earlier = STATEMENTS.strike

    def both(life: Life, sql: str, done: bool) -> None:
        if earlier is not None:
            earlier(life, sql, done)
        if not life.dead:
            strike(life, sql, done)

    STATEMENTS.strike = both
