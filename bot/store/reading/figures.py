"""Read figures: how long runs took, which runs wait or are in flight, and the gauges of the metrics page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import Connection, bindparam, case, func, literal_column, select, text

from bot.database.engine import Repository, reads
from bot.database.message_rows import is_pending
from bot.database.tables import messages, runs
from bot.domain.budgets import EXPECTED_SECONDS
from bot.domain.fair_queue import NEEDED, PLACES, SAMPLE, WINDOW, Medians, QueuedRun, Success, medians_of
from bot.domain.messages.records import OUTCOMES
from bot.domain.runs import FINAL, RunState
from bot.store.ledger import read_today
from bot.store.queue import is_in_flight, is_waiting

# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
_BILLED = case((~runs.c.duration_in_doubt, runs.c.run_duration))
SUCCESSES = (
    select(runs.c.submitted_at, runs.c.started_at, runs.c.ended_at, _BILLED)
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
_SECONDS = SUCCESSES.with_only_columns(_BILLED)
_COLUMNS = tuple(runs.c[name] for name in QueuedRun._fields)
WAITING = (
    select(*_COLUMNS)
    .where(
        is_waiting(runs),
        runs.c.deployment == bindparam("of_deployment"),
        func.coalesce(runs.c.queue_position, literal_column("0")).between(1, PLACES),
    )
    .order_by(runs.c.queue_tag, runs.c.created_at, runs.c.key)
)
BUSY = select(*_COLUMNS).where(is_in_flight(runs))
_ACTIVE_RUNS = (
    select(runs.c.deployment, runs.c.state, func.count().label("number"))
    .where(runs.c.state.in_(set(RunState) - FINAL))
    .group_by(runs.c.deployment, runs.c.state)
)
_OUTCOMES = select(func.count().label("number"), func.min(messages.c.since).label("oldest")).where(
    is_pending, messages.c.kind.in_(OUTCOMES)
)
_OFFERED = select(func.count()).where(messages.c.offered)


def successes(connection: Connection, deployment: str, gpu: str | None, now: datetime) -> list[Success]:
    """Return the newest successes of a deployment on a GPU; `gpu` None means that it wasn't known."""
    values = {"of_deployment": deployment, "on_gpu": gpu or "", "since": now - WINDOW}
    return [Success(*row) for row in connection.execute(SUCCESSES, values)]


def expected_seconds(connection: Connection, deployment: str, gpu: str | None, now: datetime) -> float:
    """Return the seconds to reserve for a run of a deployment on a GPU."""
    values = {"of_deployment": deployment, "on_gpu": gpu or "", "since": now - WINDOW}
    billed = [seconds for seconds in connection.scalars(_SECONDS, values) if seconds is not None]
    return median(billed) if len(billed) >= NEEDED else EXPECTED_SECONDS


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
    """Reads figures. Every method raises StoreUnavailable if the database doesn't answer."""

    @reads
    def usual(
        self, connection: Connection, deployment: str, gpu: str | None, now: datetime
    ) -> Medians | None:
        """Return the medians of a deployment's recent runs on a GPU, or None if there are too few."""
        return medians_of(successes(connection, deployment, gpu, now))

    @reads
    def queue(
        self, connection: Connection, deployment: str
    ) -> tuple[Sequence[QueuedRun], Sequence[QueuedRun]]:
        """Return the first PLACES runs in a deployment's queue, in order, and the runs in flight of all
        deployments.
        """
        waiting = [QueuedRun(*row) for row in connection.execute(WAITING, {"of_deployment": deployment})]
        return waiting, [QueuedRun(*row) for row in connection.execute(BUSY)]

    @reads
    def gauges(self, connection: Connection, now: datetime) -> Gauges:
        """Read the values of the metrics page."""
        counted = connection.execute(_ACTIVE_RUNS)
        pending = connection.execute(_OUTCOMES).one()
        today = read_today(connection, None, 0, now, server=False)
        return Gauges(
            runs={(row.deployment, row.state): row.number for row in counted},
            pending=pending.number,
            undelivered=connection.scalar(_OFFERED) or 0,
            oldest_pending_at=pending.oldest,
            gpu_seconds_today=today.seconds,
        )
