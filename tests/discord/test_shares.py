"""Posting one picture of a batch, and sharing to the gallery: once, by the requester, within the rules."""

from __future__ import annotations

from typing import Any

import pytest

from bot.services.rate_limits import WRITES_PER_PERSON
from demo.fake_comfydeploy.deployments import CAPTION_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import block, read
from tests.discord.batches import ask, files, open_one
from tests.discord.deliveries import close_channel, close_direct_messages, die_at_a_post
from tests.discord.deployments import ADULT
from tests.discord.files import finish_with, pictures
from tests.discord.forged import press
from tests.discord.moderated_server import mark_adult, set_rules
from tests.discord.rendered import (
    RESULT_BUTTONS,
    buttons_of,
    hidden,
    pinged,
    refusal,
    requests_to,
    text_of,
)
from tests.discord.shares import Shares
from tests.harness import Harness

ALREADY = "This has been shared already: [open it]("
DELETED = "A moderator deleted this after it was shared, so I won't share it again."
CLOSED = "I can't post in the gallery channel. A moderator can fix that in `/settings`."


async def copies_in_log(bot: Harness) -> list[Any]:
    """Return the audit log's entries about copies."""
    return [line for line in await bot.audit() if line.action in ("share", "post")]


async def test_a_result_is_shared_once_with_credit_a_link_and_the_prompt(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made(prompt="a *fox* @everyone")
    form = await shares.open(original)
    await bot.restart()
    noted = await bot.alice.submit_modal(form, {"prompt": True})
    assert noted.response.content == f"I'll share it in {shares.gallery.mention} in a moment."
    await bot.restart()
    await bot.play()
    (copy,) = shares.shown()
    shown = text_of(bot, copy)
    assert shown.startswith(f"**Picture** by <@{bot.alice.id}>\n> a \\*fox\\* \\@everyone\n")
    link = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}/{original.id}"
    assert f"[Open the original]({link})" in shown
    assert list(buttons_of(bot, copy)) == ["Report", "Delete"]
    assert await copy.attachments[0].read() == await original.attachments[0].read()
    assert pinged(bot) == [bot.alice.id]  # by the result, not by the share
    assert refusal(bot, await shares.open(original)).startswith(ALREADY)
    (line,) = await copies_in_log(bot)
    assert (line.action, line.actor_id, line.run_key) == ("share", bot.alice.id, (await bot.run()).key)
    assert line.details == {"channel": shares.gallery.mention}
    assert len(bot.calls) == 1
    await bot.click(original, "Delete")
    assert (bot.messages(), shares.shown()) == ([], [])


async def test_without_its_prompt_nothing_of_the_copy_tells_it(shares: Shares) -> None:
    bot = shares.bot
    await shares.share(await bot.made(prompt="a secret fox"))
    (copy,) = shares.shown()
    assert "fox" not in text_of(bot, copy)
    assert copy.attachments[0].description is None
    (post,) = requests_to(bot, "POST", f"/channels/{shares.gallery.id}/messages")
    assert "secret" not in str(post.json)


@pytest.mark.bot(comfydeploy_deployment_id=CAPTION_ID)
async def test_a_text_that_the_gallery_forbids_is_not_shared_even_without_the_prompt(shares: Shares) -> None:
    """The caption quotes the prompt, and other texts may do so, too."""
    bot = shares.bot
    original = await bot.made(prompt="a forbidden fox")
    await shares.set_rules(words={"blocked": ["forbidden"]})
    for prompt in (False, True):
        refused = await shares.start(original, prompt=prompt)
        assert (
            refusal(bot, refused)
            == "The result's text has something that isn't allowed in the gallery channel."
        )
    await bot.play()
    assert shares.shown() == []
    await shares.set_rules()
    await shares.share(original)
    assert "a forbidden fox" in text_of(bot, shares.shown()[0])


