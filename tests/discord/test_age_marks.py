"""An age-restricted result is shown only where Discord marks the channel when it is posted."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import moderator, submit
from tests.discord.channels import thread_in
from tests.discord.deliveries import (
    close_answer,
    close_channel,
    delivery_states,
    die_at_a_note,
    die_at_a_post,
    end_runs,
    every_way_closed,
)
from tests.discord.deployments import ADULT
from tests.discord.files import finish_with, pictures
from tests.discord.follow_ups import BOTH, SMALL, UPSCALE, let_open, upscaled_from_a_card
from tests.discord.moderated_server import ModeratedServer, adult_channel, mark_adult, set_rules
from tests.discord.rendered import buttons_of, pinged, refusal, requests_to, text_of, use_with
from tests.discord.shares import Shares
from tests.discord.user_install import OWN_ACCOUNT, elsewhere
from tests.harness import HELD, Harness
from tests.sampling import every_nth

pytestmark = pytest.mark.bot(deployments=ADULT)

FOLLOWED = pytest.mark.bot(deployments=BOTH.replace(UPSCALE, f"age_restricted = true\n{UPSCALE}"))
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
    assert await delivery_states(bot) == ["undelivered"]
    refused = await bot.alice.click(told, label="Post it here")
    assert "an age-restricted channel" in refusal(bot, refused)
    mark_adult(bot, adult)
    await bot.click(told, "Post it here")
    (result,) = bot.messages(adult)
    assert len(result.attachments) == count
    assert "undelivered" not in await delivery_states(bot)
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
        assert await delivery_states(bot) == ["sent"]
        assert bot.alice.user.dm_channel is None or bot.alice.user.dm_channel.history() == []
        return
    (letter,) = bot.alice.user.dm_channel.history()
    assert letter.attachments == []
    assert WITHHELD in text_of(bot, letter)
    assert list(buttons_of(bot, letter)) == ["Details", "Delete"]
    assert await delivery_states(bot) == ["undelivered"]
    bot.env.backend.faults.clear()
    listed = (await bot.alice.slash(adult, "runs", state="undelivered")).response
    await bot.alice.click(listed, label="Post it here")
    await bot.play()
    assert len(bot.messages(adult)[-1].attachments) == 1


@pytest.mark.bot(deployments=None)
@pytest.mark.parametrize("then", every_nth(["is no longer marked", "stays", "is archived", "is deleted"], 2))
async def test_a_result_of_a_marked_channel_is_posted_only_in_another(bot: Harness, then: str) -> None:
    """The deployment isn't age-restricted, but the channel of the request was."""
    adult = await adult_channel(bot)
    place = adult
    if then == "is archived":
        place = thread_in(bot, adult)
        await bot.env.settle()
    await undelivered_from(bot, place)
    if then == "is no longer marked":
        mark_adult(bot, adult, marked=False)
    elif then == "is deleted":
        bot.env.backend.delete_channel(adult.id)
        await bot.env.settle()
    elif then == "is archived":
        forget_thread(bot, place)
    listed = (await bot.alice.slash(bot.channel, "runs", state="undelivered")).response
    assert "This result is age-restricted" in refusal(
        bot, await bot.alice.click(listed, label="Post it here")
    )
    assert bot.messages() == []
    mark_adult(bot, bot.channel)
    await bot.alice.click(listed, label="Post it here")
    await bot.play()
    assert len(bot.messages()[-1].attachments) == 1


@pytest.mark.bot(deployments=None)
async def test_a_result_of_an_unmarked_channel_that_was_deleted_is_posted_in_another(bot: Harness) -> None:
    place = bot.guild.create_text_channel("place")
    await bot.env.settle()
    await undelivered_from(bot, place)
    bot.env.backend.delete_channel(place.id)
    await bot.env.settle()
    listed = (await bot.alice.slash(bot.channel, "runs", state="undelivered")).response
    await bot.alice.click(listed, label="Post it here")
    await bot.play()
    assert len(bot.messages()[-1].attachments) == 1


