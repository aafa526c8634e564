"""What the store holds at the moment, in numbers, for the metrics page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from bot.domain.budgets import day_of
from bot.domain.runs import FINAL, OUTCOMES, DeliveryState, RunState
from bot.store.database import Database
from bot.store.tables import deliveries, runs
from bot.store.usage import read_tally

_OPEN = tuple(sorted(set(RunState) - FINAL))


@dataclass(frozen=True, slots=True)
class Gauges:
    """`runs` by (deployment, state), those that have not ended. `oldest`: since when an outcome is owed."""

    runs: Mapping[tuple[str, str], int]
    owed: int
    kept: int
    oldest: datetime | None
    gpu_seconds_today: float


class GaugeStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, now: datetime) -> Gauges:
        async with self._database.read() as connection:
            counted = await connection.execute(_RUNS)
            owed = (await connection.execute(_OWED)).all()
            states = {row.state: row for row in owed}
            tally = await read_tally(connection, None, (), day_of(now))
            pending, kept = states.get(DeliveryState.PENDING), states.get(DeliveryState.KEPT)
            return Gauges(
                runs={(row.deployment, row.state): row.number for row in counted},
                owed=pending.number if pending else 0,
                kept=kept.number if kept else 0,
                oldest=pending.oldest if pending else None,
                gpu_seconds_today=tally.seconds,
            )


_RUNS = (
    select(runs.c.deployment, runs.c.state, func.count().label("number"))
    .where(runs.c.state.in_(_OPEN))
    .group_by(runs.c.deployment, runs.c.state)
)
_OWED = (
    select(
        deliveries.c.state,
        func.count().label("number"),
        func.min(deliveries.c.created_at).label("oldest"),
    )
    .where(
        deliveries.c.state.in_((DeliveryState.PENDING, DeliveryState.KEPT)),
        deliveries.c.purpose.in_(tuple(sorted(OUTCOMES))),
    )
    .group_by(deliveries.c.state)
)
