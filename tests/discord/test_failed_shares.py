"""Copies that fail, or whose process dies: nothing is posted twice, and Delete misses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete, press_delete, report
from tests.discord.batches import ask, files, open_one
from tests.discord.deliveries import close_channel, dying_at_a_post
from tests.discord.files import finish_with, pictures
from tests.discord.rendered import buttons_of, refusal, requests_to
from tests.discord.shares import Shares
from tests.harness import Harness

CLOSED = "I can't post in the gallery channel"


async def killed_share(shares: Shares, original: Any, *, after: bool = True, nth: int = 1) -> None:
    """Share a result, and let the process die at a post of the copy, whose id isn't stored."""
    bot = shares.bot
    with dying_at_a_post(bot, after=after, nth=nth):
        await shares.start(original)
    await bot.restart()
    # Discord has forgotten the nonces by then.
    await bot.later(minutes=5)


@pytest.mark.parametrize("after", [True, False])
async def test_a_share_whose_process_died_is_posted_once(shares: Shares, after: bool) -> None:
    original = await shares.bot.made()
    await killed_share(shares, original, after=after)
    assert len(shares.shown()) == after
    again = await shares.start(original)
    told = refusal(shares.bot, again) if after else again.response.content
    assert told.startswith("This has been shared already" if after else "Shared: [open](")
    assert len(shares.shown()) == 1


async def test_a_share_that_discord_does_not_answer_is_not_posted_twice(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    http = bot.app.bot.http
    before = http.request

    async def loses_the_reply(route: Any, **kwargs: Any) -> Any:
        answer = await before(route, **kwargs)
        if route.method == "POST" and route.path.endswith("/messages"):
            http.request = before  # type: ignore[method-assign]
            raise TimeoutError
        return answer

    http.request = loses_the_reply  # type: ignore[method-assign]
    told = await shares.start(original)
    assert told.response.content.startswith("Discord didn't answer. Please press it again in a minute")
    again = await shares.start(original)
    assert again.response.content.startswith("Shared: [open](")
    assert len(shares.shown()) == 1
    assert [line.outcome for line in await bot.audit() if line.action == "share"] == [None]


@pytest.mark.parametrize("nth", [1, 2])
async def test_the_rest_of_a_share_follows_when_it_is_pressed_again(shares: Shares, nth: int) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    original, _ = bot.messages()
    await killed_share(shares, original, nth=nth)
    await shares.start(original)
    assert [len(each.attachments) for each in shares.shown()] == [10, 2]
    await delete(bot, original)
    assert (bot.messages(), shares.shown()) == ([], [])


async def test_a_lost_share_in_an_earlier_gallery_makes_room_for_the_next(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    with dying_at_a_post(bot):
        await shares.start(original)
    await bot.restart()
    earlier = shares.gallery
    shares.gallery = bot.guild.create_text_channel("new-gallery")
    await bot.env.settle()
    await shares.set_rules()
    await shares.start(original)
    assert (len(bot.messages(earlier)), len(shares.shown())) == (0, 1)


async def test_delete_under_the_result_takes_a_lost_share_too(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    with dying_at_a_post(bot):
        await shares.start(original)
    await bot.restart()
    await delete(bot, original)
    assert (bot.messages(), shares.shown()) == ([], [])


async def test_a_lost_post_is_told_from_its_batch_in_the_same_channel(bot: Harness) -> None:
    await ask(bot, count=2)
    (batch,) = bot.messages()
    one = await open_one(bot, bot.alice, 2)
    with dying_at_a_post(bot):
        await bot.alice.click(one.response.message, label="Post")
    await bot.restart()
    _, alone = bot.messages()
    await delete(bot, alone)
    assert [each.id for each in bot.messages()] == [batch.id]
    assert files(batch) == await bot.keys()


async def test_a_share_that_fails_halfway_leaves_nothing_and_can_be_requested_again(shares: Shares) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    original, _ = bot.messages()
    with closing_after_a_post(bot):
        told = await shares.start(original)
    assert CLOSED in told.response.content
    assert shares.shown() == []
    bot.env.backend.faults.clear()
    await shares.share(original)
    assert [len(each.attachments) for each in shares.shown()] == [10, 2]
    posts = requests_to(bot, "POST", f"/channels/{shares.gallery.id}/messages")
    nonces = [each.json["nonce"] for each in posts]
    # Discord answers a nonce of the last minutes with the message that it was sent with.
    assert len(nonces) == len(set(nonces)) == 3
    assert refusal(bot, await shares.start(original)).startswith("This has been shared already")


async def test_a_part_that_discord_keeps_is_deleted_with_the_next_share_or_the_result(shares: Shares) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    original, _ = bot.messages()
    kept = f"/channels/{shares.gallery.id}/messages/*"
    bot.env.inject_error("DELETE", kept, status=403, code=50013, times=None)
    with closing_after_a_post(bot):
        assert CLOSED in (await shares.start(original)).response.content
    (part,) = shares.shown()
    bot.env.backend.faults.clear()
    await shares.share(original)
    assert part.id not in [each.id for each in shares.shown()]
    assert [len(each.attachments) for each in shares.shown()] == [10, 2]
    await delete(bot, original)
    assert shares.shown() == []


async def test_a_deleted_copy_goes_even_if_the_gallery_moves_and_the_next_copy_fails(shares: Shares) -> None:
    """Share is pressed again before the deleted copy is removed."""
    bot = shares.bot
    original = await bot.made()
    await shares.share(original)
    (copy,) = shares.shown()
    await press_delete(bot, copy, bot.alice)
    earlier = shares.gallery
    shares.gallery = bot.guild.create_text_channel("new-gallery")
    await bot.env.settle()
    await shares.set_rules()
    close_channel(bot, shares.gallery)
    for _ in range(2):
        assert CLOSED in (await shares.start(original)).response.content
        await bot.play()
    assert (bot.messages(earlier), shares.shown()) == ([], [])


@pytest.mark.parametrize("body", ["expired", "cut-off"])
async def test_a_share_whose_file_can_not_be_fetched_says_so(shares: Shares, body: Any) -> None:
    bot = shares.bot
    original = await bot.made()
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(body=body)
    told = await shares.start(original)
    gone = "The file of this result is gone" if body == "expired" else "I couldn't post this."
    assert gone in told.response.content
    await bot.later(minutes=2)
    assert (shares.shown(), len(bot.messages())) == ([], 1)


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
    await killed_share(shares, original, after=False)
    await shares.start(original)
    assert [list(buttons_of(bot, each)) for each in shares.shown()] == [
        ["Delete", "Block", "Dismiss"],
        ["Edit", "Use as input", "⋯ More"],
    ]
    await delete(bot, shares.shown()[1])
    assert [each.id for each in shares.shown()] == [card.id]


@contextmanager
def closing_after_a_post(bot: Harness) -> Iterator[None]:
    """Let Discord take one post inside the block, and refuse the next."""
    http, posts = bot.app.bot.http, count(1)
    before = http.request
    answer: Any = SimpleNamespace(status=403, reason="Forbidden")

    async def closes(route: Any, **kwargs: Any) -> Any:
        is_post = route.method == "POST" and route.path.endswith("/messages")
        if is_post and next(posts) > 1:
            raise discord.Forbidden(answer, {"code": 50013, "message": "no"})
        return await before(route, **kwargs)

    http.request = closes  # type: ignore[method-assign]
    yield
    http.request = before  # type: ignore[method-assign]
