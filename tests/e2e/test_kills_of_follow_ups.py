"""SIGKILL around a follow-up: it has one outcome or was never accepted, and its parent keeps its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID, UPSCALE_ID
from tests.discord.deployments import described
from tests.e2e.bot_process import BotProcess, bot_process
from tests.e2e.kill_points import COMFY, DELIVERED, INTAKE, RUNS, WORK, time_away

DEPLOYMENTS = (
    described(picture=PICTURE_ID)
    + '[[deployments.picture.then]]\ndeployment = "upscale"\nlabel = "Upscale"\n'
    + described(upscale=UPSCALE_ID)
)
# The second call of each method belongs to the follow-up.
POINTS = (
    f"{INTAKE}.accept:before:2",
    f"{INTAKE}.accept:after:2",
    f"{RUNS}.release:before:2",
    f"{RUNS}.release:after:2",
    f"{WORK}.claim_submission:got:2",
    f"{COMFY}.start_run:before:2",
    f"{COMFY}.start_run:after:2",
    *(f"{point.removesuffix('1')}2" for point in DELIVERED),
)
FAST = (f"{INTAKE}.accept:after:2", f"{COMFY}.start_run:after:2")


async def pressed(home: BotProcess) -> None:
    """Make a picture, then press Upscale under it."""
    await home.discord.slash(home.alice, home.channel, "generate picture", {"prompt": "a fox"})
    await home.settled(runs=1)
    ((key,),) = home.rows("SELECT key FROM runs")
    (result,) = home.outcomes(key)
    await home.discord.click(home.alice, result, "Upscale")


@pytest.mark.parametrize(
    "point", [pytest.param(each, marks=() if each in FAST else pytest.mark.slow) for each in POINTS]
)
async def test_a_kill_leaves_exactly_one_outcome_of_each(point: str, tmp_path: Path, cold: bool) -> None:
    (tmp_path / "deployments.toml").write_text(DEPLOYMENTS, encoding="utf-8")
    async with bot_process(tmp_path, cold=cold, COMFYDEPLOY_DEPLOYMENT_ID="") as home:
        await home.start(die_at=point)
        await pressed(home)
        await home.died()
        await home.start(ahead=time_away(point))
        await home.settled()
        (first, _), *second = home.rows("SELECT key, parent_key FROM runs ORDER BY created_at")
        assert len(home.outcomes(first)) == 1, home.log
        assert not home.leftovers(), home.log
        calls = len(home.comfydeploy.call_log.queue_calls)
        if not second:
            assert point in POINTS[:2]
            assert calls == 1
            return
        ((key, parent),) = second
        assert parent == first
        assert len(home.outcomes(key)) == 1, home.log
        assert calls <= 2, home.log
