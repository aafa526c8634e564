"""Charge an ended run to the budgets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from bot.domain.budgets import assumed_seconds, charged_seconds, weight_of
from bot.domain.errors import RefusedForNow
from bot.domain.runs import Run, RunReport, RunState
from bot.domain.transitions import Change
from bot.store.rules import read_rules


def charge(
    connection: Connection, run: Run, report: RunReport, change: Change, now: datetime
) -> dict[str, object]:
    """Return the column with the charge of a run that ends or has ended, or none while it isn't known.

    `run` is the run as it was before the change.
    """
    duration = change.values.get("run_duration", run.run_duration)
    known = duration if isinstance(duration, float | int) else None
    if known is None and (change.state is RunState.SUCCEEDED or change.values.get("partial", run.partial)):
        known = assumed_seconds(run, now)
    charged = charged_seconds(run, known, _weight(connection, run, report.gpu))
    return {} if charged is None else {"charged_seconds": charged}


def _weight(connection: Connection, run: Run, gpu: str | None) -> float:
    """Return the weight of the GPU that ComfyDeploy reported.

    Returns the run's own weight if no other GPU was reported, or if the server's rules can't be read.
    """
    if not gpu or gpu == run.gpu:
        return run.weight
    try:
        return weight_of(gpu, read_rules(connection, run.guild_id))
    except RefusedForNow:
        # Rules that can't be read forbid new requests; they must not keep a finished run from being shown.
        return run.weight
