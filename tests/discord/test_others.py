"""Views that one person sees have only what that person may press, and a refusal says what they can do."""

from __future__ import annotations

from typing import Any

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import erase_data, member, submit
from tests.discord.batches import ask, open_one
from tests.discord.deliveries import only_one_part
from tests.discord.files import finish_with, pictures
from tests.discord.follow_ups import BOTH, MANY, SMALL
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, set_rules
from tests.discord.rendered import BUTTON, buttons_of, menus, refusal, stored, text_of
from tests.harness import Harness

NOBODY_DELETES = "Only the requester, moderators and people with Manage Messages here can delete this."


async def behind_more(bot: Harness, actor: Any, message: Any) -> Any:
    """Press More, and return the message that only the actor sees."""
    return (await actor.click(message, label="More")).response.message


@pytest.mark.bot(deployments=MANY)
async def test_more_has_no_repetition_or_follow_up_of_somebody_elses_result(bot: Harness) -> None:
    message = await bot.made(**SMALL)
    mine, theirs = [await behind_more(bot, actor, message) for actor in (bot.alice, bot.bob)]
    assert list(buttons_of(bot, mine)) == ["4 more", "Edit", "Details", "Use as input"]
    assert list(menus(bot, mine)) == ["Choose a follow-up"]
    assert list(buttons_of(bot, theirs)) == ["Edit", "Use as input", "Details"]
    assert menus(bot, theirs) == {}
    await submit(bot, await bot.bob.click(theirs, label="Edit"), {"prompt": "a wolf"}, bot.bob)
    assert len(bot.calls) == 2


@pytest.mark.bot(deployments=BOTH)
async def test_an_opened_picture_has_for_others_only_what_they_may_press(bot: Harness) -> None:
    await ask(bot, count=2, command="generate picture")
    carol, mona = member(bot, "carol", manage_messages=True), member(bot, "mona", manage_guild=True)
    theirs = await open_one(bot, bot.bob, 2)
    assert list(buttons_of(bot, theirs.response)) == ["Edit", "Use as input", "Details"]
    for moderator in (carol, mona):
        one = await open_one(bot, moderator, 2)
        assert list(buttons_of(bot, one.response)) == ["Edit", "Use as input", "Details", "Delete"]


async def test_a_failed_run_of_a_batch_is_not_offered_to_others_again(bot: Harness) -> None:
    await ask(bot, Faults(ends_as="failed"), count=2)
    own, theirs = [await open_one(bot, actor, 1) for actor in (bot.alice, bot.bob)]
    assert list(buttons_of(bot, own.response)) == ["Try again", "Edit", "Details"]
    assert list(buttons_of(bot, theirs.response)) == ["Edit", "Details"]


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_a_refused_deletion_says_that_the_result_can_be_reported(server: ModeratedServer) -> None:
    message = await server.made()
    refused = await server.bob.click(message, label="Delete")
    assert (
        refusal(server, refused)
        == f"{NOBODY_DELETES} You can press Report instead. If you don't see it, press More first."
    )
    await set_rules(server)
    assert refusal(server, await server.bob.click(message, label="Delete")) == NOBODY_DELETES


async def test_a_refusal_names_nobody_on_another_server(bot: Harness) -> None:
    message = await bot.made()
    key = (await bot.run()).key
    guild = bot.env.create_guild("Mine")
    home, bot.channel = bot.channel, guild.create_text_channel("mine")
    bob = guild.add_member(bot.bob.user)
    await bot.env.settle()
    own = await own_answer(bot, bob)
    for action in ("again", "vary", "repeat", "redeliver"):
        told = refusal(bot, await press(bot, bob, own, f"run:{key}:{action}"))
        assert told == "Only the requester can use this."
    bot.channel = home
    assert refusal(bot, await bot.bob.click(message, label="Again")).startswith(f"Only <@{bot.alice.id}>")


@pytest.mark.bot(deployments=MANY)
async def test_others_can_follow_up_a_picture_by_another_way_or_not_at_all(bot: Harness) -> None:
    message = await bot.made(**SMALL)
    _, (_, animate) = menus(bot, await behind_more(bot, bot.alice, message))["Choose a follow-up"]
    only = f"Only <@{bot.alice.id}> can use this button."
    told = refusal(bot, await bot.bob.click(message, label="2×"))
    assert told == f"{only} For your own, open the message's menu and choose Apps, then 2×."
    # Discord takes only a few message commands.
    told = refusal(bot, await press(bot, bot.bob, message, animate))
    assert told == f"{only} Press Use as input to make your own. If you don't see it, press More first."
    await erase_data(bot)  # the bot doesn't know any more whether it was a picture
    assert refusal(bot, await bot.bob.click(message, label="2×")) == only
    assert len(bot.calls) == 1


async def test_more_under_a_deleted_result_has_only_what_still_works(server: ModeratedServer) -> None:
    bot = server
    await set_rules(bot, approval={"review_channel_id": server.review.id})
    await ask(bot, count=2)
    own, theirs = [(await open_one(bot, actor, 2)).response.message for actor in (bot.alice, bot.bob)]
    more = await behind_more(bot, bot.alice, own)
    assert "Delete" in buttons_of(bot, more)
    await bot.click(more, "Delete")
    assert "### Details" in text_of(bot, await behind_more(bot, bot.alice, own))
    for actor, labels in (
        (bot.alice, ["Again", "4 more", "Edit", "Details"]),
        (bot.bob, ["Edit", "Details"]),
    ):
        one = await open_one(bot, actor, 2)
        assert list(buttons_of(bot, one.response)) == labels
    key = (await bot.keys())[1]
    forged = await press(bot, bot.bob, theirs, f"run:{key}:more")
    assert "Report" not in buttons_of(bot, forged.response)
    again = await bot.click(own, "Again")
    assert not again.ephemeral


async def test_runs_offers_no_deleted_result_for_posting(bot: Harness) -> None:
    await finish_with(bot, pictures(12))
    with only_one_part(bot):
        await bot.play()
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert list(menus(bot, listed)) == ["Post a result here"]
    await bot.click(bot.messages()[-1], "Delete")
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert menus(bot, listed) == {}


async def test_runs_offers_no_erased_private_result(bot: Harness) -> None:
    await set_rules(bot, private_results=True)
    await bot.ask(private=True)
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert list(menus(bot, listed)) == ["Show a private result again"]
    await erase_data(bot)
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert menus(bot, listed) == {}


async def test_more_says_if_nothing_is_left_of_a_deleted_result(bot: Harness) -> None:
    """Earlier versions posted results with Details."""
    message = await bot.made()
    custom_id = f"run:{(await bot.run()).key}:details"
    button = {"type": BUTTON, "style": 2, "label": "Details", "custom_id": custom_id}
    stored(bot, message).components.append({"type": 1, "components": [button]})
    await bot.alice.click(message, label="Delete")
    assert refusal(bot, await bot.alice.click(message, label="More")) == "This has already been deleted."
