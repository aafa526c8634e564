"""A kept result posted again: only on its own server, by its rules, and with nothing left over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import simcord

from bot.delivery.retries import MAX_TRIES
from bot.domain.runs import DeliveryState
from tests.discord.actors import moderator, override, owner
from tests.discord.batches import DEPLOYMENTS, files
from tests.discord.deliveries import delivery_states, every_way_closed
from tests.discord.files import finish_with, pictures
from tests.discord.forged import press, select_as
from tests.discord.moderated_server import mark_adult, set_rules
from tests.discord.rendered import galleries_of, hidden, menus, refusal, text_of
from tests.harness import HELD, Harness

POST = "Post a result here"
POST_ID = "runs:post:o:undelivered:0:"
Rule = Callable[[Harness], Awaitable[None]]


@contextmanager
def only_one_part(bot: Harness) -> Iterator[None]:
    """Close the channel after the first message, and direct messages altogether."""
    emit = bot.env.backend.emit

    def closing(event: str, *rest: Any) -> Any:
        if event == "MESSAGE_CREATE":
            bot.env.inject_error(
                "POST", f"/channels/{bot.channel.id}/messages", status=403, code=50013, times=1
            )
        return emit(event, *rest)

    bot.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, times=1)
    bot.env.backend.emit = closing  # type: ignore[method-assign]
    yield
    bot.env.backend.emit = emit  # type: ignore[method-assign]


async def kept_result(bot: Harness, **options: Any) -> str:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox", **options)
    with every_way_closed(bot):
        await bot.play()
    return (await bot.run()).key


async def post_from(bot: Harness, place: Any, actor: Any = None) -> Any:
    """Alice's only kept result, chosen from the list shown there."""
    shown = (await (actor or bot.alice).slash(place, "runs", state="undelivered")).response
    ((_, key),) = menus(bot, shown)[POST]
    chosen = await (actor or bot.alice).select(shown, [key])
    await bot.play()
    return chosen


async def own_server(bot: Harness) -> tuple[simcord.MemberActor, simcord.ChannelHandle]:
    """Create a server of Alice's own, where nobody moderates her."""
    other = bot.env.create_guild("Mine")
    channel = other.create_text_channel("mine")
    alice = other.add_member(bot.alice.user)
    await bot.env.settle()
    return alice, channel


async def test_an_unforeseen_error_ends_in_a_kept_result(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = bot.app.bot.http
    before = http.request

    async def stumbles(route: Any, **kwargs: Any) -> Any:
        if route.method == "POST" and route.path.endswith("/messages"):
            raise ValueError("a fault of the library's")
        return await before(route, **kwargs)

    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    monkeypatch.setattr(http, "request", stumbles)
    await bot.play()
    assert await delivery_states(bot) == [DeliveryState.PENDING]
    await bot.later(minutes=11, times=25)
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
    monkeypatch.undo()
    await post_from(bot, bot.channel)
    (message,) = [message for message in bot.messages() if message.attachments]
    assert "> a fox" in text_of(bot, message)


async def test_a_result_is_kept_when_the_process_dies_during_each_attempt(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    for _ in range(MAX_TRIES):
        await bot.restart()
        assert await bot.app.store.deliveries.claim("dies", bot.clock(), timedelta()) is not None
    await bot.restart()
    await bot.play()
    assert await delivery_states(bot) == [DeliveryState.UNDELIVERED]
    await post_from(bot, bot.channel)
    (message,) = [message for message in bot.messages() if message.attachments]
    assert "> a fox" in text_of(bot, message)


async def test_on_another_server_it_is_neither_offered_nor_posted(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    key = await kept_result(bot)
    alice, elsewhere = await own_server(bot)
    shown = (await alice.slash(elsewhere, "runs", state="undelivered")).response
    asked_in = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}"
    assert f"couldn't be posted; use `/runs` [where you asked]({asked_in})" in text_of(bot, shown)
    assert menus(bot, shown) == {}
    home, bot.channel = bot.channel, elsewhere
    forged = await select_as(bot, alice, shown, POST_ID, key)
    assert refusal(bot, forged) == (
        f"Results are posted only on the server where you asked. Please use `/runs` [there]({asked_in})."
    )
    pressed = await press(bot, alice, shown, f"run:{key}:post")
    assert refusal(bot, pressed).startswith("Results are posted only on the server")
    bot.channel = home
    await bot.play()
    assert not [message for message in elsewhere.history(viewer=alice) if message.attachments]
    # It still counts where it was asked for, and is posted there.
    spent = await bot.alice.slash(bot.channel, "generate", prompt="another")
    assert refusal(bot, spent).startswith("You have used your 1 runs for today.")
    await post_from(bot, bot.channel)
    assert len(bot.messages()[-1].attachments) == 1
    assert (await bot.run()).guild_id == bot.guild.id


async def test_in_direct_messages_a_servers_result_is_not_posted(bot: Harness) -> None:
    await kept_result(bot)
    shown = (await bot.alice.user.slash("runs")).response
    assert "use `/runs` [where you asked](" in text_of(bot, shown)
    assert menus(bot, shown) == {}


async def test_who_is_blocked_meanwhile_posts_nothing_until_it_is_lifted(bot: Harness) -> None:
    await kept_result(bot)
    mona = moderator(bot)
    await mona.slash(bot.channel, "block", user=bot.alice, reason="spam")
    refused = await post_from(bot, bot.channel)
    assert refusal(bot, refused) == "A moderator has blocked you from generating on this server: spam"
    assert not [message for message in bot.messages() if message.attachments]
    await mona.slash(bot.channel, "unblock", user=bot.alice)
    await post_from(bot, bot.channel)
    assert len(bot.messages()[-1].attachments) == 1


async def pause(bot: Harness) -> None:
    await owner(bot).slash(bot.channel, "pause", reason="moving")


async def allow_another_server_only(bot: Harness) -> None:
    await bot.restart(allowed_guild_ids="1")


async def take_the_command_away(bot: Harness) -> None:
    override(bot, {bot.alice.user: False})


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (pause, "Generating is paused for the moment: moving"),
        (allow_another_server_only, "This bot doesn't generate on this server. Its operator can allow it."),
        (take_the_command_away, "This server's settings don't let you use this here."),
    ],
)
async def test_the_rules_for_requests_hold_for_posting_too(bot: Harness, rule: Rule, told: str) -> None:
    await kept_result(bot)
    await rule(bot)
    assert refusal(bot, await post_from(bot, bot.channel)) == told
    assert not [message for message in bot.messages() if message.attachments]


