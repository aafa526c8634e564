"""Again and Try again; buttons after a restart; custom_ids that nobody should have."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runs import RunState
from demo.standin.deployments import FAILS_ID
from demo.standin.faults import Faults
from tests.discord.seen import RESULT_BUTTONS, buttons_of, pinged, press, text_of, texts
from tests.stage import stage


async def test_again_makes_the_same_with_another_seed(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox", seed=7, style="ink", gpu="L4")
        await s.play()
        (message,) = s.messages()
        s.clock.move(seconds=1)
        again = await s.alice.click(message, label="Again")
        assert not again.ephemeral
        await s.play()
        first, second = (call.body for call in s.calls)
        assert second["inputs"] == first["inputs"] | {"seed": second["inputs"]["seed"]}
        assert second["inputs"]["seed"] != 7
        assert second["gpu"] == "L4"
        assert len(s.messages()) == 2
        assert f"seed {second['inputs']['seed']}" in texts(s)[-1]
        parent, child = await s.runs()
        assert child.parent_key == parent.key
        assert pinged(s) == [s.alice.id, s.alice.id]


async def test_try_again_after_a_failure(tmp_path: Path) -> None:
    async with stage(tmp_path, comfydeploy_deployment_id=FAILS_ID) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        (message,) = s.messages()
        text = text_of(s, message)
        assert "That didn't work: Fails" in text
        assert "ComfyDeploy gives no reason" in text
        assert pinged(s) == [s.alice.id]
        await s.alice.click(message, label="Try again")
        await s.play()
        assert len(s.calls) == 2


async def test_a_stranger_can_not_spend_on_anothers_button(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        refused = await s.bob.click(s.messages()[0], label="Again")
        assert refused.ephemeral
        assert refused.response.content == "Only the person who asked can use this button."
        await s.play()
        assert len(s.calls) == 1


async def test_buttons_work_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(), Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.restart()
        s.clock.move(seconds=1)
        again = await s.alice.click(s.messages()[0], label="Again")
        await s.play()
        await s.restart()
        await s.alice.click(again.response.message, label="Cancel")
        await s.play()
        assert "Cancelled, as you asked." in text_of(s, again.response)
        assert await s.states() == [RunState.SUCCEEDED, RunState.CANCELLED]


async def test_a_run_goes_on_over_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        await s.restart()
        s.standin.release()
        await s.play()
        (message,) = s.messages()
        assert list(buttons_of(s, message)) == RESULT_BUTTONS
        assert len(s.calls) == 1
        assert pinged(s) == [s.alice.id]


@pytest.mark.parametrize("action", ["cancel", "again"])
async def test_a_key_that_nobody_knows_is_told_so(tmp_path: Path, action: str) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        told = await press(s, s.alice, s.messages()[0], f"run:zzzz:{action}")
        assert told.ephemeral
        assert told.response.content == "I don't know this request any more."
        assert len(s.calls) == 1


@pytest.mark.parametrize(
    "custom_id",
    [
        "run::cancel",
        "run:{key}:explode",
        "run:{upper}:cancel",
        "run:{key}:cancel ",
        "xrun:{key}:cancel",
        "\n",
    ],
)
async def test_a_malformed_custom_id_changes_nothing(tmp_path: Path, custom_id: str) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        before = await s.run()
        forged = custom_id.format(key=before.key, upper=before.key.upper())
        result = await press(s, s.alice, asked.response.message, forged)
        await s.play()
        assert not result.acknowledged
        assert await s.run() == before
        assert not s.standin.ledger.cancel_calls
