"""Read the gauges of the metrics page from the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from bot.database.engine import Database, reads
from bot.database.message_rows import is_pending
from bot.database.tables import messages, runs
from bot.domain.messages.records import OUTCOMES
from bot.domain.runs import FINAL, RunState
from bot.store.ledger import read_today

_ACTIVE_RUNS = (
    select(runs.c.deployment, runs.c.state, func.count().label("number"))
    .where(runs.c.state.in_(set(RunState) - FINAL))
    .group_by(runs.c.deployment, runs.c.state)
)
_OUTCOMES = select(func.count().label("number"), func.min(messages.c.since).label("oldest")).where(
    is_pending, messages.c.kind.in_(OUTCOMES)
)
_OFFERED = select(func.count()).where(messages.c.offered)


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


class GaugeStore:
    """Reads the gauges. Raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    def read(self, connection: Connection, now: datetime) -> Gauges:
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
