"""Batches that have not ended: their progress, their line in lists, and their cancellation."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import read
from tests.discord.batches import ask
from tests.discord.rendered import galleries_of, pinged, text_of, texts
from tests.harness import HELD, Harness


@pytest.mark.bot(max_concurrent_runs=2)
async def test_the_status_tells_how_far_they_are_as_a_whole(bot: Harness) -> None:
    asked = await ask(bot, Faults(), HELD, HELD, HELD)
    await bot.later(seconds=4)
    shown = text_of(bot, asked.response)
    assert "### Generating: Picture ×4" in shown
    assert "1 of 4 done · 2 in progress · 1 up next" in shown
    bot.comfydeploy.release(bot.calls[1].run_ids[0])
    await bot.comfydeploy.idle()
    await bot.later(seconds=4)
    assert "2 of 4 done" in text_of(bot, asked.response)
    assert len(texts(bot)) == 1
    while bot.comfydeploy.release():
        await bot.comfydeploy.idle()
        await bot.play()
    (result,) = bot.messages()
    assert galleries_of(bot, result) == [4]


@pytest.mark.bot(max_concurrent_runs=2)
async def test_cancel_in_the_middle_keeps_what_is_finished(bot: Harness) -> None:
    asked = await ask(bot, Faults(), HELD, HELD)
    await bot.click(asked.response.message, "Cancel")
    assert await bot.states() == ["succeeded", "cancelled", "cancelled", "cancelled"]
    assert len(bot.calls) == 3
    (message,) = bot.messages()
    assert "**Picture, 1 of 4**" in text_of(bot, message)
    shown = text_of(bot, message)
    assert "**2, 3** You cancelled this request. Some of your GPU time was used." in shown
    assert "**4** You cancelled this request. No GPU time was used." in shown
    assert galleries_of(bot, message) == [1]


async def test_cancelled_before_anything_came_the_answer_says_so_in_place(bot: Harness) -> None:
    asked = await ask(bot, *[HELD] * 4)
    await bot.click(asked.response.message, "Cancel")
    (shown,) = texts(bot)
    assert "Cancelled: Picture ×4" in shown
    assert "**1, 2** Some of your GPU time was used." in shown
    assert "**3, 4** No GPU time was used." in shown
    assert bot.messages()[0].id == asked.response.id
    assert pinged(bot) == []
    assert len(bot.comfydeploy.call_log.cancel_calls) == 2  # the machine takes two at once


async def test_a_list_shows_them_in_one_line(bot: Harness) -> None:
    await ask(bot, Faults(), HELD, HELD, count=3)
    shown = await read(bot, bot.alice, "runs")
    assert "Generating (1 of 3): **Picture**" in shown
    assert "2. " not in shown
    assert "1. Generating (1 of 3): **Picture**" in await read(bot, bot.bob, "queue")
    while bot.comfydeploy.release():
        await bot.comfydeploy.idle()
        await bot.play()
    assert "Done (3 of 3): **Picture**" in await read(bot, bot.alice, "runs")
