"""Runs, reports and changes for the tests of transitions."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.runs import Output, Run, RunReport, RunState
from bot.domain.transitions import (
    Change,
)
from tests.unit.factories import made_run

NOW = datetime(2026, 5, 4, tzinfo=UTC)
STARTED = NOW - timedelta(seconds=50)
S = RunState
PICTURE = Output("images", url="https://x/a.png")
COLUMNS = {field.name for field in fields(Run)}


def run(state: RunState = S.SUBMITTING, **more: Any) -> Run:
    return made_run(state, created_at=NOW, **more)


def known(state: RunState, **more: Any) -> Run:
    """Return a run whose id is known already, so that a report adds no id."""
    return run(state, run_id="r", submissions=1, **more)


def said(state: RunState | None = None, **more: Any) -> RunReport:
    return RunReport("r", state, **more)


def shown(state: RunState, **columns: Any) -> Change:
    return Change(state, columns, visible=True)


def ended(state: RunState, **columns: Any) -> Change:
    values = {"ended_at": NOW, "due_at": None, "queue_position": None, **columns}
    return Change(state, values, ends_run=True, visible=True)


def applied(subject: Run, change: Change) -> Run:
    """Return the run as the store would have it afterwards."""
    values = {name: value for name, value in change.values.items() if name in COLUMNS}
    if "outputs" in values:
        values["outputs"] = tuple(Output(**item) for item in values["outputs"])  # type: ignore[attr-defined]
    return replace(subject, state=change.state, **values)
