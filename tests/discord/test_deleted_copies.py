"""Delete under a copy of a result: only that copy goes, and a moderator's deletion is final."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import (
    delete,
    erase_data,
    member,
    open_more,
    press_delete,
    read,
    report,
)
from tests.discord.batches import ask, files, open_one
from tests.discord.deliveries import dying_at_a_post
from tests.discord.files import finish_with, pictures
from tests.discord.forged import own_answer, press
from tests.discord.rendered import buttons_of, csv_of, refusal, requests_to, text_of
from tests.discord.shares import Shares
from tests.harness import Harness

NOTED = "This copy will be deleted in a moment. The result itself stays."
DONE = "This copy is deleted. The result itself stays."
GONE = "This has already been deleted."
FINAL = "A moderator deleted this after it was shared, so I won't share it again."


async def deletions(bot: Harness) -> list[Any]:
    """Return the audit log's entries about deletions."""
    return [line for line in await bot.audit() if line.action == "delete_copy"]


async def shared_twice(shares: Shares) -> tuple[Any, Any, Any]:
    """Return a batch of Alice's, one of its results posted alone, and the same result in the gallery."""
    bot = shares.bot
    await ask(bot, count=2)
    one = await open_one(bot, bot.alice, 2)
    await bot.click(one.response.message, "Post")
    batch, alone = bot.messages()
    await shares.share(alone)
    (share,) = shares.shown()
    return batch, alone, share


def shown(shares: Shares) -> list[int]:
    """Return the ids of all messages in the channel and in the gallery."""
    return [message.id for message in [*shares.bot.messages(), *shares.shown()]]


