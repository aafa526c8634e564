"""Results from an age-restricted channel: what is made from them, and where they are posted later.

Their deployments aren't age-restricted. `test_age_marks.py` tests those that are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.domain.runs import RunState
from tests.discord.batches import ask, open_one
from tests.discord.deliveries import (
    delivery_states,
    die_at_a_deletion,
    die_at_a_post,
    end_runs,
    every_way_closed,
)
from tests.discord.deployments import ADULT, ONE
from tests.discord.files import finish_with, pictures
from tests.discord.follow_ups import BOTH, SMALL, let_open
from tests.discord.moderated_server import ModeratedServer, mark_adult
from tests.discord.rendered import pinged, refusal, text_of, use_with
from tests.discord.shares import Shares
from tests.harness import HELD, Harness

pytestmark = pytest.mark.bot(deployments=BOTH)

WITHHELD = "It is age-restricted, so I post it only in age-restricted channels."
# A result is age-restricted by its deployment, or only by the channel of its request.
BY_DEPLOYMENT_OR_CHANNEL = pytest.mark.parametrize(
    "by",
    [
        pytest.param("deployment", marks=pytest.mark.bot(deployments=ADULT)),
        pytest.param("channel", marks=pytest.mark.bot(deployments=ONE)),
    ],
)
MARKED_ONLY = "Please use this in an age-restricted channel."
Way = Callable[[Harness, Any, Any], Awaitable[Any]]


async def by_button(bot: Harness, actor: Any, message: Any) -> Any:
    return await actor.click(message, label="Upscale")


async def by_message_command(bot: Harness, actor: Any, message: Any) -> Any:
    return await actor.context_menu(bot.channel, "Upscale", message)


async def by_use_as_input(bot: Harness, actor: Any, message: Any) -> Any:
    offered = await actor.context_menu(bot.channel, "Use as input", message)
    form = await actor.select(offered.response.message, use_with(bot, offered.response.message, "upscale"))
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
    assert [run.request.age_restricted for run in await bot.runs()] == [False, *[True] * 4]
    assert len(bot.messages()) == len(bot.calls) == 5


@pytest.mark.parametrize("way", [by_message_command, by_use_as_input])
async def test_a_picture_keeps_the_mark_of_a_channel_that_another_user_does_not_see(
    shares: Shares, way: Way
) -> None:
    """Bob sees only the copy in the gallery, and may not see the run."""
    bot = shares.bot
    let_open(bot)
    copy = await shares.share_marked(**SMALL)
    mark_adult(bot, bot.channel, marked=False)
    bot.channel = shares.gallery
    assert await refused(bot, way, bot.bob, copy)
    await way(bot, bot.bob, copy)
    await bot.play()
    assert [run.request.age_restricted for run in await bot.runs()] == [False, True]


async def test_a_result_of_a_marked_channel_is_not_continued_in_another(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    original = await bot.made(**SMALL)
    mark_adult(bot, bot.channel, marked=False)
    form = await bot.alice.click(original, label="Animate")
    assert refusal(bot, await bot.alice.submit_modal(form, {"motion": "pan"})) == MARKED_ONLY
    # It isn't there for others.
    gone = await bot.bob.click(original, label="Animate")
    assert refusal(bot, gone) == "This request no longer exists."
    form = await bot.bob.context_menu(bot.channel, "Animate", original)
    assert refusal(bot, await bot.bob.submit_modal(form, {"motion": "pan"})) == MARKED_ONLY


async def test_without_a_file_a_request_is_repeated_anywhere(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    original = await bot.made(**SMALL)
    mark_adult(bot, bot.channel, marked=False)
    more = await bot.alice.click(original, label="Again")
    assert "Picture" in text_of(bot, more.response)
    await bot.play()
    assert [run.request.age_restricted for run in await bot.runs()] == [False, False]
    assert len(bot.messages()[-1].attachments) == 1


@pytest.mark.bot(deployments=ONE)
@pytest.mark.parametrize("count", [1, 2])
async def test_a_result_waits_if_its_channel_loses_the_mark_before_it_is_posted(
    bot: Harness, count: int
) -> None:
    mark_adult(bot, bot.channel)
    await bot.ask(faults=HELD, count=count)
    mark_adult(bot, bot.channel, marked=False)
    await bot.release()
    await is_withheld(bot)
    (told,) = bot.messages()
    assert pinged(bot) == [bot.alice.id]
    assert "This result is age-restricted" in refusal(bot, await bot.alice.click(told, label="Post it here"))
    mark_adult(bot, bot.channel)
    await bot.click(told, "Post it here")
    (result,) = bot.messages()
    assert len(result.attachments) == count


@BY_DEPLOYMENT_OR_CHANNEL
@pytest.mark.parametrize("dies", [False, True])
async def test_an_undelivered_result_waits_if_its_new_channel_loses_the_mark_before_it_is_posted(
    bot: Harness, by: str, dies: bool
) -> None:
    """Even if Discord has taken the post, and the bot died before it knew."""
    adult = bot.guild.create_text_channel("adult")
    await bot.env.settle()
    for channel in (adult, bot.channel):
        mark_adult(bot, channel)
    await bot.ask(faults=HELD, channel=adult)
    assert (await bot.run()).request.age_restricted is (by == "deployment")
    await end_runs(bot)
    with every_way_closed(bot):
        await bot.play()
    assert await delivery_states(bot) == ["undelivered"]
    listed = (await bot.alice.slash(bot.channel, "runs", state="undelivered")).response
    await bot.alice.click(listed, label="Post it here")
    if dies:
        await die_at_a_post(bot)
        assert len(bot.messages()[-1].attachments) == 1
        await bot.restart()
    mark_adult(bot, bot.channel, marked=False)
    await bot.later(minutes=2, times=2)
    await is_withheld(bot)


async def is_withheld(bot: Harness) -> None:
    """Check that the channel has only the note about a result that waits in `/runs`."""
    (told,) = bot.messages()
    assert told.attachments == []
    assert WITHHELD in text_of(bot, told)
    assert await delivery_states(bot) == ["undelivered"]


@BY_DEPLOYMENT_OR_CHANNEL
async def test_a_single_result_is_not_posted_if_its_channel_has_lost_the_mark(bot: Harness, by: str) -> None:
    mark_adult(bot, bot.channel)
    await ask(bot, count=2)
    assert [run.request.age_restricted for run in await bot.runs()] == [by == "deployment"] * 2
    one = await open_one(bot, bot.alice, 2)
    mark_adult(bot, bot.channel, marked=False)
    told = await bot.alice.click(one.response.message, label="Post")
    sentence = "This is age-restricted, and its channel isn't any more, so I didn't post it."
    assert told.response.content == sentence
    assert len(bot.messages()) == 1


@pytest.mark.bot(deployments=ONE, max_concurrent_runs=1)
async def test_nothing_is_spent_if_the_channel_loses_the_mark_while_a_request_waits(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    await bot.ask(faults=HELD)
    await bot.ask()
    await bot.later(minutes=2)
    mark_adult(bot, bot.channel, marked=False)
    await bot.release()
    assert (await bot.states())[1] is RunState.REFUSED
    assert len(bot.calls) == 1
    assert any(MARKED_ONLY in text_of(bot, message) for message in bot.messages())


@pytest.mark.bot(deployments=ONE)
async def test_a_request_is_not_approved_if_its_channel_has_lost_the_mark(server: ModeratedServer) -> None:
    mark_adult(server, server.channel)
    await server.ask()
    mark_adult(server, server.channel, marked=False)
    assert MARKED_ONLY in refusal(server, await server.decide("Approve"))
    assert await server.states() == [RunState.REFUSED]
    assert server.calls == []


@pytest.mark.bot(deployments=ADULT)
@pytest.mark.parametrize("crash", [False, True], ids=["no answer", "crash"])
async def test_a_part_whose_deletion_fails_is_deleted_later_if_the_mark_was_removed(
    bot: Harness, crash: bool
) -> None:
    adult = bot.channel
    mark_adult(bot, adult)
    await finish_with(bot, pictures(12))
    await die_at_a_post(bot, after=False, nth=2)
    await bot.restart()
    mark_adult(bot, adult, marked=False)
    if crash:
        await die_at_a_deletion(bot)
        await bot.restart()
    else:
        bot.env.inject_error("DELETE", f"/channels/{adult.id}/messages/*", status=500, times=1)
        await bot.play()
    assert [len(message.attachments) for message in bot.messages()] == [0, 10, 0]
    await bot.later(minutes=2, times=3)
    assert [len(message.attachments) for message in bot.messages()] == [0]
    assert WITHHELD in text_of(bot, bot.messages()[0])
    assert await delivery_states(bot) == ["undelivered"]
