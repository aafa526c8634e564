"""An age-restricted result is shown only where Discord marks the channel when it is posted."""

from __future__ import annotations

from typing import Any

import pytest
import simcord

from bot.domain.runs import DeliveryState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.channels import thread_in
from tests.discord.deliveries import ANSWERS, delivery_states, die_after_the_post
from tests.discord.deployments import ADULT
from tests.discord.moderated_server import mark_adult
from tests.discord.rendered import buttons_of, pinged, refusal, requests_to, text_of
from tests.discord.user_install import OWN_ACCOUNT, elsewhere
from tests.harness import HELD, Harness

pytestmark = pytest.mark.bot(deployments=ADULT)

WITHHELD = "It is age-restricted, so I post it only in age-restricted channels."


async def adult_channel(bot: Harness) -> simcord.ChannelHandle:
    adult = bot.guild.create_text_channel("adult")
    await bot.env.settle()
    mark_adult(bot, adult)
    return adult


async def under_way(bot: Harness, channel: Any, **options: Any) -> None:
    await bot.ask(channel=channel, faults=HELD, **options)


async def finished(bot: Harness) -> None:
    bot.comfydeploy.release()
    await bot.later(seconds=3)


@pytest.mark.parametrize("count", [1, 2])
async def test_where_the_mark_was_taken_off_meanwhile_the_result_waits(bot: Harness, count: int) -> None:
    adult = await adult_channel(bot)
    bot.channel = adult
    await under_way(bot, adult, count=count)
    mark_adult(bot, adult, marked=False)
    await finished(bot)
    (told,) = bot.messages(adult)
    assert told.attachments == []
    assert WITHHELD in text_of(bot, told)
    assert pinged(bot) == [bot.alice.id]
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
    refused = await bot.alice.click(told, label="Post it here")
    assert "marked as age-restricted" in refusal(bot, refused)
    mark_adult(bot, adult)
    await bot.click(told, "Post it here")
    (result,) = bot.messages(adult)
    assert len(result.attachments) == count
    assert DeliveryState.UNDELIVERED not in await delivery_states(bot)
    # Discord answers a nonce of the last minutes with the message that it was sent with.
    posts = requests_to(bot, "POST", f"/channels/{adult.id}/messages")
    assert len({each.json["nonce"] for each in posts}) == 2


async def test_a_thread_goes_by_its_parent(bot: Harness) -> None:
    adult = await adult_channel(bot)
    thread = thread_in(bot, adult)
    await bot.env.settle()
    await under_way(bot, thread)
    await finished(bot)
    assert len(bot.messages(thread)[-1].attachments) == 1
    await under_way(bot, thread)
    mark_adult(bot, adult, marked=False)
    await finished(bot)
    assert WITHHELD in text_of(bot, bot.messages(thread)[-1])


@pytest.mark.parametrize("answers", [True, False])
async def test_with_its_channel_closed_no_direct_message_has_it(bot: Harness, answers: bool) -> None:
    adult = await adult_channel(bot)
    await under_way(bot, adult)
    bot.env.inject_error("POST", f"/channels/{adult.id}/messages", status=403, code=50013, times=None)
    if not answers:
        bot.env.inject_error("PATCH", ANSWERS, status=404, code=10015, times=None)
    await finished(bot)
    if answers:
        # The command's own answer stands in the marked channel.
        assert await delivery_states(bot) == [DeliveryState.SENT]
        assert bot.alice.user.dm_channel is None or bot.alice.user.dm_channel.history() == []
        return
    (letter,) = bot.alice.user.dm_channel.history()
    assert letter.attachments == []
    assert WITHHELD in text_of(bot, letter)
    assert list(buttons_of(bot, letter)) == ["Details", "Delete"]
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
    bot.env.backend.faults.clear()
    listed = (await bot.alice.slash(adult, "runs", state="undelivered")).response
    await bot.alice.select(listed, [(await bot.run()).key])
    await bot.play()
    assert len(bot.messages(adult)[-1].attachments) == 1


async def test_without_a_result_there_is_nothing_to_withhold(bot: Harness) -> None:
    adult = await adult_channel(bot)
    bot.comfydeploy.next_faults(Faults(ends_as="failed"))
    await bot.alice.slash(adult, "generate", prompt="a fox")
    mark_adult(bot, adult, marked=False)
    await bot.play()
    (told,) = bot.messages(adult)
    assert "The run failed on the machine" in text_of(bot, told)
    assert await delivery_states(bot) == [DeliveryState.SENT]


async def test_discord_is_asked_for_the_mark_only_where_nothing_remembers_it(bot: Harness) -> None:
    adult = await adult_channel(bot)
    await under_way(bot, adult)
    await finished(bot)
    assert len(bot.messages(adult)) == 1
    assert requests_to(bot, "GET", f"/channels/{adult.id}") == []


async def test_a_crash_after_the_note_leaves_one(bot: Harness) -> None:
    adult = await adult_channel(bot)
    await under_way(bot, adult)
    mark_adult(bot, adult, marked=False)
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    await die_after_the_post(bot)
    await bot.restart()
    await bot.later(minutes=2)
    (told,) = bot.messages(adult)
    assert WITHHELD in text_of(bot, told)
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_what_took_longer_than_the_answer_lives_is_not_sent_directly_either(bot: Harness) -> None:
    bot.comfydeploy.next_faults(HELD)
    with elsewhere(bot, "foreign server", nsfw=True):
        await bot.alice.user.slash("generate", prompt="a fox")
    await bot.play()
    await bot.later(minutes=20)
    await finished(bot)
    letters = bot.alice.user.dm_channel.history()
    assert [letter.attachments for letter in letters] == [[]] * len(letters)
    assert WITHHELD in text_of(bot, letters[-1])
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
