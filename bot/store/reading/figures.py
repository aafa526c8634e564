"""Read figures: use that counts against budgets, durations of runs, runs in a queue, and gauges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, literal_column, select, text

from bot.database.engine import Repository, reads
from bot.database.key_values import VALUE
from bot.database.rows import is_pending
from bot.database.tables import is_any, messages, runs
from bot.domain.messages import OUTCOMES
from bot.domain.policy import EXPECTED_SECONDS, Usage
from bot.domain.run_timing import NEEDED, SAMPLE, WINDOW, Medians, StartedRun, Success, medians_of
from bot.domain.runs import FINAL, IN_FLIGHT, NOT_SUBMITTED, RunState
from bot.store.blocks import IS_BLOCKED, active_block
from bot.store.ledger import read_today
from bot.store.rules import PAUSE_KEY

SUCCESSES = (
    select(runs.c.submitted_at, runs.c.started_at, runs.c.ended_at)
    .where(
        # A literal, as in the index: with a parameter, neither database would use the index.
        text("state = 'succeeded'"),
        runs.c.deployment == bindparam("of_deployment"),
        func.coalesce(runs.c.expected_gpu, literal_column("''")) == bindparam("on_gpu"),
        runs.c.ended_at >= bindparam("since"),
        runs.c.submitted_at.is_not(None),
    )
    .order_by(runs.c.ended_at.desc())
    .limit(SAMPLE)
)
# Without the times, which take longer to read than all the rest.
_SECONDS = SUCCESSES.with_only_columns(runs.c.run_duration)
# Those of all deployments, because with a deployment, SQLite would read all its runs.
BUSY = select(runs.c.deployment, *(runs.c[name] for name in StartedRun._fields)).where(
    is_any(runs.c.state, IN_FLIGHT)
)
_ACTIVE_RUNS = (
    select(runs.c.deployment, runs.c.state, func.count().label("number"))
    .where(is_any(runs.c.state, set(RunState) - FINAL))
    .group_by(runs.c.deployment, runs.c.state)
)
_OUTCOMES = select(func.count().label("number"), func.min(messages.c.since).label("oldest")).where(
    is_pending, is_any(messages.c.purpose, OUTCOMES)
)
_OFFERED = select(func.count()).where(messages.c.offered)


def expected_seconds(connection: Connection, deployment: str, gpu: str | None, now: datetime) -> float:
    """Return the seconds to reserve for a run of a deployment on a GPU."""
    values = {"of_deployment": deployment, "on_gpu": gpu or "", "since": now - WINDOW}
    billed = [seconds for seconds in connection.scalars(_SECONDS, values) if seconds is not None]
    return median(billed) if len(billed) >= NEEDED else EXPECTED_SECONDS


def read_usage(
    connection: Connection,
    guild_id: int | None,
    user_id: int,
    now: datetime,
    *,
    today: bool = True,
) -> Usage:
    """Return what counts when a user's new request is judged, in a transaction that excludes others.

    What was used today is read only with `today`. What waits on this server will start, too, so its seconds
    count as the whole bot's. What waits on others doesn't: one server could otherwise use up the operator's
    ceiling with requests that nobody approves.
    """
    used = read_today(connection, guild_id, user_id, now) if today else Usage(now=now)
    whose = {"guild": guild_id, "person": user_id, "now": now, "of": PAUSE_KEY}
    waiting = connection.execute(WAITING_PRIVATELY if guild_id is None else WAITING_IN_SERVER, whose).one()
    return replace(
        used,
        gpu_seconds_today=used.gpu_seconds_today + waiting.seconds,
        person=replace(used.person, waiting=waiting.own),
        server=replace(used.server, waiting=waiting.all),
        block=active_block(connection, guild_id, user_id, now) if waiting.is_blocked else None,
        paused=waiting.paused,
    )


def _waiting(here: ColumnElement[bool]) -> Select[Any]:
    """Select the number of waiting requests, of the user and of all, and the seconds that they reserve.

    A request under review reserves nothing. Whether the user is blocked and the bot is paused is read in the
    same statement, because it is read before each first answer.
    """
    own = case((runs.c.requester_id == bindparam("person"), 1), else_=0)
    reserved = case((runs.c.state == RunState.WAITING, runs.c.reserved_seconds), else_=0.0)
    return select(
        func.coalesce(func.sum(own), 0).label("own"),
        func.count().label("all"),
        func.coalesce(func.sum(reserved), 0.0).label("seconds"),
        IS_BLOCKED.label("is_blocked"),
        VALUE.scalar_subquery().label("paused"),
    ).where(here, is_any(runs.c.state, NOT_SUBMITTED))


WAITING_IN_SERVER = _waiting(runs.c.guild_id == bindparam("guild"))
WAITING_PRIVATELY = _waiting(runs.c.guild_id.is_(None))


@dataclass(frozen=True, slots=True)
class Gauges:
    """The values of the metrics page. `runs` counts active runs by (deployment, state).

    `pending` counts outcomes that have to be posted or changed, and `undelivered` those that `/runs` offers.
    `oldest_pending_at` is when the oldest pending one was last changed. `gpu_seconds_today` is unweighted and
    includes the seconds reserved by runs in flight.
    """

    runs: Mapping[tuple[str, str], int]
    pending: int
    undelivered: int
    oldest_pending_at: datetime | None
    gpu_seconds_today: float


class FigureStore(Repository):
    @reads
    def usual(
        self, connection: Connection, deployment: str, gpu: str | None, now: datetime
    ) -> Medians | None:
        """Return the medians of a deployment's recent runs on a GPU, or None if there are too few."""
        values = {"of_deployment": deployment, "on_gpu": gpu or "", "since": now - WINDOW}
        return medians_of([Success(*row) for row in connection.execute(SUCCESSES, values)])

    @reads
    def in_flight(self, connection: Connection) -> Mapping[str, Sequence[StartedRun]]:
        """Return the runs in flight by deployment, which are few."""
        found = defaultdict[str, list[StartedRun]](list)
        for row in connection.execute(BUSY):
            found[row.deployment].append(StartedRun(*row[1:]))
        return found

    @reads
    def gauges(self, connection: Connection, now: datetime) -> Gauges:
        counted = connection.execute(_ACTIVE_RUNS)
        pending = connection.execute(_OUTCOMES).one()
        return Gauges(
            runs={(row.deployment, row.state): row.number for row in counted},
            pending=pending.number,
            undelivered=connection.scalar(_OFFERED) or 0,
            oldest_pending_at=pending.oldest,
            gpu_seconds_today=read_today(connection, None, 0, now).gpu_seconds_today,
        )

    @reads
    def today(self, connection: Connection, guild_id: int | None, user_id: int, now: datetime) -> Usage:
        return read_usage(connection, guild_id, user_id, now)

    @reads
    def running(self, connection: Connection, guild_id: int | None, user_id: int) -> tuple[int, int]:
        """Return how many runs a user and the whole server have in flight; None means outside servers."""
        here = runs.c.guild_id == guild_id if guild_id is not None else runs.c.guild_id.is_(None)
        own = func.sum(case((runs.c.requester_id == user_id, 1), else_=0))
        query = select(func.coalesce(own, 0), func.count()).where(is_any(runs.c.state, IN_FLIGHT), here)
        person, server = connection.execute(query).one()
        return int(person), int(server)
