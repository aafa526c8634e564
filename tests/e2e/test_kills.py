"""SIGKILL at every step of a request, then a restart: exactly one outcome, at most one queue call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.bot_process import BotProcess, bot_process
from tests.e2e.kill_points import ONE_LIFE, never_begun, time_away


async def live_through(home: BotProcess, point: str) -> str | None:
    """Send a request, let the bot die at the point, restart it; return the run's key if it was accepted."""
    await home.start(die_at=point)
    await home.ask()
    await home.died()
    await home.start(ahead=time_away(point))
    await home.settled()
    keys = home.rows("SELECT key FROM runs")
    return str(keys[0][0]) if keys else None


@pytest.mark.parametrize("point", ONE_LIFE)
async def test_a_kill_at_any_step_leaves_exactly_one_outcome(point: str, tmp_path: Path, cold: bool) -> None:
    async with bot_process(tmp_path, cold=cold) as home:
        key = await live_through(home, point)
        calls = home.comfydeploy.call_log.queue_calls
        if key is None:
            assert never_begun(point)
            assert not calls
            return
        assert len(calls) <= 1, home.log
        assert len(home.outcomes(key)) == 1, home.log
        assert not home.leftovers(), home.log
