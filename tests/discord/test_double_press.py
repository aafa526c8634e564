"""A double press starts one run: at once, over a restart, for every button and form that starts runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import discord
import pytest

from tests.discord.actors import press_behind, submit
from tests.discord.files import post_pictures
from tests.discord.follow_ups import BOTH, MANY, SMALL
from tests.discord.forged import press, use_menu
from tests.discord.rendered import buttons_of, menus, raw_components, refusal, walk
from tests.harness import Harness, running_bot
from tests.sampling import every_nth

TOLD = "You've just pressed this. To start another, press it again in a few seconds."


@pytest.mark.parametrize(
    ("count", "label", "started"), every_nth([(1, "Again", 1), (1, "4 more", 4), (2, "Again ×2", 2)], 2)
)
async def test_a_second_press_starts_nothing(bot: Harness, count: int, label: str, started: int) -> None:
    message = await bot.made(count=count)
    await press_behind(bot, message, label)
    bot.clock.move(seconds=4.9)
    await bot.restart()
    assert refusal(bot, await press_behind(bot, message, label)) == TOLD
    await bot.play()
    assert len(bot.calls) == count + started
    assert len(bot.messages()) == 2
    assert "refusal" not in [line.action for line in await bot.audit()]
    bot.clock.move(seconds=0.1)
    assert not (await press_behind(bot, message, label)).ephemeral


async def test_of_two_presses_at_the_same_moment_one_starts(bot: Harness) -> None:
    message = await bot.made()
    custom_id = buttons_of(bot, message)["Again"]
    pressed = await asyncio.gather(*(press(bot, bot.alice, message, custom_id) for _ in range(2)))
    await bot.env.settle()
    assert [refusal(bot, each) for each in pressed if each.ephemeral or each.followups] == [TOLD]
    await bot.play()
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


async def test_a_picture_that_is_sent_twice_starts_one_run_and_two_pictures_start_two(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png", "dog.png")
    offered = await bot.alice.context_menu(bot.channel, "Use as input", message)
    form, same, other = [
        await bot.alice.click(offered.response.message, custom_id=f"draft::default:{index}::")
        for index in (0, 0, 1)
    ]
    await bot.alice.submit_modal(form, {"prompt": "a lion"})
    assert refusal(bot, await bot.alice.submit_modal(same, {"prompt": "a lion"})) == TOLD
    await submit(bot, other, {"prompt": "a lion"})
    assert len({call.body["inputs"]["image"] for call in bot.calls}) == len(bot.calls) == 2


async def follow(bot: Harness, message: discord.Message, way: str) -> Any:
    """Let Alice start *Upscale* with a result's picture, in one of the ways that there are."""
    if way == "menu":
        return await bot.alice.context_menu(bot.channel, "Upscale", message)
    if way == "button":
        return await bot.alice.click(message, label="Upscale")
    more = (await bot.alice.click(message, label="⋯ More")).response.message
    upscale = dict(menus(bot, more)["Choose a follow-up"])["Upscale"]
    return await bot.alice.select(more, [upscale])


@pytest.mark.bot(deployments=BOTH)
async def test_a_message_command_that_is_used_twice_at_once_starts_one_run(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png")
    used = await asyncio.gather(*(use_menu(bot, bot.alice, "Upscale", message) for _ in range(2)))
    await bot.env.settle()
    assert [refusal(bot, each) for each in used if each.ephemeral or each.followups] == [TOLD]
    await bot.play()
    assert len(bot.calls) == 1
    bot.clock.move(seconds=5)
    assert not (await bot.alice.context_menu(bot.channel, "Upscale", message)).ephemeral
    other = await post_pictures(bot, "cat.png")
    assert not (await bot.alice.context_menu(bot.channel, "Upscale", other)).ephemeral
    assert not (await bot.bob.context_menu(bot.channel, "Upscale", message)).ephemeral
    await bot.play()
    assert len(bot.calls) == 4


@pytest.mark.bot(deployments=MANY)
async def test_a_follow_up_from_two_more_menus_starts_one_run(bot: Harness) -> None:
    message = await bot.made(**SMALL)
    assert not (await follow(bot, message, "more")).ephemeral
    assert refusal(bot, await follow(bot, message, "more")) == TOLD
    await bot.play()
    assert len(bot.calls) == 2
    bot.clock.move(seconds=5)
    assert not (await follow(bot, message, "more")).ephemeral


@pytest.mark.parametrize(("first", "second"), [("menu", "button"), ("button", "menu"), ("menu", "more")])
async def test_one_follow_up_of_a_picture_is_one_press_wherever_it_is_chosen(
    tmp_path: Path, first: str, second: str
) -> None:
    deployments = MANY if "more" in (first, second) else BOTH
    async with running_bot(tmp_path, deployments=deployments) as bot:
        message = await bot.made(**SMALL)
        assert not (await follow(bot, message, first)).ephemeral
        assert refusal(bot, await follow(bot, message, second)) == TOLD
        await bot.play()
        assert len(bot.calls) == 2


@pytest.mark.bot(deployments=BOTH)
async def test_a_picture_that_two_answers_offer_starts_one_run(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png", "dog.png")
    offers = [await bot.alice.context_menu(bot.channel, "Upscale", message) for _ in range(2)]
    first, second = [each.response.message for each in offers]
    parts = walk(raw_components(bot, first))
    cat, dog = [part["custom_id"] for part in parts if part.get("custom_id", "").startswith("draft:")]
    assert not (await bot.alice.click(first, custom_id=cat)).ephemeral
    assert refusal(bot, await bot.alice.click(second, custom_id=cat)) == TOLD
    assert not (await bot.alice.click(second, custom_id=dog)).ephemeral
    await bot.play()
    assert len(bot.calls) == 2
