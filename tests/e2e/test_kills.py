"""SIGKILL at every step of a request, then a restart: exactly one outcome, at most one queue call."""

from __future__ import annotations

import pytest

from tests.e2e.bot_process import BotProcess
from tests.e2e.kill_points import ONE_LIFE, dies_and_returns, never_begun
from tests.sampling import every_nth


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize("point", every_nth(ONE_LIFE, 2, 1))
async def test_a_kill_at_any_step_leaves_exactly_one_outcome(home: BotProcess, point: str) -> None:
    await dies_and_returns(home, point, home.ask)
    assert (await home.keys()) or never_begun(point)
    await home.check_outcomes(calls=len(await home.keys()), leftovers=never_begun(point))