async def test_nobody_else_shares_or_posts_a_result(shares: Shares) -> None:
    bot = shares.bot
    await ask(bot, count=2)
    (message,) = bot.messages()
    key = (await bot.runs())[1].key
    theirs = await open_one(bot, bot.bob, 2)
    assert list(buttons_of(bot, theirs.response)) == ["Again", "4 more", "Edit", "Use as input", "Details"]
    for action in ("post", "share"):
        refused = await press(bot, bot.bob, message, f"run:{key}:{action}")
        assert refusal(bot, refused) == "Only the requester can post or share this."
    await bot.play()
    assert (len(bot.messages()), shares.shown()) == (1, [])


async def test_one_picture_of_a_batch_is_posted_alone_and_once(bot: Harness) -> None:
    await ask(bot, count=3)
    first, second, third = await bot.keys()
    one = await open_one(bot, bot.alice, 2)
    assert list(buttons_of(bot, one.response))[3:] == ["Use as input", "Post", "More"]
    await bot.restart()
    posted = await bot.alice.click(one.response.message, label="Post")
    assert posted.response.content == "I'll post it here in a moment."
    await die_at_a_post(bot)
    await bot.restart()
    again = await bot.alice.click(one.response.message, label="Post")
    assert refusal(bot, again) == "This is already on its way. Please wait a moment."
    await bot.later(minutes=2)
    _, alone = bot.messages()
    assert files(alone) == [second]
    assert list(buttons_of(bot, alone)) == RESULT_BUTTONS
    assert pinged(bot) == [bot.alice.id]
    again = await bot.alice.click(one.response.message, label="Post")
    assert refusal(bot, again).startswith("This has been posted already: [open it](")
    (line,) = await copies_in_log(bot)
    assert (line.action, line.outcome, line.details) == ("post", None, {"channel": bot.channel.mention})
    more = await bot.alice.click(one.response.message, label="More")
    await bot.click(more.response.message, "Delete")
    (batch,) = bot.messages()
    assert set(files(batch)) == {first, third}


