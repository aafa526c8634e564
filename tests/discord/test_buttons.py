"""Again, Try again and 4 more, also after a restart; forged custom_ids."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.deployments import FAILS_ID
from tests.discord.actors import delete, press_behind
from tests.discord.deployments import ONE
from tests.discord.forged import press, send_form
from tests.discord.rendered import (
    RESULT_BUTTONS,
    buttons_of,
    galleries_of,
    pinged,
    refusal,
    text_of,
    texts,
)
from tests.harness import HELD, Harness


async def test_again_makes_the_same_with_another_seed(bot: Harness) -> None:
    message = await bot.made(seed=7, style="ink", gpu="L4")
    await bot.restart()
    again = await bot.alice.click(message, label="Again")
    assert not again.ephemeral
    await bot.play()
    first, second = (call.body for call in bot.calls)
    assert second["inputs"] == first["inputs"] | {"seed": second["inputs"]["seed"]}
    assert second["inputs"]["seed"] != 7
    assert second["gpu"] == "L4"
    assert len(bot.messages()) == 2
    assert f"seed {second['inputs']['seed']}" in texts(bot)[-1].lower()
    parent, child = await bot.runs()
    assert child.request.parent_key == parent.key
    assert pinged(bot) == [bot.alice.id, bot.alice.id]


@pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)
async def test_try_again_after_a_failure(bot: Harness) -> None:
    message = await bot.made()
    text = text_of(bot, message)
    assert "Failed: Fails" in text
    assert "This one didn't work: the workflow hit an error." in text
    assert pinged(bot) == [bot.alice.id]
    await bot.click(message, "Try again")
    assert len(bot.calls) == 2


async def test_a_stranger_can_not_delete(bot: Harness) -> None:
    message = await bot.made(count=2)
    refused = await delete(bot, message, bot.bob)
    told = "Only the requester, moderators and people with Manage Messages here can delete this."
    assert refusal(bot, refused) == told
    assert len(bot.messages()) == 1


@pytest.mark.parametrize(
    ("count", "label", "started"), [(1, "Again", 1), (1, "4 more", 4), (2, "Again ×2", 2)]
)
async def test_a_stranger_repeats_it_as_their_own(bot: Harness, count: int, label: str, started: int) -> None:
    message = await bot.made(count=count)
    assert not (await press_behind(bot, message, label, bot.bob)).ephemeral
    await bot.play()
    runs = await bot.runs()
    assert [run.request.requester_id for run in runs[count:]] == [bot.bob.id] * started
    assert pinged(bot) == [bot.alice.id, bot.bob.id]


async def test_an_unknown_key_is_told(bot: Harness) -> None:
    told = await press(bot, bot.alice, await bot.made(), "run:zzzz:again")
    assert refusal(bot, told) == "This request no longer exists."
    assert len(bot.calls) == 1


@pytest.mark.parametrize("custom_id", ["run:{key}:explode", "run:{upper}:cancel", "xrun:{key}:cancel"])
@pytest.mark.parametrize("kind", ["button", "form"])
async def test_a_button_or_form_of_another_version_changes_nothing_and_is_told(
    bot: Harness, custom_id: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked = await bot.ask(faults=HELD)
    before = await bot.run()
    forged = custom_id.format(key=before.key, upper=before.key.upper())
    send = press if kind == "button" else send_form
    result = await send(bot, bot.alice, asked.response.message, forged)
    await bot.play()
    assert refusal(bot, result) == (
        "This comes from another version of the bot. Please start again with its command."
    )
    assert any(repr(forged) in line for line in caplog.messages)
    assert await bot.run() == before
    assert not bot.comfydeploy.call_log.cancel_calls


async def test_four_more_come_as_one_result_also_after_a_restart(bot: Harness) -> None:
    message = await bot.made(seed=7, style="ink", gpu="L4")
    await bot.restart()
    varied = await bot.alice.click(message, label="4 more")
    assert "Picture ×4" in text_of(bot, varied.response)
    await bot.play()
    first, *others = (call.body for call in bot.calls)
    assert [each["inputs"] | {"seed": 7} for each in others] == [first["inputs"]] * 4
    assert len({call.body["inputs"]["seed"] for call in bot.calls}) == 5
    assert {each["gpu"] for each in others} == {"L4"}
    assert galleries_of(bot, bot.messages()[-1]) == [4]
    parent, *children = await bot.runs()
    assert {child.request.parent_key for child in children} == {parent.key}
    assert pinged(bot) == [bot.alice.id, bot.alice.id]


async def test_one_of_several_is_varied_by_itself(bot: Harness) -> None:
    message = await bot.made(count=2)
    one = await bot.alice.click(message, label="2")
    await bot.click(one.response.message, "4 more")
    _, second, *children = await bot.runs()
    assert [child.request.parent_key for child in children] == [second.key] * 4


@pytest.mark.bot(deployments=ONE)
@pytest.mark.parametrize(("limit", "made"), [(2, 2), (1, 1)])
async def test_it_makes_at_most_what_the_deployment_takes(bot: Harness, limit: int, made: int) -> None:
    message = await bot.made()
    await bot.restart(deployments=f"{ONE}max_count = {limit}\n")
    await bot.click(message, "4 more")
    assert len(bot.calls) == 1 + made


@pytest.mark.bot(deployments=f"{ONE}max_count = 3\n")
async def test_with_a_smaller_maximum_there_is_no_such_button(bot: Harness) -> None:
    message = await bot.made()
    assert list(buttons_of(bot, message)) == [label for label in RESULT_BUTTONS if label != "4 more"]
    one = await bot.alice.click(await bot.made(count=3), label="2")
    assert "4 more" not in buttons_of(bot, one.response)