async def test_the_requester_deletes_each_copy_alone_and_may_post_it_again(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    batch, alone, share = await shared_twice(shares)
    edited = requests_to(bot, "PATCH", "/channels/")
    done = await press_delete(bot, share, bot.alice)
    assert text_of(bot, done.response) == DONE
    assert shown(shares) == [batch.id, alone.id]
    assert text_of(bot, (await press_delete(bot, alone, bot.alice)).response) == DONE
    assert shown(shares) == [batch.id]
    assert requests_to(bot, "PATCH", "/channels/") == edited
    assert files(batch) == await bot.keys()
    assert [run.deleted_at for run in await bot.runs()] == [None, None]
    second = (await bot.keys())[1]
    places = [shares.gallery.mention, bot.channel.mention]
    lines = await deletions(bot)
    assert [(each.actor_id, each.run_key) for each in lines] == [(bot.alice.id, second)] * 2
    assert [each.details for each in lines] == [{"channel": place} for place in places]
    log = await read(bot, mona, "audit")
    told = f"<@{bot.alice.id}> deleted only a copy of a result of **Picture**"
    assert f"{told} · prompt “a fox” · channel: {shares.gallery.mention}" in log
    one = await open_one(bot, bot.alice, 2)
    await bot.click(one.response.message, "Post")
    await shares.share(bot.messages()[-1])
    assert len(shown(shares)) == 3
    nonces = [each.json["nonce"] for each in requests_to(bot, "POST", "/messages") if "nonce" in each.json]
    # Discord answers a nonce of the last minutes with the message that it was sent with.
    assert len(set(nonces)) == len(nonces)


async def test_the_csv_file_says_that_only_a_copy_was_deleted(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    await shares.share(await bot.made())
    await delete(bot, shares.shown()[0], mona)
    page = await mona.slash(bot.channel, "audit")
    _, rows = await csv_of(await mona.click(page.response, label="CSV file"))
    (row,) = [row for row in rows if row["action"] == "Copy deleted"]
    assert row["by"] == f"<@{mona.id}>"
    assert row["details"] == "channel: #gallery"
    assert row["link"].endswith(f"/{bot.channel.id}/{bot.messages()[0].id}")


async def manager_of_a_new_gallery(shares: Shares) -> Any:
    """Replace the gallery by one in which a member, who is returned, has Manage Messages."""
    carol = member(shares.bot, "carol")
    may = discord.PermissionOverwrite(manage_messages=True)
    shares.gallery = shares.bot.guild.create_text_channel("pictures-of-all", overwrites={carol.user: may})
    await shares.bot.env.settle()
    await shares.set_rules()
    return carol


@pytest.mark.parametrize("by", ["moderator", "manages the gallery"])
async def test_a_moderators_deletion_of_a_copy_is_final(shares: Shares, mona: Any, by: str) -> None:
    bot, carol = shares.bot, await manager_of_a_new_gallery(shares)
    original = await bot.made()
    await shares.share(original)
    (share,) = shares.shown()
    for stranger, message in ((bot.bob, share), (carol, original)):
        refused = await press_delete(bot, message, stranger)
        assert refusal(bot, refused).startswith("Only the requester, moderators and people")
    done = await press_delete(bot, share, (mona if by == "moderator" else carol))
    assert text_of(bot, done.response) == DONE
    assert shown(shares) == [original.id]
    told = "a moderator deleted a copy of it"
    assert f") · {told}\n" in await read(bot, bot.alice, "runs")
    for _ in range(2):
        assert refusal(bot, await shares.open(original)) == FINAL
        await bot.restart()
    await delete(bot, original, mona)
    assert shown(shares) == []


async def test_a_moderators_deletion_is_final_even_during_the_requesters_own(
    shares: Shares, mona: Any
) -> None:
    """The requester has deleted the copy, but its message is still visible."""
    bot = shares.bot
    original = await bot.made()
    await shares.share(original)
    (share,) = shares.shown()
    bot.env.inject_error("DELETE", f"/channels/{shares.gallery.id}/messages/*", status=503, times=5)
    done = await press_delete(bot, share, bot.alice)
    assert text_of(bot, done.response) == NOTED
    bot.env.backend.faults.clear()
    await press_delete(bot, share, mona)
    await bot.later(minutes=5)
    assert refusal(bot, await shares.start(original)) == FINAL
    assert shown(shares) == [original.id]
    assert [line.actor_id for line in await deletions(bot)] == [bot.alice.id, mona.id]


async def test_a_moderators_deletion_of_a_posted_picture_is_final(bot: Harness) -> None:
    carol = member(bot, "carol", manage_messages=True)
    await ask(bot, count=2)
    one = await open_one(bot, bot.alice, 2)
    await bot.click(one.response.message, "Post")
    batch, alone = bot.messages()
    await delete(bot, alone, carol)
    assert [message.id for message in bot.messages()] == [batch.id]
    again = await bot.click(one.response.message, "Post")
    assert refusal(bot, again).startswith("A moderator deleted this after it was posted, so I won't post")
    assert len(bot.messages()) == 1


async def test_a_second_press_says_that_the_copy_is_gone(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    await shares.share(original)
    (share,) = shares.shown()
    once, twice = [await open_more(share, bot.alice) for _ in range(2)]
    await bot.alice.click(once, label="Delete")
    assert refusal(bot, await bot.alice.click(twice, label="Delete")) == GONE
    await shares.start(original)
    await bot.play()
    assert len(shares.shown()) == 1
    assert shares.shown()[0].id != share.id
    assert len(await deletions(bot)) == 1


async def test_a_copy_of_several_messages_vanishes_whole(shares: Shares) -> None:
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    originals = [message.id for message in bot.messages()]
    await shares.share(bot.messages()[0])
    first, _ = shares.shown()
    await delete(bot, first)
    assert shares.shown() == []
    assert [message.id for message in bot.messages()] == originals


async def test_a_copy_is_deleted_before_the_bot_knows_its_message(shares: Shares) -> None:
    """The process dies after the post of a part, so the id of its message isn't stored."""
    bot = shares.bot
    await finish_with(bot, pictures(12))
    await bot.play()
    original, rest = bot.messages()
    with dying_at_a_post(bot):
        await shares.start(original)
    await bot.restart()
    done = await press_delete(bot, shares.shown()[0], bot.alice)
    assert text_of(bot, done.response) == DONE
    await bot.later(minutes=2, times=2)
    assert shown(shares) == [original.id, rest.id]
    await delete(bot, original)
    assert shown(shares) == []


async def test_deletions_of_both_copies_and_the_result_in_a_row_leave_nothing(shares: Shares) -> None:
    bot = shares.bot
    batch, alone, share = await shared_twice(shares)
    for message in (share, alone, batch):
        await press_delete(bot, message, bot.alice)
    await bot.play()
    assert shown(shares) == []
    actions = [line.action for line in await bot.audit() if line.action.startswith("delete")]
    assert actions == ["delete_copy", "delete_copy", "delete"]


async def test_a_copy_that_is_deleted_during_the_removal_of_another_goes_too(shares: Shares) -> None:
    bot = shares.bot
    batch, alone, share = await shared_twice(shares)
    bot.env.inject_error("DELETE", f"/channels/{bot.channel.id}/messages/*", status=503, times=5)
    await press_delete(bot, alone)
    bot.env.backend.faults.clear()
    http = bot.app.bot.http
    before = http.request

    async def delete_the_other(route: Any, **kwargs: Any) -> Any:
        if route.method == "DELETE":
            http.request = before  # type: ignore[method-assign]
            # The removal has read that this one stays.
            await press_delete(bot, share, bot.alice)
        return await before(route, **kwargs)

    http.request = delete_the_other  # type: ignore[method-assign]
    await bot.later(minutes=5)
    assert shown(shares) == [batch.id]


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_copy_of_a_late_success_is_deleted_without_its_batch(shares: Shares) -> None:
    """The message of the batch shows no result, but it was not deleted."""
    bot = shares.bot
    late = Faults(hold_at="running", success_after_cancel=True, cancel_supported=False)
    await ask(bot, Faults(ends_as="failed"), late, count=2)
    await bot.later(minutes=5, times=4)
    await bot.release()
    await bot.later(hours=3)
    failed, success = bot.messages()
    await shares.share(success)
    await delete(bot, shares.shown()[0])
    assert shown(shares) == [failed.id, success.id]


async def test_a_moderators_deletion_of_a_copy_closes_no_report(shares: Shares, mona: Any) -> None:
    bot = shares.bot
    review = bot.guild.create_text_channel("review")
    await bot.env.settle()
    await shares.set_rules(approval={"review_channel_id": review.id})
    original = await bot.made()
    await shares.share(original)
    await report(original, bot.bob)
    await bot.play()
    (share,) = shares.shown()
    await delete(bot, share, mona)
    await delete(bot, original)
    (card,) = bot.messages(review)
    assert list(buttons_of(bot, card)) == ["Delete", "Block", "Dismiss"]
    assert len(card.attachments) == 1
    await delete(bot, card, mona)
    assert "It had already been deleted." in text_of(bot, bot.messages(review)[0])


async def test_a_copy_is_deleted_after_its_requester_erased_their_data(shares: Shares) -> None:
    bot = shares.bot
    original = await bot.made()
    await shares.share(original)
    await erase_data(bot)
    await delete(bot, shares.shown()[0])
    assert shown(shares) == [original.id]
    assert refusal(bot, await shares.open(original)).startswith("The file of this result is gone")


async def test_delete_of_an_opened_picture_deletes_the_result_and_its_copies(shares: Shares) -> None:
    bot = shares.bot
    _, _, share = await shared_twice(shares)
    first, _ = await bot.keys()
    batch = bot.messages()[0]
    one = await bot.alice.click(batch, label="2")
    done = await press_delete(bot, one.response.message, bot.alice)
    assert text_of(bot, done.response) == "Deleted."
    assert shown(shares) == [batch.id]
    assert files(bot.messages()[0]) == [first]
    assert share.id not in shown(shares)


async def test_a_forged_press_in_the_gallery_deletes_no_result(shares: Shares) -> None:
    bot, carol = shares.bot, await manager_of_a_new_gallery(shares)
    original = await bot.made()
    other = await bot.made(prompt="a wolf")
    await shares.share(original)
    (share,) = shares.shown()
    first, second = await bot.keys()
    pictures, bot.channel = bot.channel, shares.gallery
    for custom_id in (f"run:{second}:delete", f"run:{first}:clear"):
        refused = await press(bot, carol, await own_answer(bot, carol), custom_id)
        assert refusal(bot, refused).startswith("Only th")
        assert (await press(bot, carol, share, custom_id)).ephemeral
    bot.channel = pictures
    await bot.play()
    assert shown(shares) == [original.id, other.id, share.id]