@pytest.mark.parametrize("adult", [True, False])
async def test_it_hides_behind_a_click_where_the_rules_now_say_so(bot: Harness, adult: bool) -> None:
    await kept_result(bot)
    await set_rules(bot, spoiler="not_age_restricted")
    mark_adult(bot, bot.channel, marked=adult)
    await post_from(bot, bot.channel)
    posted = bot.messages()[-1]
    assert hidden(bot, posted) == [not adult]


@pytest.fixture
async def half_posted(bot: Harness) -> Harness:
    """Return a bot with a result of twelve files, of which only the first message could be posted."""
    await finish_with(bot, pictures(12))
    with only_one_part(bot):
        await bot.play()
    return bot


def shown(bot: Harness) -> list[list[int]]:
    return [galleries_of(bot, message) for message in bot.messages() if message.attachments]


async def test_a_result_of_which_half_came_is_posted_again_whole(half_posted: Harness) -> None:
    bot = half_posted
    assert shown(bot) == [[10]]
    listed = await bot.alice.slash(bot.channel, "runs")
    assert "couldn't be posted" in text_of(bot, listed.response)
    await post_from(bot, bot.channel)
    assert shown(bot) == [[10], [2]]  # the first half of the first time is gone
    assert len(bot.messages()) == 2
    assert len(bot.calls) == 1


async def test_delete_takes_every_message_of_a_result_that_was_posted_by_halves(half_posted: Harness) -> None:
    bot = half_posted
    with only_one_part(bot):
        await post_from(bot, bot.channel)
    assert shown(bot) == [[10], [10]]
    mona = moderator(bot)
    deleted = await press(bot, mona, bot.messages()[-1], f"run:{(await bot.run()).key}:delete")
    assert deleted.response.content == "It will be deleted in a moment."
    await bot.play()
    assert shown(bot) == []


async def test_a_first_half_that_could_not_be_removed_goes_with_delete(half_posted: Harness) -> None:
    bot = half_posted
    bot.env.inject_error("DELETE", "/channels/*/messages/*", status=403, code=50013, times=None)
    await post_from(bot, bot.channel)
    assert shown(bot) == [[10], [10], [2]]
    bot.env.backend.faults.clear()
    await moderator(bot).click(bot.messages()[-2], label="Delete")
    await bot.play()
    assert shown(bot) == []


async def test_a_deleted_result_is_not_posted_again(half_posted: Harness) -> None:
    bot = half_posted
    key = (await bot.run()).key
    await press(bot, moderator(bot), bot.messages()[-1], f"run:{key}:delete")
    await bot.play()
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    refused = await select_as(bot, bot.alice, listed, POST_ID, key)
    assert refusal(bot, refused) == "There is nothing left to post for this request."
    await bot.play()
    assert shown(bot) == []


async def test_moderators_delete_it_after_its_requester_erased_their_data(half_posted: Harness) -> None:
    bot = half_posted
    asked = await bot.alice.slash(bot.channel, "privacy delete")
    await bot.alice.click(asked.response, label="Delete my data")
    assert (await bot.run()).prompt is None
    none = (await bot.alice.slash(bot.channel, "runs", state="undelivered")).response
    assert menus(bot, none) == {}
    await press(bot, moderator(bot), bot.messages()[-1], f"run:{(await bot.run()).key}:delete")
    await bot.play()
    assert shown(bot) == []


@pytest.mark.bot(deployments=DEPLOYMENTS)
async def test_of_several_a_deleted_one_stays_in_no_earlier_message(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate variations", prompt="a fox", batch=4, count=4)
    with only_one_part(bot):
        await bot.play()
    assert shown(bot) == [[10]]
    bot.env.inject_error("DELETE", "/channels/*/messages/*", status=403, code=50013, times=None)
    await post_from(bot, bot.channel)
    bot.env.backend.faults.clear()
    assert shown(bot) == [[10], [10], [6]]
    first = (await bot.runs())[0].key
    one = await bot.alice.click(bot.messages()[-2], label="1")
    more = await bot.alice.click(one.response.message, label="More")
    await bot.click(more.response.message, "Delete")
    left = [message for message in bot.messages() if message.attachments]
    assert sum(len(files(message)) for message in left) == 12
    assert first not in [key for message in left for key in files(message)]
    await bot.click(left[0], "Delete")
    assert shown(bot) == []
