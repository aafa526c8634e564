"""Read how long runs took, and which runs wait or are in flight, for the estimates in `bot/domain/queue`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, literal_column, or_, select, text

from bot.database.engine import Database, reads
from bot.database.tables import WITH_REQUEST, runs
from bot.domain.queue.estimates import PLACES, SAMPLE, WINDOW, QueuedRun, Success
from bot.domain.queue.fair_queue import QueueEntry
from bot.domain.runs import IN_FLIGHT, RunState
from bot.store.claims import QUEUE_ENTRY

# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
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
QUEUE = (
    select(
        *QUEUE_ENTRY,
        runs.c.state,
        runs.c.expected_gpu,
        runs.c.queue_position,
        runs.c.submitted_at,
        runs.c.started_at,
        runs.c.progress,
    )
    .select_from(WITH_REQUEST)
    .where(
        runs.c.state.in_(IN_FLIGHT | {RunState.WAITING}),
        or_(
            runs.c.state != RunState.WAITING,
            and_(runs.c.deployment == bindparam("of_deployment"), runs.c.queue_position <= PLACES),
        ),
    )
)


class DurationStore:
    """Reads durations and queues. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    def successes(
        self, connection: Connection, deployment: str, gpu: str | None, now: datetime
    ) -> Sequence[Success]:
        """Return the newest successes of a deployment on a GPU; `gpu` None means that it wasn't known."""
        values = {"of_deployment": deployment, "on_gpu": gpu or "", "since": now - WINDOW}
        return [Success(*row) for row in connection.execute(SUCCESSES, values)]

    @reads
    def queue(
        self, connection: Connection, deployment: str
    ) -> tuple[Sequence[QueuedRun], Sequence[QueuedRun]]:
        """Return the first PLACES runs in a deployment's queue, in order, and the runs in flight of all
        deployments.
        """
        waiting: list[QueuedRun] = []
        in_flight: list[QueuedRun] = []
        for row in connection.execute(QUEUE, {"of_deployment": deployment}):
            run = QueuedRun(
                entry=QueueEntry(*row[: len(QUEUE_ENTRY)]),
                gpu=row.expected_gpu,
                queue_position=row.queue_position,
                submitted_at=row.submitted_at,
                started_at=row.started_at,
                progress=row.progress,
            )
            (waiting if row.state == RunState.WAITING else in_flight).append(run)
        return sorted(waiting, key=lambda run: run.queue_position or 0), in_flight
