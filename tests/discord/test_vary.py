"""Vary: a few more of the same at once, each with a seed of its own."""

from __future__ import annotations

import pytest

from tests.discord.deployments import ONE
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, pinged, refusal, text_of
from tests.harness import Harness

VARY = "4 more"


async def test_four_more_come_as_one_result_also_after_a_restart(bot: Harness) -> None:
    message = await bot.made(seed=7, style="ink", gpu="L4")
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
    message = await bot.made(count=2)
    assert VARY not in buttons_of(bot, message)
    one = await bot.alice.click(message, label="2")
    await bot.click(one.response.message, VARY)
    _, second, *children = await bot.runs()
    assert [child.parent_key for child in children] == [second.key] * 4


async def test_where_the_budget_has_no_room_for_all_nothing_is_started(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"waiting": None, "runs_a_day": 4}})
    refused = await bot.alice.click(await bot.made(), label=VARY)
    assert "3" in refusal(bot, refused)
    await bot.play()
    assert len(bot.calls) == 1


@pytest.mark.bot(deployments=ONE)
@pytest.mark.parametrize(("limit", "made"), [(2, 2), (1, 1), (10, 4)])
async def test_it_makes_at_most_what_the_deployment_takes(bot: Harness, limit: int, made: int) -> None:
    message = await bot.made()
    await bot.restart(deployments=f"{ONE}max_count = {limit}\n")
    await bot.click(message, VARY)
    assert len(bot.calls) == 1 + made


@pytest.mark.bot(deployments=f"{ONE}max_count = 3\n")
async def test_where_fewer_are_taken_at_once_there_is_no_such_button(bot: Harness) -> None:
    message = await bot.made()
    assert list(buttons_of(bot, message)) == [label for label in RESULT_BUTTONS if label != VARY]
    one = await bot.alice.click(await bot.made(count=3), label="2")
    assert VARY not in buttons_of(bot, one.response)
