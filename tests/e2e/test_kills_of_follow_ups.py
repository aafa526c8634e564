"""SIGKILL around a follow-up: it has one outcome or was never accepted, and its parent keeps its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID, UPSCALE_ID
from tests.discord.deployments import described
from tests.e2e.bot_process import BotProcess
from tests.e2e.kill_points import COMFY, DELIVERED, INTAKE, MESSENGER, TAKEN_IN, WORK, dies_and_returns
from tests.sampling import every_nth

FOLLOW_UP = '[[deployments.picture.then]]\ndeployment = "upscale"\nlabel = "Upscale"\n'
DEPLOYMENTS = described(picture=PICTURE_ID) + FOLLOW_UP + described(upscale=UPSCALE_ID)
STARTED = (f"{WORK}.claim_submission:got:1", f"{COMFY}.start_run:before:1", f"{COMFY}.start_run:after:1")
# The second call of each method belongs to the follow-up. How often a status message is handled isn't known.
ONCE = [
    point for point in (*TAKEN_IN, *STARTED, *DELIVERED) if MESSENGER not in point and ".turn:" not in point
]
POINTS = [f"{point.removesuffix('1')}2" for point in ONCE]


@pytest.mark.usefixtures("cold")
@pytest.mark.bot(COMFYDEPLOY_DEPLOYMENT_ID="")
@pytest.mark.parametrize("point", every_nth(POINTS, 5, 1))
async def test_a_kill_leaves_one_outcome_of_each(home: BotProcess, point: str, tmp_path: Path) -> None:
    (tmp_path / "deployments.toml").write_text(DEPLOYMENTS, encoding="utf-8")

    async def ask_and_press() -> None:
        await home.discord.slash(home.alice, home.channel, "generate picture", {"prompt": "a fox"})
        await home.settled(runs=1)
        await home.discord.click(home.alice, await home.outcome(), "Upscale")

    await dies_and_returns(home, point, ask_and_press)
    first, *second = await home.runs()
    parents = [run.request.parent_key for run in second]
    assert parents == [first.key] if second else point.startswith(INTAKE)
    # A request that dies before it is stored leaves "thinking…".
    await home.check_outcomes(calls=1 + len(second), leftovers=not second)
