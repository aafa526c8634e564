"""Discord in trouble: the result still arrives, once, by the best way that is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.domain.runs import DeliveryState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.deliveries import ANSWERS, POSTS, delivery_states, die_after_the_post
from tests.discord.deployments import ONE
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, pinged, requests_to, text_of
from tests.harness import HELD, Harness

Act = Callable[[Harness], Awaitable[None]]


async def asked(bot: Harness) -> Any:
    """Send a request, and stop when its outcome is there but not in Discord yet."""
    result = await bot.ask(faults=HELD)
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    return result


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_post_that_discord_did_not_take_is_made_again(bot: Harness, status: int) -> None:
    await asked(bot)
    bot.env.inject_error("POST", POSTS, status=status, times=3)
    await bot.play()
    assert await delivery_states(bot) == [DeliveryState.PENDING]
    await bot.later(minutes=1, times=4)
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    assert await delivery_states(bot) == [DeliveryState.SENT]
    assert len(bot.calls) == 1


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (403, 50001), (404, 10003)])
async def test_a_closed_channel_leaves_the_commands_own_answer(bot: Harness, status: int, code: int) -> None:
    result = await asked(bot)
    bot.env.inject_error("POST", POSTS, status=status, code=code, times=None)
    await bot.play()
    (message,) = bot.messages()
    assert message.id == result.response.id
    assert len(message.attachments) == 1
    assert "> a fox" in text_of(bot, message)
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert await delivery_states(bot) == [DeliveryState.SENT]


async def lose_channel_and_answer(bot: Harness) -> None:
    bot.env.inject_error("POST", f"/channels/{bot.channel.id}/messages", status=403, code=50013, times=None)
    bot.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)


async def lose_channel_after_the_interaction(bot: Harness) -> None:
    bot.env.inject_error("POST", f"/channels/{bot.channel.id}/messages", status=403, code=50013, times=None)
    bot.clock.move(minutes=20)
    await bot.env.advance_time(20 * 60)


async def delete_channel(bot: Harness) -> None:
    bot.env.backend.delete_channel(bot.channel.id)


async def remove_bot_from_server(bot: Harness) -> None:
    bot.env.inject_error("POST", f"/channels/{bot.channel.id}/messages", status=403, code=50001, times=None)
    bot.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
    bot.env.inject_error("DELETE", "*", status=403, code=50001, times=None)


@pytest.mark.parametrize(
    "trouble",
    [lose_channel_and_answer, lose_channel_after_the_interaction, delete_channel, remove_bot_from_server],
)
async def test_with_channel_and_answer_gone_it_comes_as_a_direct_message(bot: Harness, trouble: Act) -> None:
    await asked(bot)
    await trouble(bot)
    await bot.play()
    await bot.later(minutes=1)
    result, note = bot.alice.user.dm_channel.history()
    assert len(result.attachments) == 1
    link = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}"
    assert note.content == f"I couldn't post this in [the channel you asked in]({link}), so here it is."
    assert await delivery_states(bot) == [DeliveryState.SENT]


async def test_with_every_way_closed_it_is_kept(bot: Harness) -> None:
    await asked(bot)
    bot.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
    bot.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
    await bot.play()
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
    posts = len(requests_to(bot, "POST", "/messages"))
    await bot.later(hours=5)
    assert len(requests_to(bot, "POST", "/messages")) == posts
    assert (await bot.run()).outputs


async def test_what_discord_finds_too_large_becomes_a_link_and_says_so(bot: Harness) -> None:
    await asked(bot)
    bot.env.inject_error("POST", POSTS, status=413, code=40005, times=2)
    await bot.play()
    (message,) = bot.messages()
    assert not message.attachments
    text = text_of(bot, message)
    assert "too large to upload here: [open it](" in text
    assert bot.comfydeploy.root in text


async def test_a_failure_is_told_down_the_ladder_too(bot: Harness) -> None:
    bot.comfydeploy.next_faults(Faults(ends_as="failed"))
    bot.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
    result = await bot.ask()
    assert "The run failed on the machine: “RuntimeError" in text_of(bot, result.response)
    assert list(buttons_of(bot, result.response)) == ["Try again", "Edit", "Details", "Delete"]


async def change_nothing(bot: Harness) -> None:
    await bot.restart()


async def cut_files_off(bot: Harness) -> None:
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(body="cut-off")
    await bot.restart()


async def expire_files(bot: Harness) -> None:
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(body="expired")
    await bot.restart()


async def offer_more_at_once(bot: Harness) -> None:
    await bot.restart(deployments=f"{ONE}max_count = 4\n")


@pytest.mark.bot(deployments=f"{ONE}max_count = 3\n")
@pytest.mark.parametrize("change", [change_nothing, cut_files_off, expire_files, offer_more_at_once])
async def test_a_post_whose_answer_was_lost_is_found_instead_of_repeated(bot: Harness, change: Act) -> None:
    await asked(bot)
    await die_after_the_post(bot)
    assert len(bot.messages()) == 2
    await change(bot)
    await bot.later(minutes=5, times=8)
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [1]
    assert "4 more" not in buttons_of(bot, message)
    assert len(requests_to(bot, "POST", f"/channels/{bot.channel.id}/messages")) == 1
    assert pinged(bot) == [bot.alice.id]
    assert await delivery_states(bot) == [DeliveryState.SENT]


async def test_what_was_made_smaller_is_found_too(bot: Harness) -> None:
    await asked(bot)
    bot.env.inject_error("POST", POSTS, status=413, code=40005, times=2)
    await die_after_the_post(bot)
    bot.env.inject_error("POST", POSTS, status=413, code=40005, times=2)
    await bot.restart()
    await bot.later(minutes=20)
    (message,) = bot.messages()
    assert "too large to upload here" in text_of(bot, message)
    assert await delivery_states(bot) == [DeliveryState.SENT]


async def test_dying_before_the_post_leaves_it_to_the_next_process(bot: Harness) -> None:
    await asked(bot)
    http = bot.app.bot.http
    before = http.request

    async def dies(route: Any, **kwargs: Any) -> Any:
        if route.method == "POST":
            raise asyncio.CancelledError
        return await before(route, **kwargs)

    http.request = dies  # type: ignore[method-assign]  # the process's last breath
    with pytest.raises(asyncio.CancelledError):
        await bot.app.workers["deliver"].drain()
    await bot.restart()
    await bot.later(minutes=2)
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [1]
    assert pinged(bot) == [bot.alice.id]
