"""Again and Try again; buttons after a restart; custom_ids that nobody should have."""

from __future__ import annotations

import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import FAILS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.forged import press
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, pinged, refusal, text_of, texts
from tests.harness import HELD, Harness


async def test_again_makes_the_same_with_another_seed(bot: Harness) -> None:
    await bot.ask(seed=7, style="ink", gpu="L4")
    (message,) = bot.messages()
    again = await bot.alice.click(message, label="Again")
    assert not again.ephemeral
    await bot.play()
    first, second = (call.body for call in bot.calls)
    assert second["inputs"] == first["inputs"] | {"seed": second["inputs"]["seed"]}
    assert second["inputs"]["seed"] != 7
    assert second["gpu"] == "L4"
    assert len(bot.messages()) == 2
    assert f"seed {second['inputs']['seed']}" in texts(bot)[-1]
    parent, child = await bot.runs()
    assert child.parent_key == parent.key
    assert pinged(bot) == [bot.alice.id, bot.alice.id]


@pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)
async def test_try_again_after_a_failure(bot: Harness) -> None:
    await bot.ask()
    (message,) = bot.messages()
    text = text_of(bot, message)
    assert "That didn't work: Fails" in text
    assert "The run failed on the machine: “RuntimeError: mat1 and mat2 shapes cannot" in text
    assert pinged(bot) == [bot.alice.id]
    await bot.click(message, "Try again")
    assert len(bot.calls) == 2


@pytest.mark.parametrize(
    ("count", "label", "told"),
    [
        (1, "Again", "Only the person who asked can use this."),
        (1, "4 more", "Only the person who asked can use this."),
        (1, "Delete", "Only the person who asked and this server's moderators can delete this."),
        (2, "Again ×2", "Only the person who asked can use this."),
        (2, "Delete", "Only the person who asked and this server's moderators can delete this."),
    ],
)
async def test_a_stranger_can_not_use(bot: Harness, count: int, label: str, told: str) -> None:
    message = await bot.made(count=count)
    assert refusal(bot, await bot.click(message, label, bot.bob)) == told
    assert len(bot.calls) == count
    assert len(bot.messages()) == 1


async def test_buttons_work_after_a_restart(bot: Harness) -> None:
    bot.comfydeploy.next_faults(Faults(), HELD)
    await bot.ask()
    await bot.restart()
    again = await bot.click(bot.messages()[0], "Again")
    await bot.restart()
    await bot.click(again.response.message, "Cancel")
    assert "Cancelled: " in text_of(bot, again.response)
    assert await bot.states() == [RunState.SUCCEEDED, RunState.CANCELLED]


async def test_a_run_goes_on_over_a_restart(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.restart()
    await bot.release()
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert len(bot.calls) == 1
    assert pinged(bot) == [bot.alice.id]


@pytest.mark.parametrize("action", ["cancel", "again"])
async def test_a_key_that_nobody_knows_is_told_so(bot: Harness, action: str) -> None:
    await bot.ask()
    told = await press(bot, bot.alice, bot.messages()[0], f"run:zzzz:{action}")
    assert refusal(bot, told) == "This request no longer exists."
    assert len(bot.calls) == 1


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
async def test_a_malformed_custom_id_changes_nothing(bot: Harness, custom_id: str) -> None:
    asked = await bot.ask(faults=HELD)
    before = await bot.run()
    forged = custom_id.format(key=before.key, upper=before.key.upper())
    result = await press(bot, bot.alice, asked.response.message, forged)
    await bot.play()
    assert not result.acknowledged
    assert await bot.run() == before
    assert not bot.comfydeploy.call_log.cancel_calls
