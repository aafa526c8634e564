"""Progress of many runs at once: whatever came within a second is two statements in all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.runs import Run, RunReport
from bot.domain.transitions import Change, apply_report
from bot.store.rows import run_columns, to_run
from bot.store.tables import runs

_NEWS = ("progress", "live_status", "queue_position")
# Locked, and in one order everywhere, so that two processes neither lose news nor deadlock.
_LOCKED = (
    select(*run_columns())
    .where(runs.c.key.in_(bindparam("wanted", expanding=True)))
    .order_by(runs.c.key)
    .with_for_update()
)
_SAVE = (
    update(runs)
    .where(runs.c.key == bindparam("of_run"), runs.c.state == bindparam("in_state"))
    .values(rev=runs.c.rev + 1, **{name: bindparam(f"new_{name}") for name in _NEWS})
)


async def save_progress(connection: AsyncConnection, news: Mapping[str, RunReport], now: datetime) -> None:
    """What `apply_report` finds new; a report about another state or another of their runs is passed over."""
    found = await connection.execute(_LOCKED, {"wanted": list(news)})
    moved = []
    for run in [to_run(row) for row in found.mappings()]:
        report = news[run.key]
        if run.state is report.state and run.run_id == report.run_id:
            change = apply_report(run, report, now)
            moved += [_values(run, change)] if change is not None else []
    if moved:
        await connection.execute(_SAVE, moved)


def _values(run: Run, change: Change) -> dict[str, object]:
    """What did not change is written as it was."""
    news = {f"new_{name}": change.values.get(name, getattr(run, name)) for name in _NEWS}
    return news | {"of_run": run.key, "in_state": run.state}
