"""SIGKILL between any two steps, and a restart: exactly one visible outcome, at most one queue call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.house import House, house

INTAKE = "bot.store.intake:IntakeStore"
RUNS = "bot.store.runs:RunStore"
WORK = "bot.store.work:WorkStore"
OWED = "bot.store.deliveries:DeliveryStore"
COMFY = "bot.comfy.client:ComfyClient"
POSTER = "bot.delivery.posting:Poster"

# In the order of a request's life. `record` is called for the queue reply and for each webhook.
POINTS = [
    f"{INTAKE}.accept:before:1",
    f"{INTAKE}.accept:after:1",
    f"{RUNS}.release:before:1",
    f"{RUNS}.release:after:1",
    f"{WORK}.claim_submission:got:1",
    f"{COMFY}.queue:before:1",
    f"{COMFY}.queue:after:1",
    f"{RUNS}.record:before:1",
    f"{RUNS}.record:after:1",
    f"{RUNS}.record:before:2",
    f"{RUNS}.record:after:2",
    f"{RUNS}.record:after:3",
    f"{RUNS}.record:before:4",
    f"{RUNS}.record:after:4",
    f"{OWED}.claim:got:1",
    f"{OWED}.mark_attempt:before:1",
    f"{OWED}.mark_attempt:after:1",
    f"{POSTER}.post:after:1",
    f"{OWED}.mark_sent:after:1",
    f"{POSTER}.delete_original:after:1",
    f"{OWED}.complete:before:1",
    f"{OWED}.complete:after:1",
    f"{RUNS}.forget_answer:after:1",
]


async def live_through(home: House, point: str) -> str | None:
    """One request, a death at the point, a restart. The run's key, if it was accepted."""
    await home.start(die_at=point)
    await home.ask()
    await home.died()
    await home.start()
    await home.settled()
    keys = home.rows("SELECT key FROM runs")
    return str(keys[0][0]) if keys else None


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_at_any_step_leaves_exactly_one_outcome(point: str, tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        key = await live_through(home, point)
        calls = home.standin.ledger.queue_calls
        if key is None:
            assert point.startswith(f"{INTAKE}.accept:before")
            assert not calls
            return
        assert len(calls) <= 1, home.log
        assert len(home.outcomes(key)) == 1, home.log
        assert not home.leftovers(), home.log
