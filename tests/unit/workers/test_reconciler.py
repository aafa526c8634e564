"""When and at which pace the reconciler asks about runs."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.effects import Effects
from bot.workers.run_updates import Reconciler
from tests.unit.factories import app_with, made_run


async def test_many_runs_in_flight_at_a_restart_are_asked_about_at_a_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 5.0)
    monkeypatch.setattr("bot.workers.run_updates.asyncio.sleep", sleep)
    effects, breakers = Effects(), AsyncMock()
    breakers.service.is_open = False
    claims = AsyncMock()
    claims.next_check.return_value = effects.now()

    async def claim_checks(_now: object, _interval: object, most: int, **_: Any) -> list[Any]:
        return [made_run()] * most

    claims.claim_checks = claim_checks
    app = app_with(store=AsyncMock(claims=claims), effects=effects)
    reconciler = Reconciler(app, breakers, AsyncMock())
    claimed = [await reconciler.claim(room=100) for _ in range(3)]
    assert ([len(runs) for runs in claimed], waits) == ([10, 10, 10], [0.0, 1.0, 1.0])
