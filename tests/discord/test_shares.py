"""Posting one picture of a batch, and sharing to the gallery: once, by the requester, within the rules."""

from __future__ import annotations

from typing import Any

import pytest

from bot.memory import WRITES_PER_PERSON
from demo.fake_comfydeploy.deployments import CAPTION_ID
from tests.discord.actors import delete, open_more, read, report, submit
from tests.discord.batches import ask, files, open_one
from tests.discord.deliveries import close_channel
from tests.discord.deployments import ADULT
from tests.discord.follow_ups import BOTH, SMALL, let_open
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import mark_adult, set_rules
from tests.discord.rendered import (
    RESULT_BUTTONS,
    buttons_of,
    fields,
    filled,
    hidden,
    menus,
    pinged,
    refusal,
    requests_to,
    text_of,
)
from tests.discord.shares import Shares
from tests.harness import Harness

ALREADY = "This has been shared already: [open it]("
DELETED = "A moderator deleted this after it was shared, so I won't share it again."
GONE = "This request no longer exists."
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
    (copy,) = shares.shown()
    url = f"https://discord.com/channels/{bot.guild.id}/{shares.gallery.id}/{copy.id}"
    assert noted.response.content == f"Shared: [open]({url})"
    shown = text_of(bot, copy)
    assert shown.startswith(f"**Picture** by <@{bot.alice.id}>\n> a \\*fox\\* \\@everyone\n")
    link = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}/{original.id}"
    assert f"[Open the original]({link})" in shown
    assert list(buttons_of(bot, copy)) == ["Edit", "Use as input", "⋯ More"]
    assert await copy.attachments[0].read() == await original.attachments[0].read()
    assert pinged(bot) == [bot.alice.id]  # by the result, not by the share
    assert refusal(bot, await shares.open(original)).startswith(ALREADY)
    (line,) = await copies_in_log(bot)
    assert (line.action, line.actor_id, line.run_key) == ("share", bot.alice.id, (await bot.run()).key)
    assert line.details == {"channel": shares.gallery.mention}
    assert len(bot.calls) == 1
    await delete(bot, original)
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
    assert list(buttons_of(bot, theirs.response)) == [
        "Again",
        "4 more",
        "Edit",
        "Use as input",
        "Save preset",
        "Details",
    ]
    for action in ("post", "share"):
        refused = await press(bot, bot.bob, message, f"run:{key}:{action}")
        assert refusal(bot, refused) == "Only the requester can post or share this."
    await bot.play()
    assert (len(bot.messages()), shares.shown()) == (1, [])


async def test_one_picture_of_a_batch_is_posted_alone_and_once(bot: Harness) -> None:
    await ask(bot, count=3)
    first, second, third = await bot.keys()
    one = await open_one(bot, bot.alice, 2)
    assert list(buttons_of(bot, one.response))[3:7] == ["Use as input", "Post", "Save preset", "Details"]
    await bot.restart()
    posted = await bot.alice.click(one.response.message, label="Post")
    _, alone = bot.messages()
    url = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}/{alone.id}"
    assert posted.response.content == f"Posted: [open]({url})"
    assert files(alone) == [second]
    assert list(buttons_of(bot, alone)) == RESULT_BUTTONS
    assert pinged(bot) == [bot.alice.id]
    again = await bot.alice.click(one.response.message, label="Post")
    assert refusal(bot, again).startswith("This has been posted already: [open it](")
    (line,) = await copies_in_log(bot)
    assert (line.action, line.outcome, line.details) == ("post", None, {"channel": bot.channel.mention})
    await delete(bot, one.response.message)
    (batch,) = bot.messages()
    assert set(files(batch)) == {first, third}


