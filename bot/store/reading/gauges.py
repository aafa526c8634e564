"""Read the gauges of the metrics page from the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from bot.database.engine import Database, reads
from bot.database.tables import deliveries, runs
from bot.domain.results.deliveries import OUTCOME_PURPOSES, DeliveryState
from bot.domain.runs import FINAL, RunState
from bot.store.ledger import read_today

_ACTIVE_RUNS = (
    select(runs.c.deployment, runs.c.state, func.count().label("number"))
    .where(runs.c.state.in_(set(RunState) - FINAL))
    .group_by(runs.c.deployment, runs.c.state)
)
_OUTCOMES = (
    select(
        deliveries.c.state,
        func.count().label("number"),
        func.min(deliveries.c.created_at).label("oldest"),
    )
    .where(
        deliveries.c.state.in_({DeliveryState.PENDING, DeliveryState.UNDELIVERED}),
        deliveries.c.purpose.in_(OUTCOME_PURPOSES),
    )
    .group_by(deliveries.c.state)
)


@dataclass(frozen=True, slots=True)
class Gauges:
    """The values of the metrics page. `runs` counts active runs by (deployment, state).

    `pending` and `undelivered` count outcomes that haven't been sent, and `oldest_pending_at` is when the
    oldest pending one was created. `gpu_seconds_today` is unweighted and includes the seconds reserved by
    runs in flight.
    """

    runs: Mapping[tuple[str, str], int]
    pending: int
    undelivered: int
    oldest_pending_at: datetime | None
    gpu_seconds_today: float


class GaugeStore:
    """Reads the gauges. Raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    def read(self, connection: Connection, now: datetime) -> Gauges:
        """Read the values of the metrics page."""
        counted = connection.execute(_ACTIVE_RUNS)
        outcomes = {row.state: row for row in connection.execute(_OUTCOMES)}
        today = read_today(connection, None, 0, now, server=False)
        pending = outcomes.get(DeliveryState.PENDING)
        undelivered = outcomes.get(DeliveryState.UNDELIVERED)
        return Gauges(
            runs={(row.deployment, row.state): row.number for row in counted},
            pending=pending.number if pending else 0,
            undelivered=undelivered.number if undelivered else 0,
            oldest_pending_at=pending.oldest if pending else None,
            gpu_seconds_today=today.seconds,
        )