@pytest.mark.bot(deployments=None)
async def test_a_private_result_of_a_marked_channel_opens_only_in_another(bot: Harness) -> None:
    """Neither for its requester nor for a moderator, even if its thread was archived."""
    thread = thread_in(bot, await adult_channel(bot))
    await bot.env.settle()
    await set_rules(bot, private_results=True)
    await bot.ask(channel=thread, private=True)
    forget_thread(bot, thread)
    mona = moderator(bot)
    for actor, command in ((bot.alice, "runs"), (mona, "audit")):
        listed = (await actor.slash(bot.channel, command)).response
        opened = await actor.click(listed, label="Open")
        told = [opened.response, *opened.followups]
        assert any("This result is age-restricted" in each.content for each in told), command
        assert not any(each.attachments for each in told)


@pytest.mark.bot(deployments=None)
async def test_a_result_of_a_marked_channel_may_be_sent_to_its_requester(bot: Harness) -> None:
    """Nobody else sees the direct message, and the deployment isn't age-restricted."""
    adult = await adult_channel(bot)
    await bot.ask(faults=HELD, channel=adult)
    close_channel(bot, adult)
    close_answer(bot)
    await bot.release()
    letters = bot.alice.user.dm_channel.history()
    assert sum(len(letter.attachments) for letter in letters) == 1


async def undelivered_from(bot: Harness, channel: Any) -> str:
    """Return the key of an undelivered result that was requested in this channel."""
    await bot.ask(faults=HELD, channel=channel)
    with every_way_closed(bot):
        await bot.release()
    assert await delivery_states(bot) == ["undelivered"]
    return (await bot.run()).key


def forget_thread(bot: Harness, thread: Any) -> None:
    """Remove a thread from the cache, as discord.py does when Discord reports that it was archived."""
    guild = bot.app.bot.get_guild(bot.guild.id)
    assert guild is not None
    known = guild.get_thread(thread.id)
    assert known is not None
    guild._remove_thread(known)


async def test_without_a_result_there_is_nothing_to_withhold(bot: Harness) -> None:
    adult = await adult_channel(bot)
    bot.comfydeploy.next_faults(Faults(ends_as="failed"))
    await bot.alice.slash(adult, "generate", prompt="a fox")
    mark_adult(bot, adult, marked=False)
    await bot.play()
    (told,) = bot.messages(adult)
    assert "This one didn't work" in text_of(bot, told)
    assert await delivery_states(bot) == ["sent"]


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
    assert await delivery_states(bot) == ["undelivered"]


@pytest.mark.parametrize(("marked", "count"), every_nth(list(product([True, False], [1, 2])), 3))
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
    state = "undelivered" if marked else "sent"
    assert await delivery_states(bot) == [state]


@pytest.mark.parametrize("marked", [True, False])
async def test_a_crash_after_the_note_is_stored_repeats_no_note_and_loses_no_result(
    bot: Harness, marked: bool
) -> None:
    adult = await adult_channel(bot)
    await bot.ask(faults=HELD, channel=adult)
    mark_adult(bot, adult, marked=False)
    await end_runs(bot)
    await die_at_a_note(bot, "the end", after=False)
    await bot.restart()
    mark_adult(bot, adult, marked=marked)
    await bot.later(minutes=2, times=2)
    (told,) = bot.messages(adult)
    assert len(told.attachments) == marked
    state = "sent" if marked else "undelivered"
    assert await delivery_states(bot) == [state]


@pytest.mark.parametrize("stored", [False, True])
async def test_a_crash_after_the_note_was_sent_directly_repeats_it_neither(
    bot: Harness, stored: bool
) -> None:
    adult = await adult_channel(bot)
    await bot.ask(faults=HELD, channel=adult)
    close_channel(bot, adult)
    close_answer(bot)
    await end_runs(bot)
    if stored:
        await die_at_a_note(bot, "the end", after=False)
    else:
        await die_at_a_post(bot)
    assert len(bot.alice.user.dm_channel.history()) == 1
    await bot.restart()
    await bot.later(minutes=20, times=2)
    letters = [text_of(bot, letter) for letter in bot.alice.user.dm_channel.history()]
    assert len(letters) == 1
    assert WITHHELD in letters[0]
    assert await delivery_states(bot) == ["undelivered"]


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
    assert await delivery_states(bot) == ["undelivered"]


