"""Vary: a few more of the same at once, each with a seed of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.standin.deployments import PICTURE_ID
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, pinged, refusal, text_of
from tests.harness import Harness

ONE = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
VARY = "Vary ×4"


async def asked(bot: Harness, **options: Any) -> Any:
    await bot.alice.slash(bot.channel, "generate", **{"prompt": "a fox", "seed": 7, **options})
    await bot.play()
    bot.clock.move(seconds=1)
    return bot.messages()[-1]


async def test_four_more_come_as_one_result_also_after_a_restart(bot: Harness) -> None:
    message = await asked(bot, style="ink", gpu="L4")
    await bot.restart()
    varied = await bot.alice.click(message, label=VARY)
    assert "Picture ×4" in text_of(bot, varied.response)
    await bot.play()
    first, *others = (call.body for call in bot.calls)
    assert [each["inputs"] | {"seed": 7} for each in others] == [first["inputs"]] * 4
    assert len({call.body["inputs"]["seed"] for call in bot.calls}) == 5
    assert {each["gpu"] for each in others} == {"L4"}
    assert galleries_of(bot, bot.messages()[-1]) == [4]
    parent, *children = await bot.runs()
    assert {child.parent_key for child in children} == {parent.key}
    assert pinged(bot) == [bot.alice.id, bot.alice.id]


async def test_one_of_several_is_varied_by_itself(bot: Harness) -> None:
    message = await asked(bot, count=2)
    assert VARY not in buttons_of(bot, message)
    one = await bot.alice.click(message, label="2")
    await bot.alice.click(one.response.message, label=VARY)
    await bot.play()
    _, second, *children = await bot.runs()
    assert [child.parent_key for child in children] == [second.key] * 4


async def test_a_stranger_can_not_spend_with_it(bot: Harness) -> None:
    refused = await bot.bob.click(await asked(bot), label=VARY)
    assert refusal(bot, refused) == "Only the person who asked can use this button."
    assert len(bot.calls) == 1


async def test_where_the_budget_has_no_room_for_all_nothing_is_started(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"waiting": None, "runs_a_day": 4}})
    refused = await bot.alice.click(await asked(bot), label=VARY)
    assert "3" in refusal(bot, refused)
    await bot.play()
    assert len(bot.calls) == 1


@pytest.mark.bot(deployments=ONE)
@pytest.mark.parametrize(("most", "made"), [(2, 2), (1, 1), (10, 4)])
async def test_it_makes_no_more_than_its_button_said_and_the_deployment_takes(
    bot: Harness, tmp_path: Path, most: int, made: int
) -> None:
    message = await asked(bot)
    (tmp_path / "deployments.toml").write_text(f"{ONE}max_count = {most}\n")
    await bot.restart()
    await bot.alice.click(message, label=VARY)
    await bot.play()
    assert len(bot.calls) == 1 + made


@pytest.mark.bot(deployments=f"{ONE}max_count = 3\n")
async def test_where_fewer_are_taken_at_once_there_is_no_such_button(bot: Harness) -> None:
    message = await asked(bot)
    assert list(buttons_of(bot, message)) == [label for label in RESULT_BUTTONS if label != VARY]
    one = await bot.alice.click(await asked(bot, count=3), label="2")
    assert VARY not in buttons_of(bot, one.response)
