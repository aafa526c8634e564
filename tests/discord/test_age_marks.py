"""An age-restricted result is shown only where Discord marks the channel when it is posted."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.runs import DeliveryState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.deliveries import close_answer, close_channel, delivery_states, die_at_a_post, end_runs
from tests.discord.deployments import ADULT
from tests.discord.moderated_server import adult_channel, mark_adult
from tests.discord.rendered import buttons_of, pinged, refusal, requests_to, text_of
from tests.discord.user_install import OWN_ACCOUNT, elsewhere
from tests.harness import HELD, Harness

pytestmark = pytest.mark.bot(deployments=ADULT)

WITHHELD = "It is age-restricted, so I post it only in age-restricted channels."


@pytest.mark.parametrize("count", [1, 2])
async def test_a_result_waits_if_the_mark_was_removed_meanwhile(bot: Harness, count: int) -> None:
    adult = await adult_channel(bot)
    bot.channel = adult
    await bot.ask(faults=HELD, channel=adult, count=count)
    mark_adult(bot, adult, marked=False)
    await bot.release()
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


@pytest.mark.parametrize("answers", [True, False])
async def test_with_its_channel_closed_no_direct_message_has_it(bot: Harness, answers: bool) -> None:
    adult = await adult_channel(bot)
    await bot.ask(faults=HELD, channel=adult)
    close_channel(bot, adult)
    if not answers:
        close_answer(bot)
    await bot.release()
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
    await bot.ask(faults=HELD, channel=adult)
    await bot.release()
    assert len(bot.messages(adult)) == 1
    assert requests_to(bot, "GET", f"/channels/{adult.id}") == []


async def test_a_crash_after_the_note_leaves_one(bot: Harness) -> None:
    adult = await adult_channel(bot)
    await bot.ask(faults=HELD, channel=adult)
    mark_adult(bot, adult, marked=False)
    await end_runs(bot)
    await die_at_a_post(bot)
    await bot.restart()
    await bot.later(minutes=2)
    (told,) = bot.messages(adult)
    assert WITHHELD in text_of(bot, told)
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("marked", [True, False])
async def test_a_post_without_a_reply_is_deleted_if_the_mark_changes(
    bot: Harness, marked: bool, count: int
) -> None:
    """The result isn't left in an unmarked channel, nor the note beside the result."""
    adult = bot.channel = await adult_channel(bot)
    await bot.ask(faults=HELD, channel=adult, count=count)
    mark_adult(bot, adult, marked=marked)
    await end_runs(bot)
    await die_at_a_post(bot)
    await bot.restart()
    mark_adult(bot, adult, marked=not marked)
    await bot.later(minutes=2, times=2)
    (told,) = bot.messages(adult)
    assert len(told.attachments) == (0 if marked else count)
    assert (WITHHELD in text_of(bot, told)) is marked
    state = DeliveryState.UNDELIVERED if marked else DeliveryState.SENT
    assert await delivery_states(bot) == [state]


@pytest.mark.parametrize("marked", [True, False])
async def test_a_crash_after_the_note_is_stored_repeats_no_note_and_loses_no_result(
    bot: Harness, marked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    adult = await adult_channel(bot)
    await bot.ask(faults=HELD, channel=adult)
    mark_adult(bot, adult, marked=False)
    await end_runs(bot)

    async def dies(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(bot.app.store.deliveries, "mark_undelivered", dies)
    with pytest.raises(asyncio.CancelledError):
        await bot.app.workers["deliver"].drain()
    await bot.restart()
    mark_adult(bot, adult, marked=marked)
    await bot.later(minutes=2, times=2)
    (told,) = bot.messages(adult)
    assert len(told.attachments) == marked
    state = DeliveryState.SENT if marked else DeliveryState.UNDELIVERED
    assert await delivery_states(bot) == [state]


@pytest.mark.bot(**OWN_ACCOUNT)
async def test_a_result_after_the_interaction_is_not_sent_directly_either(bot: Harness) -> None:
    bot.comfydeploy.next_faults(HELD)
    with elsewhere(bot, "foreign server", nsfw=True):
        await bot.alice.user.slash("generate", prompt="a fox")
    await bot.play()
    await bot.later(minutes=20)
    await bot.release()
    letters = bot.alice.user.dm_channel.history()
    assert [letter.attachments for letter in letters] == [[]] * len(letters)
    assert WITHHELD in text_of(bot, letters[-1])
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
