"""Results from an age-restricted channel: what is made from them, and where they are posted later.

Their deployments aren't age-restricted. `test_age_marks.py` tests those that are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.discord.follow_ups import BOTH, SMALL, let_open
from tests.discord.moderated_server import mark_adult
from tests.discord.rendered import refusal, text_of
from tests.discord.shares import Shares
from tests.harness import Harness

pytestmark = pytest.mark.bot(deployments=BOTH)

MARKED_ONLY = "This runs only in channels that are marked as age-restricted."
Way = Callable[[Harness, Any, Any], Awaitable[Any]]


async def by_button(bot: Harness, actor: Any, message: Any) -> Any:
    return await actor.click(message, label="Upscale")


async def by_message_command(bot: Harness, actor: Any, message: Any) -> Any:
    return await actor.context_menu(bot.channel, "Upscale", message)


async def by_use_as_input(bot: Harness, actor: Any, message: Any) -> Any:
    offered = await actor.context_menu(bot.channel, "Use as input", message)
    if offered.response.content:
        return offered
    form = await actor.select(offered.response.message, ["upscale"])
    return await actor.submit_modal(form, {})


async def by_again(bot: Harness, actor: Any, message: Any) -> Any:
    return await actor.click(message, label="Again")


async def refused(bot: Harness, way: Way, actor: Any, message: Any) -> bool:
    """Return whether this is refused while the channel isn't age-restricted."""
    mark_adult(bot, bot.channel, marked=False)
    bot.clock.move(seconds=10)  # otherwise, the next press of the same button is a double press
    answer = await way(bot, actor, message)
    mark_adult(bot, bot.channel)
    bot.clock.move(seconds=10)
    return refusal(bot, answer) == MARKED_ONLY


@pytest.mark.parametrize("way", [by_button, by_message_command, by_use_as_input])
async def test_what_is_made_from_a_result_of_a_marked_channel_is_marked_for_generations(
    bot: Harness, way: Way
) -> None:
    let_open(bot)
    mark_adult(bot, bot.channel)
    original = await bot.made(**SMALL)
    assert await refused(bot, way, bot.alice, original)
    await way(bot, bot.alice, original)
    await bot.play()
    child = bot.messages()[-1]
    for again in (by_message_command, by_use_as_input, by_again):
        assert await refused(bot, again, bot.alice, child), again
        await again(bot, bot.alice, child)
        await bot.play()
    assert [run.age_restricted for run in await bot.runs()] == [False, *[True] * 4]
    assert len(bot.messages()) == len(bot.calls) == 5


@pytest.mark.parametrize("way", [by_message_command, by_use_as_input])
async def test_a_picture_keeps_the_mark_of_a_channel_that_another_user_does_not_see(
    shares: Shares, way: Way
) -> None:
    """Bob sees only the copy in the gallery, and may not see the run."""
    bot = shares.bot
    let_open(bot)
    mark_adult(bot, bot.channel)
    mark_adult(bot, shares.gallery)
    await shares.share(await bot.made(**SMALL))
    (copy,) = shares.shown()
    mark_adult(bot, bot.channel, marked=False)
    bot.channel = shares.gallery
    assert await refused(bot, way, bot.bob, copy)
    await way(bot, bot.bob, copy)
    await bot.play()
    assert [run.age_restricted for run in await bot.runs()] == [False, True]


async def test_a_form_for_a_result_of_a_marked_channel_does_not_open_in_another(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    original = await bot.made(**SMALL)
    mark_adult(bot, bot.channel, marked=False)
    for answer in (
        await bot.alice.click(original, label="Animate"),
        await bot.bob.context_menu(bot.channel, "Animate", original),
    ):
        assert answer.modal is None
        assert refusal(bot, answer) == MARKED_ONLY


async def test_without_a_file_a_request_is_repeated_anywhere(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    original = await bot.made(**SMALL)
    mark_adult(bot, bot.channel, marked=False)
    more = await bot.alice.click(original, label="Again")
    assert "Picture" in text_of(bot, more.response)
    await bot.play()
    assert [run.age_restricted for run in await bot.runs()] == [False, False]
    assert len(bot.messages()[-1].attachments) == 1