@FOLLOWED
async def test_a_message_command_on_a_share_keeps_the_mark_of_a_result_in_another_channel(
    shares: Shares,
) -> None:
    bot = shares.bot
    let_open(bot)
    copy = await shares.share_marked(**SMALL)
    bot.comfydeploy.next_faults(HELD)
    await bot.bob.context_menu(shares.gallery, "Upscale", copy)
    await bot.play()
    mark_adult(bot, shares.gallery, marked=False)
    await bot.release()
    assert [len(each.attachments) for each in bot.messages(shares.gallery)[1:]] == [0]
    parent, child = await bot.runs()
    assert (child.request.age_restricted, child.request.parent_key) == (True, parent.key)


@FOLLOWED
async def test_a_message_command_on_a_review_card_obeys_the_mark_of_its_picture(
    server: ModeratedServer,
) -> None:
    let_open(server)
    mark_adult(server, server.channel)
    await server.ask(**SMALL)
    await server.decide("Approve")
    mark_adult(server, server.review)
    await upscaled_from_a_card(server, server.messages()[0])
    card = server.card
    await set_rules(server)
    server.comfydeploy.next_faults(HELD)
    await server.mona.context_menu(server.review, "Upscale", card)
    assert [run.request.age_restricted for run in await server.runs()] == [True] * 3
    mark_adult(server, server.review, marked=False)
    await server.later(seconds=10)
    refused = await server.mona.context_menu(server.review, "Upscale", card)
    assert "an age-restricted channel" in refusal(server, refused)


@FOLLOWED
@pytest.mark.parametrize("command", ["Animate", "Use as input"])
async def test_a_picture_keeps_the_mark_of_its_channel_after_the_retention_period(
    bot: Harness, command: str
) -> None:
    await set_rules(bot, retention_days=1)
    mark_adult(bot, bot.channel)
    message = await bot.made(**SMALL)
    await bot.later(hours=12)
    await bot.later(days=1, minutes=1)
    assert await bot.runs() == []
    await used(bot, command, message)
    assert [run.request.age_restricted for run in await bot.runs()] == [True]


@FOLLOWED
async def test_use_as_input_keeps_the_mark_under_the_second_message_of_a_result(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    await finish_with(bot, pictures(11), **SMALL)
    await bot.play()
    _, second = bot.messages()
    assert list(buttons_of(bot, second)) == ["11"]
    await used(bot, "Use as input", second)
    parent, child = await bot.runs()
    assert (child.request.age_restricted, child.request.parent_key) == (True, parent.key)


@FOLLOWED
async def test_a_marked_picture_is_not_used_in_an_unmarked_channel(bot: Harness) -> None:
    let_open(bot)
    mark_adult(bot, bot.channel)
    message = await bot.made(**SMALL)
    offered = await bot.bob.context_menu(bot.channel, "Use as input", message)
    mark_adult(bot, bot.channel, marked=False)
    chosen = use_with(bot, offered.response.message, "upscale")
    form = await bot.bob.select(offered.response.message, chosen)
    assert "an age-restricted channel" in refusal(bot, await bot.bob.submit_modal(form, {}))


async def used(bot: Harness, command: str, message: Any) -> None:
    """Let Bob start a run with the picture of a message, which he chooses if there are several."""
    offered = await bot.bob.context_menu(bot.channel, command, message)
    if command == "Animate":
        form = offered if offered.modal else await bot.bob.click(offered.response.message, label="Animate")
        await submit(bot, form, {"motion": "pan"}, bot.bob)
        return
    form = await bot.bob.select(offered.response.message, use_with(bot, offered.response.message, "upscale"))
    await bot.bob.submit_modal(form, {})
