"""Copies that fail after a part of them was posted, or after a post without a reply: they leave nothing."""

from __future__ import annotations

from typing import Any

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import block, report
from tests.discord.batches import ask, files, open_one
from tests.discord.deliveries import (
    close_channel,
    close_direct_messages,
    die_at_a_post,
    end_runs,
    every_way_closed,
)
from tests.discord.files import bucket, finish_with, pictures, png
from tests.discord.follow_ups import BOTH, SMALL, let_open
from tests.discord.forged import press
from tests.discord.moderated_server import ModeratedServer, set_rules
from tests.discord.rendered import buttons_of, refusal, requests_to, stored
from tests.discord.shares import Shares
from tests.harness import HELD, Harness


@pytest.mark.parametrize("why", ["block", "moved", "file"])
async def test_a_share_without_a_reply_is_deleted_before_its_requester_reads_that_it_failed(
    shares: Shares, why: str
) -> None:
    bot = shares.bot
    original = await bot.made()
    await shares.start(original)
    await die_at_a_post(bot)
    await bot.restart()
    assert len(shares.shown()) == 1
    if why == "block":
        await block(bot, bot.alice)
    elif why == "moved":
        await set_rules(bot)
    else:
        (run,) = bot.comfydeploy.runs
        run.own_faults = Faults(body="expired")
    await bot.later(minutes=2, times=4)
    assert (len(shares.shown()), len(shares.letters())) == (0, 1)
    assert len(bot.messages()) == 1
    assert [line.outcome is None for line in await bot.audit() if line.action == "share"] == [False]


async def test_a_post_without_a_reply_is_deleted_before_its_requester_reads_that_it_failed(
    bot: Harness,
) -> None:
    """The batch in the same channel stays, although it has the same file."""
    await ask(bot, count=2)
    (batch,) = bot.messages()
    one = await open_one(bot, bot.alice, 2)
    await bot.alice.click(one.response.message, label="Post")
    await die_at_a_post(bot)
    await bot.restart()
    await block(bot, bot.alice)
    await bot.later(minutes=2, times=2)
    assert [each.id for each in bot.messages()] == [batch.id]
    assert len(batch.attachments) == 2


async def test_a_post_without_a_reply_stays_in_its_channel_if_its_batch_moves(bot: Harness) -> None:
    """The batch was undelivered, and its requester posts it in another channel."""
    await ask(bot, HELD, HELD, count=2)
    await end_runs(bot)
    with every_way_closed(bot):
        close_direct_messages(bot)
        await bot.play()
    first, second = await bot.keys()
    other = bot.guild.create_text_channel("other")
    await bot.env.settle()
    listed = (await bot.alice.slash(bot.channel, "runs", state="undelivered")).response
    await press(bot, bot.alice, listed, f"run:{second}:post")
    await die_at_a_post(bot)
    await bot.restart()
    listed = (await bot.alice.slash(other, "runs", state="undelivered")).response
    await bot.alice.select(listed, [first])
    await bot.later(minutes=2, times=3)
    assert [files(each) for each in bot.messages(other)] == [[first, second]]
    assert [files(each) for each in bot.messages()] == [[second]]
    await bot.click(bot.messages()[0], "Delete")
    assert [files(each) for each in bot.messages(other)] == [[first, second]]
    assert bot.messages() == []


async def test_a_share_that_fails_halfway_leaves_nothing_and_can_be_requested_again(shares: Shares) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    original, _ = bot.messages()
    await shares.start(original)
    close_after_a_post(shares)
    await bot.play()
    assert "I can't post in the gallery channel" in shares.letters()[0].content
    assert shares.shown() == []
    bot.env.backend.faults.clear()
    await shares.share(original)
    assert [len(each.attachments) for each in shares.shown()] == [10, 2]
    assert shares.letters() == []
    posts = requests_to(bot, "POST", f"/channels/{shares.gallery.id}/messages")
    nonces = [each.json["nonce"] for each in posts]
    # Discord answers a nonce of the last minutes with the message that it was sent with.
    assert len(nonces) == len(set(nonces)) == 4
    assert refusal(bot, await shares.start(original)).startswith("This has been shared already")


async def test_a_part_that_discord_keeps_is_deleted_with_the_next_share_or_the_result(shares: Shares) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    original, _ = bot.messages()
    await shares.start(original)
    kept = f"/channels/{shares.gallery.id}/messages/*"
    bot.env.inject_error("DELETE", kept, status=403, code=50013, times=None)
    close_after_a_post(shares)
    await bot.play()
    (part,) = shares.shown()
    assert "I can't post in the gallery channel" in shares.letters()[0].content
    bot.env.backend.faults.clear()
    await shares.share(original)
    assert part.id not in [each.id for each in shares.shown()]
    assert [len(each.attachments) for each in shares.shown()] == [10, 2]
    await bot.click(original, "Delete")
    assert shares.shown() == []


