"""Undelivered results that are posted again: only on their own server, by its rules, and whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.context import Trouble
from bot.workers.notices import SENTENCES
from tests.discord.actors import block, delete, erase_data, moderator, override, pause
from tests.discord.batches import DEPLOYMENTS, files
from tests.discord.deliveries import (
    be_killed_at_a_post,
    delivery_states,
    end_runs,
    every_way_closed,
    only_one_part,
)
from tests.discord.files import finish_with, pictures
from tests.discord.forged import press
from tests.discord.moderated_server import set_rules
from tests.discord.outages import failing_library
from tests.discord.rendered import buttons_of, galleries_of, hidden, refusal, text_of
from tests.harness import HELD, Harness

POST = "Post it here"
POST_ID = "runs:0:undelivered:redeliver"
Rule = Callable[[Harness], Awaitable[None]]


async def kept_result(bot: Harness) -> str:
    """Return the key of an undelivered result of Alice's."""
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    with every_way_closed(bot):
        await bot.play()
    return (await bot.run()).key


async def post_here(bot: Harness) -> Any:
    """Let Alice choose her only undelivered result from her list."""
    shown = (await bot.alice.slash(bot.channel, "runs", state="undelivered")).response
    chosen = await bot.alice.click(shown, label=POST)
    await bot.play()
    return chosen


def posted(bot: Harness) -> list[Any]:
    return [message for message in bot.messages() if message.attachments]


def shown(bot: Harness) -> list[list[int]]:
    """Return how many pictures each message of a result shows."""
    return [galleries_of(bot, message) for message in posted(bot)]


async def test_an_unforeseen_error_ends_in_a_kept_result(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    told_to_the_owner = SENTENCES[Trouble.UNDELIVERED]
    with failing_library(
        bot,
        lambda body: not any(each in body for each in told_to_the_owner),
        ValueError("a fault of the library's"),
    ):
        await bot.play()
        assert await delivery_states(bot) == ["pending"]
        await bot.later(minutes=11, times=25)
    assert await delivery_states(bot) == ["undelivered"]
    chosen = await post_here(bot)
    assert [told.content for told in chosen.followups] == ["I'll post it here in a moment."]
    (message,) = posted(bot)
    assert "> a fox" in text_of(bot, message)


async def test_a_result_whose_posts_end_the_process_is_shown_in_the_answer(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await end_runs(bot)
    for _ in range(4):
        await be_killed_at_a_post(bot)
        bot.clock.move(minutes=2)
    await bot.restart()
    await bot.play()
    assert await delivery_states(bot) == ["sent"]
    assert "> a fox" in text_of(bot, bot.messages()[0])


async def test_on_another_server_it_is_neither_offered_nor_posted(bot: Harness) -> None:
    key = await kept_result(bot)
    guild = bot.env.create_guild("Mine")
    home, bot.channel = bot.channel, guild.create_text_channel("mine")
    alice = guild.add_member(bot.alice.user)
    await bot.env.settle()
    asked_in = f"https://discord.com/channels/{bot.guild.id}/{home.id}"
    for shown in (
        (await bot.alice.user.slash("runs")).response,
        (await alice.slash(bot.channel, "runs", state="undelivered")).response,
    ):
        assert f"couldn't be posted; use `/runs` [where you requested it]({asked_in})" in text_of(bot, shown)
        assert buttons_of(bot, shown) == {}
    forged = await press(bot, alice, shown, f"{POST_ID}:{key}")
    assert refusal(bot, forged) == (
        f"Results are posted only on the server of the request. Please use `/runs` [there]({asked_in})."
    )
    pressed = await press(bot, alice, shown, f"run:{key}:redeliver")
    assert refusal(bot, pressed).startswith("Results are posted only on the server")
    await bot.play()
    assert not [message for message in bot.channel.history(viewer=alice) if message.attachments]
    bot.channel = home
    await post_here(bot)
    assert len(posted(bot)) == 1


async def allow_another_server_only(bot: Harness) -> None:
    await bot.restart(allowed_guild_ids="1")


async def take_the_command_away(bot: Harness) -> None:
    override(bot, {bot.alice.user: False})


async def block_alice(bot: Harness) -> None:
    await block(bot, bot.alice)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (pause, "Generating is paused for the moment: moving"),
        (allow_another_server_only, "This bot doesn't generate on this server. Its operator can allow it."),
        (take_the_command_away, "This server's settings don't let you use this here."),
        (block_alice, "You can't generate on this server. Reason from the moderators: “spam”"),
    ],
)
async def test_the_rules_for_requests_hold_for_posting_too(bot: Harness, rule: Rule, told: str) -> None:
    await kept_result(bot)
    await rule(bot)
    assert refusal(bot, await post_here(bot)) == told
    assert posted(bot) == []


