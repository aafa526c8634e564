"""When and at which pace the reconciler asks about runs."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from bot.domain.runs import RunReport, RunState
from bot.domain.transitions import Change
from bot.outside import Outside
from bot.workers.reconciler import Reconciler
from bot.workers.reports import ReportRecorder
from tests.unit.factories import SETTINGS, app_with, made_run


async def test_many_runs_in_flight_at_a_restart_are_asked_about_at_a_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 5.0)
    monkeypatch.setattr("bot.workers.reconciler.asyncio.sleep", sleep)
    outside, health, recorder, submitter = Outside(), AsyncMock(), AsyncMock(), AsyncMock()
    health.service.is_open = False
    claims = AsyncMock()
    claims.next_check.return_value = outside.now()

    async def claim_checks(_now: object, _interval: object, most: int, **_: Any) -> list[Any]:
        return [made_run()] * most

    claims.claim_checks = claim_checks
    app = app_with(store=AsyncMock(claims=claims), outside=outside)
    reconciler = Reconciler(app, health, recorder, submitter)
    claimed = [await reconciler.claim(room=100) for _ in range(3)]
    assert ([len(runs) for runs in claimed], waits) == ([10, 10, 10], [0.0, 1.0, 1.0])


async def test_a_process_forgets_the_run_that_it_heard_of_first(monkeypatch: pytest.MonkeyPatch) -> None:
    success = AsyncMock(return_value=Change(RunState.SUCCEEDED, ends_run=True))
    parts: Any = {"store": AsyncMock(runs=AsyncMock(record_report=success)), "wakeups": Mock()}
    recorder = ReportRecorder(app_with(**parts, outside=Outside(), settings=SETTINGS))
    monkeypatch.setattr("bot.workers.reports._KNOWN_RUNS", 1)
    for key in ("k", "new"):
        await recorder.record(key, RunReport(run_id="r"))
    assert [recorder.buffer(key, RunReport(run_id="r")) for key in ("k", "new")] == [False, True]