async def test_a_share_into_a_closed_channel_is_refused(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    original = await bot.made()
    close_channel(bot, shares.gallery, times=1)
    assert (await shares.start(original)).response.content == CLOSED
    assert shares.shown() == []
    await shares.share(original)  # Discord takes it again
    assert len(shares.shown()) == 1
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
        await delete(bot, copy)
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
    await delete(bot, copy, mona)
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
    await shares.set_rules(spoiler="not_age_restricted")
    await shares.share(original)
    assert hidden(bot, shares.shown()[-1]) == [False]


async def test_a_result_keeps_the_mark_that_its_channel_had(shares: Shares) -> None:
    bot = shares.bot
    mark_adult(bot, bot.channel)
    original = await bot.made()
    mark_adult(bot, bot.channel, marked=False)
    sentence = "This is age-restricted, and the gallery channel isn't, so I can't share it there."
    assert refusal(bot, await shares.open(original)) == sentence


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
    assert list(buttons_of(bot, await open_more(copy, bot.bob))) == ["Use as input"]
    await shares.set_rules(approval={"review_channel_id": review.id})
    more = await bot.alice.click(original, label="⋯ More")
    assert list(buttons_of(bot, more.response)) == [
        "Use as input",
        "Share",
        "Save preset",
        "Details",
        "Delete",
    ], "nobody reports their own result"
    await report(copy, bot.bob)
    await bot.play()
    assert len(bot.messages(review)) == 1


async def test_a_report_under_the_copy_shows_the_result_to_the_moderators(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    review = bot.guild.create_text_channel("review")
    await bot.env.settle()
    await shares.set_rules(approval={"review_channel_id": review.id})
    await shares.share(await bot.made(), prompt=True)
    (copy,) = shares.shown()
    await report(copy, bot.bob)
    await bot.play()
    (card,) = bot.messages(review)
    assert "Reported:" in text_of(bot, card)
    await delete(bot, card, mona)
    assert (bot.messages(), shares.shown()) == ([], [])


@pytest.mark.parametrize("prompt", [True, False])
async def test_anybody_goes_on_from_a_copy_with_what_it_shows(shares: Shares, prompt: bool) -> None:
    bot = shares.bot
    await shares.share(await bot.made(prompt="a lion", negative="fog", style="ink"), prompt=prompt)
    (copy,) = shares.shown()
    pictures, bot.channel = bot.channel, shares.gallery
    for actor in (bot.alice, bot.bob):
        form = await actor.click(copy, label="Edit")
        shown = fields(form.modal)
        assert (shown["prompt"].get("value", ""), shown["negative"].get("value", "")) == (
            ("a lion", "fog") if prompt else ("", "")
        )
    assert filled(form.modal)["style"] == ["ink"]
    await submit(bot, form, {**filled(form.modal), "prompt": "a wolf"}, bot.bob)
    used = await bot.bob.click(copy, label="Use as input")
    assert used.modal["title"] == "New from this picture"
    assert fields(used.modal)["prompt"].get("value", "") == ("a lion" if prompt else "")
    await submit(bot, used, {"prompt": "a bear"}, bot.bob)
    assert [call.body["inputs"]["prompt"] for call in bot.calls] == ["a lion", "a wolf", "a bear"]
    assert bot.calls[-1].body["inputs"]["image"] == copy.attachments[0].url
    assert len(bot.messages()) == 3
    assert len(bot.messages(pictures)) == 1


async def test_more_under_a_copy_hides_what_the_copy_hides(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    review = bot.guild.create_text_channel("review")
    await bot.env.settle()
    await shares.set_rules(approval={"review_channel_id": review.id})
    await shares.share(await bot.made(prompt="a secret lion"))
    (copy,) = shares.shown()
    for actor, labels in (
        (bot.alice, ["Use as input", "Save preset", "Details", "Delete"]),
        (mona, ["Use as input", "Save preset", "Details", "Report", "Delete"]),
        (bot.bob, ["Use as input", "Report"]),
    ):
        more = await open_more(copy, actor)
        assert list(buttons_of(bot, more)) == labels
        assert ("secret" in text_of(bot, more)) is (actor is not bot.bob)
    own, key = await own_answer(bot, bot.bob), (await bot.run()).key
    bot.channel = shares.gallery
    assert refusal(bot, await press(bot, bot.bob, own, f"run:{key}:details")) == GONE
    again = await press(bot, bot.bob, own, f"run:{key}:again")
    assert refusal(bot, again).startswith("`prompt` is required.")
    await delete(bot, copy)
    assert refusal(bot, await press(bot, bot.bob, own, f"run:{key}:edit")) == GONE


@pytest.mark.bot(deployments=BOTH)
async def test_anybody_takes_a_follow_up_behind_more_under_a_copy(shares: Shares) -> None:
    bot = shares.bot
    let_open(bot)
    await shares.share(await bot.made(**SMALL, prompt="a lion"), prompt=True)
    (copy,) = shares.shown()
    bot.channel = shares.gallery
    more = await open_more(copy, bot.bob)
    ((label, upscale), (other, animate)) = menus(bot, more)["Choose a follow-up"]
    assert (label, other) == ("Upscale", "Animate")
    await bot.bob.select(more, [upscale])
    await bot.play()
    form = await bot.bob.select(more, [animate])
    await submit(bot, form, {"motion": "pan"}, bot.bob)
    assert bot.calls[-1].body["inputs"]["prompt"] == "a lion"
    assert [run.request.requester_id for run in await bot.runs()] == [bot.alice.id, bot.bob.id, bot.bob.id]


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
        told = await bot.click(one.response.message, "Post")
        assert sentence in told.response.content
        mark_adult(bot, bot.channel)
        close_channel(bot, times=1)
    bot.env.backend.faults.clear()
    await bot.click(one.response.message, "Post")
    assert len(bot.messages()) == 2
