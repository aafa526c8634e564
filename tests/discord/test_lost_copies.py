"""A copy whose post was interrupted is found and deleted if it may no longer be posted."""

from __future__ import annotations

from typing import Any

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import block
from tests.discord.batches import ask, open_one
from tests.discord.deliveries import close_channel, die_at_a_post
from tests.discord.files import finish_with, pictures
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import requests_to
from tests.discord.shares import Shares
from tests.harness import Harness

REASONS = {
    "block": "A moderator has blocked you there, so I didn't post this.",
    "moved": "The gallery channel was changed meanwhile.",
    "file": "The file of this result is gone, so I can't post it.",
}


@pytest.mark.parametrize("why", REASONS)
async def test_a_lost_share_is_deleted_before_its_failure_is_told(shares: Shares, why: str) -> None:
    bot = shares.bot
    await shares.start(await bot.made())
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
    assert shares.shown() == []
    (letter,) = shares.letters()
    assert REASONS[why] in letter.content


async def test_a_lost_post_of_one_picture_is_deleted_before_its_failure_is_told(bot: Harness) -> None:
    await ask(bot, count=2)
    one = await open_one(bot, bot.alice, 2)
    await bot.alice.click(one.response.message, label="Post")
    await die_at_a_post(bot)
    await bot.restart()
    assert len(bot.messages()) == 2
    await block(bot, bot.alice)
    await bot.later(minutes=2, times=2)
    assert len(bot.messages()) == 1
    (letter,) = bot.alice.user.dm_channel.history()
    assert REASONS["block"] in letter.content


async def close_after_a_post(shares: Shares) -> None:
    """Let the courier post the first message of a share, then close the gallery to further posts."""
    http = shares.bot.app.bot.http
    request = http.request

    async def closes(route: Any, **kwargs: Any) -> Any:
        answer = await request(route, **kwargs)
        if route.method == "POST" and route.path.endswith("/messages"):
            close_channel(shares.bot, shares.gallery)
            http.request = request  # type: ignore[method-assign]
        return answer

    http.request = closes  # type: ignore[method-assign]
    await shares.bot.play()


async def test_a_share_that_fails_halfway_leaves_nothing(shares: Shares) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    await shares.start(bot.messages()[0])
    await close_after_a_post(shares)
    assert "I can't post in the gallery channel" in shares.letters()[0].content
    assert shares.shown() == []


async def test_a_part_that_discord_keeps_is_deleted_with_the_next_share_or_the_result(shares: Shares) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    original, _ = bot.messages()
    await shares.start(original)
    bot.env.inject_error(
        "DELETE", f"/channels/{shares.gallery.id}/messages/*", status=403, code=50013, times=None
    )
    await close_after_a_post(shares)
    (part,) = shares.shown()
    assert "I can't post in the gallery channel" in shares.letters()[0].content
    bot.env.backend.faults.clear()
    await shares.share(original)
    assert part.id not in [each.id for each in shares.shown()]
    assert [len(each.attachments) for each in shares.shown()] == [10, 2]
    # Discord answers a nonce of the last minutes with the message that it was sent with.
    posts = requests_to(bot, "POST", f"/channels/{shares.gallery.id}/messages")
    assert len({each.json["nonce"] for each in posts}) == len(posts)
    assert shares.letters() == []
    await bot.click(original, "Delete")
    assert shares.shown() == []