@pytest.mark.parametrize("letters", [True, False])
async def test_a_deleted_copy_goes_even_if_the_gallery_moves_and_the_next_copy_fails(
    shares: Shares, letters: bool
) -> None:
    """Share is pressed again before the removal of the deleted copy has run."""
    bot = shares.bot
    shares.gallery = bot.channel  # later, the channel of the result takes the notice about the failure
    await shares.set_rules()
    original = await bot.made()
    await shares.share(original)
    _, copy = bot.messages()
    await bot.alice.click(copy, label="Delete")
    shares.gallery = bot.guild.create_text_channel("new-gallery")
    await bot.env.settle()
    await shares.set_rules()
    close_channel(bot, shares.gallery)
    if not letters:
        close_direct_messages(bot)
    for _ in range(2):
        await shares.start(original)
        await bot.later(minutes=2, times=3)
    first, *others = [*bot.messages(), *shares.shown()]
    assert first.id == original.id
    assert copy.id not in [each.id for each in others]
    notices = shares.letters() if letters else others
    assert (len(notices), len(others)) == ((2, 0) if letters else (1, 1))
    assert all("I can't post in the gallery channel" in each.content for each in notices)


async def test_a_share_that_is_given_up_leaves_nothing(shares: Shares) -> None:
    """The process dies at each attempt, so the courier gives the delivery up without another attempt."""
    bot = shares.bot
    await shares.start(await bot.made())
    (run,) = bot.comfydeploy.runs
    await die_at_a_post(bot)
    await bot.restart()
    run.own_faults = Faults(body="cut-off")
    await bot.later(minutes=10, times=24)
    assert (len(shares.shown()), len(shares.letters())) == (0, 1)


@pytest.mark.bot(deployments=BOTH)
async def test_the_card_of_a_request_is_not_deleted_in_place_of_a_lost_copy(server: ModeratedServer) -> None:
    """The gallery is also the review channel, and the process died before it stored the card's message.

    The card has a file with the run's key in its name, but no buttons any more.
    """
    gallery = server.review
    await set_rules(
        server,
        gallery_channel_id=gallery.id,
        approval={"mode": "everybody", "review_channel_id": gallery.id},
    )
    await server.ask(**SMALL)
    await server.decide("Approve")
    (original,) = server.messages()
    name = original.attachments[0].filename
    async with bucket({name: (png(), "image/png")}) as host:
        stored(server, original).attachments[0]["url"] = f"{host}/{name}"
        await server.alice.click(original, label="Upscale")
        await die_at_a_post(server)
        await server.restart()
        let_open(server)
        await server.decide("Approve")
    cards = server.cards()
    assert [len(card.attachments) for card in cards] == [0, 1]
    _, upscaled = server.messages()
    shares = Shares(server, gallery)
    await shares.start(upscaled)
    await die_at_a_post(server)
    await server.restart()
    assert len(shares.shown()) == 3
    await block(server, server.alice)
    await server.later(minutes=2, times=2)
    assert [each.id for each in shares.shown()] == [card.id for card in cards]
    assert "A moderator has blocked you there" in shares.letters()[-1].content


async def test_the_card_of_a_report_is_not_taken_for_a_copy(shares: Shares) -> None:
    """The gallery is also the review channel, and the process died before Discord took the copy.

    Both have Delete and the same file.
    """
    bot = shares.bot
    await shares.set_rules(approval={"mode": "off", "review_channel_id": shares.gallery.id})
    original = await bot.made()
    await report(original, bot.bob)
    await bot.play()
    (card,) = shares.shown()
    await shares.start(original)
    await die_at_a_post(bot, after=False)
    await bot.restart()
    await bot.later(minutes=2)
    assert [list(buttons_of(bot, each)) for each in shares.shown()] == [
        ["Delete", "Block", "Dismiss"],
        ["Report", "Delete"],
    ]
    await bot.click(shares.shown()[1], "Delete")
    assert [each.id for each in shares.shown()] == [card.id]


def close_after_a_post(shares: Shares) -> None:
    """Let Discord take one more post, then close the gallery to the bot."""
    http = shares.bot.app.bot.http
    before = http.request

    async def closes(route: Any, **kwargs: Any) -> Any:
        answer = await before(route, **kwargs)
        if route.method == "POST" and route.path.endswith("/messages"):
            close_channel(shares.bot, shares.gallery)
            http.request = before  # type: ignore[method-assign]
        return answer

    http.request = closes  # type: ignore[method-assign]