async def test_it_hides_behind_a_click_where_the_rules_now_say_so(bot: Harness) -> None:
    await kept_result(bot)
    await set_rules(bot, spoiler="always")
    await post_here(bot)
    assert hidden(bot, posted(bot)[0]) == [True]


@pytest.fixture
async def half_posted(bot: Harness) -> Harness:
    """Return a bot with a result of twelve files, of which only the first message could be posted."""
    await finish_with(bot, pictures(12))
    with only_one_part(bot):
        await bot.play()
    return bot


async def test_a_result_of_which_half_came_is_posted_again_whole(half_posted: Harness) -> None:
    bot = half_posted
    assert shown(bot) == [[10]]
    listed = await bot.alice.slash(bot.channel, "runs")
    assert "couldn't be posted" in text_of(bot, listed.response)
    await post_here(bot)
    assert shown(bot) == [[10], [2]]  # the first half of the first time is gone
    assert len(bot.messages()) == 2
    assert len(bot.calls) == 1


async def test_delete_takes_every_message_of_a_result_that_was_posted_by_halves(half_posted: Harness) -> None:
    bot = half_posted
    with only_one_part(bot):
        await post_here(bot)
    assert shown(bot) == [[10], [10]]
    mona = moderator(bot)
    deleted = await press(bot, mona, bot.messages()[-1], f"run:{(await bot.run()).key}:delete")
    assert text_of(bot, deleted.response) == "Deleted."
    assert shown(bot) == []


async def test_a_deleted_result_is_not_posted_again(half_posted: Harness) -> None:
    bot = half_posted
    key = (await bot.run()).key
    await press(bot, moderator(bot), bot.messages()[-1], f"run:{key}:delete")
    await bot.play()
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    refused = await press(bot, bot.alice, listed, f"{POST_ID}:{key}")
    assert refusal(bot, refused) == "There is nothing left to post for this request."
    await bot.play()
    assert shown(bot) == []


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_of_several_a_deleted_one_stays_in_no_earlier_message(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate variations", prompt="a fox", batch=4, count=4)
    with only_one_part(bot):
        await bot.play()
    assert shown(bot) == [[10]]
    bot.env.inject_error("DELETE", "/channels/*/messages/*", status=403, code=50013, times=None)
    await post_here(bot)
    bot.env.backend.faults.clear()
    assert shown(bot) == [[10], [10], [6]]
    first = (await bot.runs())[0].key
    one = await bot.alice.click(bot.messages()[-2], label="1")
    await delete(bot, one.response.message)
    left = files(*posted(bot))
    assert (len(left), first in left) == (12, False)
    await delete(bot, posted(bot)[0])
    assert shown(bot) == []


async def test_moderators_delete_it_after_its_requester_erased_their_data(half_posted: Harness) -> None:
    bot = half_posted
    await erase_data(bot)
    assert (await bot.run()).request.prompt is None
    none = (await bot.alice.slash(bot.channel, "runs", state="undelivered")).response
    assert buttons_of(bot, none) == {}
    await press(bot, moderator(bot), bot.messages()[-1], f"run:{(await bot.run()).key}:delete")
    await bot.play()
    assert shown(bot) == []
