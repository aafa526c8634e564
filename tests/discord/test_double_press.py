"""A double press starts one run: at once, over a restart, for every button and form that starts runs."""

from __future__ import annotations

import asyncio

import pytest

from demo.fake_comfydeploy.deployments import FAILS_ID
from tests.discord.files import png
from tests.discord.forged import press
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import buttons_of, refusal, text_of
from tests.harness import HELD, Harness

TOLD = "You've just pressed this. To start another, press it again in a few seconds."
BUTTONS = [(1, "Again", 1), (1, "4 more", 4), (2, "Again ×2", 2)]


@pytest.mark.parametrize(("count", "label", "started"), BUTTONS)
async def test_a_second_press_is_told_so_and_starts_nothing(
    bot: Harness, count: int, label: str, started: int
) -> None:
    message = await bot.made(count=count)
    await bot.alice.click(message, label=label)
    bot.clock.move(seconds=4.9)
    second = await bot.click(message, label)
    assert (refusal(bot, second), second.ephemeral) == (TOLD, True)
    assert len(bot.calls) == count + started
    assert len(bot.messages()) == 2


@pytest.mark.parametrize(("count", "label", "started"), BUTTONS)
async def test_of_two_presses_at_the_same_moment_one_starts(
    bot: Harness, count: int, label: str, started: int
) -> None:
    message = await bot.made(count=count)
    custom_id = buttons_of(bot, message)[label]
    pressed = await asyncio.gather(*(press(bot, bot.alice, message, custom_id) for _ in range(2)))
    await bot.env.settle()
    assert [text_of(bot, each.response) for each in pressed].count(TOLD) == 1
    await bot.play()
    assert len(bot.calls) == count + started


@pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)
async def test_try_again_is_one_of_them(bot: Harness) -> None:
    message = await bot.made()
    await bot.alice.click(message, label="Try again")
    assert refusal(bot, await bot.click(message, "Try again")) == TOLD
    assert len(bot.calls) == 2


async def test_a_press_before_a_restart_counts_after_it(bot: Harness) -> None:
    message = await bot.made()
    await bot.alice.click(message, label="Again")
    await bot.restart()
    assert refusal(bot, await bot.click(message, "Again")) == TOLD
    assert len(bot.calls) == 2


async def test_a_press_after_five_seconds_starts_another(bot: Harness) -> None:
    message = await bot.made()
    await bot.click(message, "Again")
    await bot.later(seconds=5)
    await bot.click(message, "Again")
    assert len(bot.calls) == 3


async def test_another_button_and_another_run_are_no_second_press(bot: Harness) -> None:
    first, second = await bot.made(), await bot.made()
    await bot.click(first, "Again")
    await bot.click(first, "4 more")
    await bot.click(second, "Again")
    assert len(bot.calls) == 2 + 1 + 4 + 1


async def test_a_press_that_was_refused_does_not_count(bot: Harness) -> None:
    message = await bot.made()
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    assert "runs for today" in refusal(bot, await bot.click(message, "Again"))
    await set_rules(bot, budgets={"person": {"runs_a_day": 2}})
    await bot.click(message, "Again")
    assert len(bot.calls) == 2


async def test_a_press_whose_answer_discord_refused_does_not_count(bot: Harness) -> None:
    message = await bot.made()
    bot.env.inject_error("POST", "/interactions/*", status=404, code=10062)
    await bot.click(message, "Again")
    assert len(bot.calls) == 1
    await bot.click(message, "Again")
    assert len(bot.calls) == 2


async def test_a_form_that_is_sent_twice_starts_one_run(bot: Harness) -> None:
    message = await bot.made()
    form, same, other = [await bot.alice.click(message, label="Edit") for _ in range(3)]
    await bot.alice.submit_modal(form, {"prompt": "a wolf"})
    assert refusal(bot, await bot.alice.submit_modal(same, {"prompt": "a wolf"})) == TOLD
    await bot.alice.submit_modal(other, {"prompt": "a lion"})
    await bot.bob.submit_modal(await bot.bob.click(bot.messages()[0], label="Edit"), {"prompt": "a wolf"})
    await bot.play()
    prompts = sorted(call.body["inputs"]["prompt"] for call in bot.calls)
    assert prompts == ["a fox", "a lion", "a wolf", "a wolf"]


async def test_a_text_that_is_sent_twice_starts_one_run(bot: Harness) -> None:
    form = await bot.alice.click(await bot.made(prompt="fox " * 1200), label="Edit")
    ready = await bot.alice.submit_modal(form, {"prompt.txt": ("prompt.txt", b"wolf")})
    (answer,) = ready.followups or [ready.response]
    await bot.alice.click(answer.message, label="Send")
    assert refusal(bot, await bot.click(answer.message, "Send")) == TOLD
    assert len(bot.calls) == 2


async def test_a_picture_that_is_sent_twice_starts_one_run_and_two_pictures_start_two(bot: Harness) -> None:
    files = [("cat.png", png()), ("dog.png", png())]
    message = await bot.bob.send(bot.channel, "look", attachments=files)
    offered = await bot.alice.context_menu(bot.channel, "Use as input", message)
    form, same, other = [
        await bot.alice.click(offered.response.message, custom_id=f"use:default:{index}::")
        for index in (0, 0, 1)
    ]
    await bot.alice.submit_modal(form, {"prompt": "a lion"})
    assert refusal(bot, await bot.alice.submit_modal(same, {"prompt": "a lion"})) == TOLD
    await bot.alice.submit_modal(other, {"prompt": "a lion"})
    await bot.play()
    assert len({call.body["inputs"]["image"] for call in bot.calls}) == len(bot.calls) == 2


async def test_a_second_press_leaves_no_line_in_the_record(bot: Harness) -> None:
    message = await bot.made()
    await bot.alice.click(message, label="Again")
    await bot.alice.click(message, label="Again")
    async with bot.app.store.database.read() as connection:
        count = (
            await connection.exec_driver_sql("SELECT count(*) FROM audit WHERE action = 'refusal'")
        ).scalar()
    assert count == 0


async def test_a_command_is_never_a_second_press(bot: Harness) -> None:
    for _ in range(2):
        await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    await bot.play()
    assert len(bot.calls) == 2


async def test_a_second_press_while_the_first_one_runs_is_told_so(bot: Harness) -> None:
    message = await bot.made()
    bot.comfydeploy.next_faults(HELD)
    await bot.click(message, "Again")
    assert refusal(bot, await bot.click(message, "Again")) == TOLD
    assert len(bot.calls) == 2