async def test_a_share_into_a_closed_channel_is_refused_now_or_told_later(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    original = await bot.made()
    close_channel(bot, shares.gallery, times=1)
    await shares.share(original)
    assert shares.shown() == []
    (letter,) = shares.letters()
    assert f"<@{bot.alice.id}> {CLOSED}" in letter.content
    assert f"/{bot.channel.id}/{original.id}" in letter.content
    await bot.restart()
    await shares.share(original)  # Discord takes it again
    assert len(shares.shown()) == 1
    assert shares.letters() == []  # deleted after the later success
    newest, older, *_ = (await read(bot, mona, "audit")).split("\n<@")[1:]
    where = f" · prompt “a fox” · channel: {shares.gallery.mention}"
    shared = f"{bot.alice.id}> {{}} a result of **Picture**{{}}{where}"
    assert newest.startswith(shared.format("shared", ""))
    assert older.startswith(shared.format("tried to share", " · the bot couldn't post in the gallery"))
    bot.env.backend.delete_channel(shares.gallery.id)
    await bot.env.settle()
    other = await bot.made()
    refused = await press(bot, bot.alice, other, f"run:{(await bot.keys())[-1]}:share")
    assert refusal(bot, refused) == CLOSED


@pytest.mark.parametrize("letters", [True, False])
async def test_a_result_whose_file_is_gone_is_told_once(shares: Shares, letters: bool) -> None:
    bot = shares.bot
    original = await bot.made()
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(body="expired")
    if not letters:
        close_direct_messages(bot)
    await shares.share(original)
    await bot.later(minutes=1, times=6)
    assert shares.shown() == []
    (message,) = shares.letters() if letters else bot.messages()[1:]
    assert "The file of this result is gone, so I can't post it." in message.content
    assert list(buttons_of(bot, message)) == ["Delete"]
    assert len(bot.messages()) == (1 if letters else 2)


@pytest.mark.parametrize("dies", [False, True])
async def test_a_deleted_result_is_not_shared_and_leaves_no_copy(shares: Shares, dies: bool) -> None:
    bot = shares.bot
    original = await bot.made()
    await shares.start(original)
    if dies:
        await die_at_a_post(bot)
        await bot.restart()
    await bot.alice.click(original, label="Delete")
    await bot.later(minutes=2, times=2)
    assert (bot.messages(), shares.shown()) == ([], [])


async def test_a_copy_that_a_moderator_deleted_in_discord_is_not_posted_again(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    await shares.share(original)
    (copy,) = shares.shown()
    bot.env.backend.delete_message(shares.gallery.id, copy.id)
    assert refusal(bot, await shares.start(original)) == DELETED
    await ask(bot, count=2)
    one = await open_one(bot, bot.alice, 2)
    await bot.alice.click(one.response.message, label="Post")
    await bot.play()
    *_, alone = bot.messages()
    bot.env.backend.delete_message(bot.channel.id, alone.id)
    again = await bot.alice.click(one.response.message, label="Post")
    assert refusal(bot, again).startswith("A moderator deleted this after it was posted, so I won't post")
    await bot.play()
    assert shares.shown() == []


async def test_a_result_that_is_shared_and_deleted_again_and_again_is_slowed_down(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    bot.clock.move(minutes=1)
    for _ in range(WRITES_PER_PERSON // 2):
        await shares.share(original)
        (copy,) = shares.shown()
        await bot.click(copy, "Delete")
    refused = await shares.open(original)
    assert refusal(bot, refused) == "You're going too fast. Please try again in a minute."
    assert len(await copies_in_log(bot)) == WRITES_PER_PERSON // 2
    bot.clock.move(minutes=1)
    await shares.share(original)
    assert len(shares.shown()) == 1


async def test_a_deleted_gallery_channel_lets_its_results_be_shared_in_the_next(
    shares: Shares, mona: Any
) -> None:
    bot = shares.bot
    original, other = await bot.made(), await bot.made(prompt="a wolf")
    await shares.share(original)
    await shares.share(other)
    (_, copy) = shares.shown()
    await bot.click(copy, "Delete", mona)
    bot.env.backend.delete_channel(shares.gallery.id)
    await bot.env.settle()
    shares.gallery = bot.guild.create_text_channel("new-gallery")
    await bot.env.settle()
    await shares.set_rules()
    await shares.share(original)
    assert [files(each) for each in shares.shown()] == [[(await bot.keys())[0]]]
    assert refusal(bot, await shares.start(original)).startswith(ALREADY)
    assert refusal(bot, await shares.start(other)) == DELETED


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_result_is_shared_only_to_a_marked_channel(
    shares: Shares,
) -> None:
    bot = shares.bot
    mark_adult(bot, bot.channel)
    original = await bot.made()
    sentence = "This is age-restricted, and the gallery channel isn't, so I can't share it there."
    assert refusal(bot, await shares.open(original)) == sentence
    mark_adult(bot, shares.gallery)
    await shares.start(original)
    mark_adult(bot, shares.gallery, marked=False)
    await bot.play()
    assert shares.shown() == []
    (letter,) = shares.letters()
    assert sentence in letter.content
    mark_adult(bot, shares.gallery)
    await shares.set_rules(spoiler="not_age_restricted")
    await shares.share(original)
    assert hidden(bot, shares.shown()[-1]) == [False]


@pytest.mark.parametrize("marked", [True, False])
async def test_the_gallery_has_to_be_age_restricted_if_a_channel_that_is_gone_was(
    shares: Shares, marked: bool
) -> None:
    bot = shares.bot
    mark_adult(bot, bot.channel, marked=marked)
    mark_adult(bot, shares.gallery)
    await shares.start(await bot.made())
    mark_adult(bot, shares.gallery, marked=False)
    bot.env.backend.delete_channel(bot.channel.id)
    await bot.env.settle()
    await bot.play()
    if not marked:
        assert len(shares.shown()) == 1
        return
    assert shares.shown() == []
    assert "This is age-restricted, and the gallery channel isn't" in shares.letters()[0].content


async def test_a_result_keeps_the_mark_that_its_channel_had(shares: Shares) -> None:
    bot = shares.bot
    mark_adult(bot, bot.channel)
    original = await bot.made()
    mark_adult(bot, bot.channel, marked=False)
    sentence = "This is age-restricted, and the gallery channel isn't, so I can't share it there."
    assert refusal(bot, await shares.open(original)) == sentence


async def test_a_changed_gallery_or_channel_or_a_block_keeps_a_share_back(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    await shares.start(original)
    await set_rules(bot)
    await bot.play()
    assert "The gallery channel was changed meanwhile." in shares.letters()[0].content
    await shares.set_rules()
    await shares.start(original)
    mark_adult(bot, bot.channel)
    await bot.play()
    assert "This is age-restricted, and the gallery channel isn't" in shares.letters()[1].content
    mark_adult(bot, bot.channel, marked=False)
    await shares.start(original)
    await block(bot, bot.alice)
    await bot.play()
    assert shares.shown() == []
    assert "A moderator has blocked you there, so I didn't post this." in shares.letters()[2].content
    assert "from generating on this server: spam" in refusal(bot, await shares.open(original))


async def test_a_result_from_before_the_gallery_and_the_review_channel_has_share_and_report(
    shares: Shares,
) -> None:
    bot = shares.bot
    await set_rules(bot)
    original = await bot.made()
    review = bot.guild.create_text_channel("review")
    await bot.env.settle()
    await shares.set_rules()
    await shares.share(original)
    (copy,) = shares.shown()
    refused = await bot.bob.click(copy, label="Report")
    assert refusal(bot, refused).endswith("Please tell a moderator directly.")
    await shares.set_rules(approval={"review_channel_id": review.id})
    more = await bot.alice.click(original, label="More")
    assert list(buttons_of(bot, more.response)) == ["Share", "Details", "Report"]
    await bot.click(copy, "Report", bot.bob)
    assert len(bot.messages(review)) == 1


async def test_a_report_under_the_copy_shows_the_result_to_the_moderators(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    review = bot.guild.create_text_channel("review")
    await bot.env.settle()
    await shares.set_rules(approval={"review_channel_id": review.id})
    await shares.share(await bot.made(), prompt=True)
    (copy,) = shares.shown()
    assert list(buttons_of(bot, copy)) == ["Report", "Delete"]
    await bot.click(copy, "Report", bot.bob)
    (card,) = bot.messages(review)
    assert "was reported" in text_of(bot, card)
    await bot.click(card, "Delete", mona)
    assert (bot.messages(), shares.shown()) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
async def test_a_share_in_two_messages_is_not_mistaken_for_its_original(shares: Shares, parts: int) -> None:
    """The gallery is the channel of the result, whose messages have the same files and buttons."""
    bot = shares.bot
    await shares.set_rules(gallery_channel_id=bot.channel.id)
    await finish_with(bot, pictures(12))
    await bot.play()
    original, _ = bot.messages()
    await shares.start(original)
    for _ in range(parts):
        await die_at_a_post(bot)
        await bot.restart()
        bot.clock.move(minutes=2)  # the lease of the dead process has run out
        await bot.env.advance_time(120)
    await bot.later(minutes=5)  # Discord has forgotten the nonces
    assert [len(each.attachments) for each in bot.messages()] == [10, 2, 10, 2]
    await bot.click(original, "Delete")
    assert bot.messages() == []


@pytest.mark.slow
@pytest.mark.bot(deployments=ADULT)
async def test_one_of_a_batch_is_posted_only_where_its_channel_takes_it(shares: Shares) -> None:
    bot = shares.bot
    mark_adult(bot, bot.channel)
    await ask(bot, count=2)
    one = await open_one(bot, bot.alice, 2)
    mark_adult(bot, bot.channel, marked=False)
    for sentence in (
        "This is age-restricted, and its channel isn't any more",
        "I can't post in that channel",
    ):
        await bot.click(one.response.message, "Post")
        assert sentence in shares.letters()[-1].content
        mark_adult(bot, bot.channel)
        close_channel(bot, times=1)
    bot.env.backend.faults.clear()
    await bot.click(one.response.message, "Post")
    assert (len(bot.messages()), shares.letters()) == (2, [])
