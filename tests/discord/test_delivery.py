"""Faults of Discord: the result still arrives, once, by the best route that is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from aiohttp import web

from demo.fake_comfydeploy.faults import Faults
from tests.discord.deliveries import (
    POSTS,
    close_after_a_post,
    close_answer,
    close_channel,
    delivery_states,
    die_at_a_post,
    end_runs,
    every_way_closed,
)
from tests.discord.deployments import ONE
from tests.discord.files import closing, end_with_links, picture
from tests.discord.rendered import (
    FAILURE_BUTTONS,
    RESULT_BUTTONS,
    buttons_of,
    galleries_of,
    one_result,
    pinged,
    requests_to,
    text_of,
)
from tests.harness import HELD, Harness
from tests.sampling import every_nth
from tests.serving import serving

Act = Callable[[Harness], Awaitable[None]]


async def asked(bot: Harness) -> Any:
    """Send a request, and stop when its outcome is there but not in Discord yet."""
    result = await bot.ask(faults=HELD)
    await end_runs(bot)
    return result


@pytest.mark.parametrize("status", [500, 429])
async def test_a_post_that_discord_did_not_take_is_made_again(bot: Harness, status: int) -> None:
    await asked(bot)
    bot.env.inject_error("POST", POSTS, status=status, times=3)
    await bot.play()
    assert await delivery_states(bot) == ["pending"]
    await bot.later(minutes=1, times=4)
    (message,) = bot.messages()
    assert len(message.attachments) == len(bot.calls) == 1
    assert await delivery_states(bot) == ["sent"]


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (404, 10003)])
async def test_a_closed_channel_leaves_the_commands_own_answer(bot: Harness, status: int, code: int) -> None:
    result = await asked(bot)
    bot.env.inject_error("POST", POSTS, status=status, code=code, times=None)
    await bot.play()
    (message,) = bot.messages()
    assert message.id == result.response.id
    assert len(message.attachments) == 1
    assert "> a fox" in text_of(bot, message)
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert await delivery_states(bot) == ["sent"]


async def lose_channel_and_answer(bot: Harness) -> None:
    close_channel(bot)
    close_answer(bot)


async def lose_channel_after_the_interaction(bot: Harness) -> None:
    close_channel(bot)
    bot.clock.move(minutes=20)
    await bot.env.advance_time(20 * 60)


async def delete_channel(bot: Harness) -> None:
    bot.env.backend.delete_channel(bot.channel.id)


async def remove_bot_from_server(bot: Harness) -> None:
    close_channel(bot, code=50001)
    close_answer(bot)
    bot.env.inject_error("DELETE", "*", status=403, code=50001, times=None)


@pytest.mark.parametrize(
    "trouble",
    every_nth(
        [lose_channel_and_answer, delete_channel, lose_channel_after_the_interaction, remove_bot_from_server],
        2,
    ),
)
async def test_with_channel_and_answer_gone_it_comes_as_a_direct_message(bot: Harness, trouble: Act) -> None:
    await asked(bot)
    await trouble(bot)
    await bot.play()
    await bot.later(minutes=1)
    result, note = bot.alice.user.dm_channel.history()
    assert len(result.attachments) == 1
    link = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}"
    assert note.content == f"I couldn't post this in [the channel of the request]({link}), so here it is."
    assert await delivery_states(bot) == ["sent"]


async def link_is_refused(bot: Harness, _: str) -> None:
    close_after_a_post(bot)


async def link_is_never_answered(bot: Harness, link: str) -> None:
    http = bot.app.bot.http
    before = http.request

    async def ignores(route: Any, **kwargs: Any) -> Any:
        if route.method == "POST" and link in str(kwargs):
            raise TimeoutError
        return await before(route, **kwargs)

    http.request = ignores  # type: ignore[method-assign]


@pytest.mark.parametrize("trouble", [link_is_refused, link_is_never_answered])
async def test_an_outcome_in_a_direct_message_counts_without_its_link(bot: Harness, trouble: Any) -> None:
    await asked(bot)
    await lose_channel_and_answer(bot)
    await trouble(bot, f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}")
    await bot.play()
    await bot.later(minutes=10, times=6)
    (result,) = bot.alice.user.dm_channel.history()
    assert len(result.attachments) == 1
    assert await delivery_states(bot) == ["sent"]
    assert bot.messages() == []


async def test_with_every_way_closed_it_is_kept_and_its_status_message_says_so(bot: Harness) -> None:
    await asked(bot)
    with every_way_closed(bot):
        await bot.play()
        assert await delivery_states(bot) == ["undelivered"]
        posts = len(requests_to(bot, "POST", "/messages"))
        await bot.later(hours=5)
    assert len(requests_to(bot, "POST", "/messages")) == posts
    assert (await bot.run()).outputs
    (message,) = bot.messages()
    said = text_of(bot, message)
    assert "Couldn't be posted" in said
    assert "This has ended, but I couldn't post it here. Please open `/runs`." in said
    assert list(buttons_of(bot, message)) == ["Delete"]


async def test_a_failure_takes_the_next_route_too(bot: Harness) -> None:
    bot.comfydeploy.next_faults(Faults(ends_as="failed"))
    bot.env.inject_error("POST", POSTS, status=403, code=50013, times=None)
    result = await bot.ask()
    assert "This one didn't work: the workflow hit an error." in text_of(bot, result.response)
    assert list(buttons_of(bot, result.response)) == FAILURE_BUTTONS


FOUR = f"{ONE}max_count = 4\n"
CHANGES: dict[str, tuple[Faults, str | None]] = {
    "nothing": (Faults(), None),
    "the files break off": (Faults(body="cut-off"), None),
    "the files expire": (Faults(body="expired"), None),
    "another button": (Faults(), FOUR),
}


@pytest.mark.bot(deployments=f"{ONE}max_count = 3\n")
@pytest.mark.parametrize(("faults", "deployments"), CHANGES.values(), ids=CHANGES)
async def test_a_post_whose_reply_was_lost_is_found(
    bot: Harness, faults: Faults, deployments: str | None
) -> None:
    await asked(bot)
    await die_at_a_post(bot)
    assert len(bot.messages()) == 2
    (run,) = bot.comfydeploy.runs
    run.own_faults = faults
    await bot.restart(deployments=deployments)
    await bot.later(minutes=5, times=8)
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [1]
    assert "4 more" not in buttons_of(bot, message)
    assert len(requests_to(bot, "POST", f"/channels/{bot.channel.id}/messages")) == 1
    assert pinged(bot) == [bot.alice.id]
    assert await delivery_states(bot) == ["sent"]


async def test_a_post_with_links_for_large_files_is_found_too(bot: Harness) -> None:
    await asked(bot)
    bot.env.inject_error("POST", POSTS, status=413, code=40005, times=1)
    await die_at_a_post(bot)
    bot.env.inject_error("POST", POSTS, status=413, code=40005, times=1)
    await bot.restart()
    await bot.later(minutes=20)
    (message,) = bot.messages()
    assert not message.attachments
    assert f": [open it]({bot.comfydeploy.root}" in text_of(bot, message)
    assert await delivery_states(bot) == ["sent"]


async def test_dying_before_the_post_leaves_it_to_the_next_process(bot: Harness) -> None:
    await asked(bot)
    await die_at_a_post(bot, after=False)
    await bot.restart()
    await bot.later(minutes=2)
    await one_result(bot)


async def test_an_attempt_that_outlives_its_lease_is_not_repeated_beside_itself(bot: Harness) -> None:
    """If the machine sleeps, or its clock jumps, a lease expires while the process is still working on it.

    Each repetition would count as a failure, and the result would be given up without one that failed.
    """
    asked_for, go_on = asyncio.Event(), asyncio.Event()

    async def serve(request: web.Request) -> web.Response:
        asked_for.set()
        await go_on.wait()
        return closing(web.Response(body=picture(8, 8), content_type="image/png"))

    async with serving(serve) as address:
        await bot.ask(faults=Faults(hold_at="queued", webhook_drop=True))
        await end_with_links(bot, {"fox.png": f"{address}/fox.png"})
        deliver = bot.app.workers["show"]
        attempt = asyncio.create_task(deliver.drain())
        await asked_for.wait()
        for _ in range(21):
            bot.clock.move(minutes=2)
            async with asyncio.timeout(30):
                assert await deliver.drain() == 0
        go_on.set()
        assert await attempt == 1
    assert await delivery_states(bot) == ["sent"]
    await one_result(bot)


@pytest.mark.parametrize("served", [0, 1, 2, 3], ids=lambda served: f"{served} downloads succeed")
async def test_a_closed_channel_is_tried_once_if_files_can_not_be_fetched(bot: Harness, served: int) -> None:
    asked_for = count(1)

    async def serve(request: web.Request) -> web.Response:
        if next(asked_for) > served:
            return closing(web.Response(status=503))
        return closing(web.Response(body=picture(8, 8), content_type="image/png"))

    async with serving(serve) as address:
        await bot.ask(faults=Faults(hold_at="queued", webhook_drop=True))
        await lose_channel_and_answer(bot)
        await end_with_links(bot, {"fox.png": f"{address}/fox.png"})
        await bot.later(minutes=11, times=3)
    message, _ = bot.alice.user.dm_channel.history()
    assert len(message.attachments) == (served > 2)
    assert f"[try it yourself]({address}/fox.png)" in text_of(bot, message) or served > 2
    assert len(requests_to(bot, "POST", f"/channels/{bot.channel.id}/messages")) == 1
    assert await delivery_states(bot) == ["sent"]
