"""Views that one person sees have only what that person may press, and a refusal says what they can do."""

from __future__ import annotations

from typing import Any

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete, erase_data, member, press_delete
from tests.discord.batches import ask, open_one
from tests.discord.deliveries import only_one_part
from tests.discord.files import finish_with, pictures
from tests.discord.follow_ups import BOTH, MANY, SMALL, let_open
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, mark_adult, set_rules
from tests.discord.rendered import buttons_of, filled, menus, refusal, text_of
from tests.harness import Harness

NOBODY_DELETES = "Only the requester, moderators and people with Manage Messages here can delete this."


async def behind_more(bot: Harness, actor: Any, message: Any) -> Any:
    """Press More, and return the message that only the actor sees."""
    return (await actor.click(message, label="⋯ More")).response.message


@pytest.mark.bot(deployments=MANY)
async def test_more_offers_others_the_same_requests_as_their_own(bot: Harness) -> None:
    message = await bot.made(**SMALL)
    mine, theirs = [await behind_more(bot, actor, message) for actor in (bot.alice, bot.bob)]
    for more in (mine, theirs):
        assert list(buttons_of(bot, more)) == (
            ["Use as input", "Save preset", "Details", "Delete"]
            if more is mine
            else ["Use as input", "Save preset", "Details"]
        )
        assert list(menus(bot, more)) == ["Choose a follow-up"]
    await bot.click(message, "4 more", bot.bob)
    runs = await bot.runs()
    assert [run.request.requester_id for run in runs] == [bot.alice.id, *[bot.bob.id] * 4]


@pytest.mark.bot(deployments=BOTH)
async def test_an_opened_picture_has_for_others_all_but_what_is_its_requesters(bot: Harness) -> None:
    await ask(bot, count=2, command="generate picture")
    carol, mona = member(bot, "carol", manage_messages=True), member(bot, "mona", manage_guild=True)
    for actor in (bot.bob, carol, mona):
        one = await open_one(bot, actor, 2)
        found = {*buttons_of(bot, one.response)}
        assert {"Upscale", "Animate", "Again", "4 more", "Edit", "Use as input"} <= found
        assert "Post" not in found
        assert ("Delete" in found) is (actor is not bot.bob)


async def test_a_failed_run_of_a_batch_is_offered_to_others_again(bot: Harness) -> None:
    await ask(bot, Faults(ends_as="failed"), count=2)
    for actor in (bot.alice, bot.bob):
        one = await open_one(bot, actor, 1)
        assert list(buttons_of(bot, one.response)) == ["Try again", "Edit", "Details"]


@pytest.mark.parametrize("label", ["Again", "Edit", "Upscale"])
@pytest.mark.bot(deployments=BOTH)
async def test_anybody_starts_a_request_of_their_own_by_their_own_rules(bot: Harness, label: str) -> None:
    let_open(bot)
    message = await bot.made(**SMALL, gpu="H100")

    async def press() -> Any:
        pressed = await bot.bob.click(message, label=label)
        if pressed.modal is not None:
            pressed = await bot.bob.submit_modal(pressed, filled(pressed.modal))
        return pressed

    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    if label != "Upscale":
        await set_rules(bot, gpu_roles={"H100": [4242]})
        assert refusal(bot, await press()).startswith("Your roles can't use H100.")
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    pressed = await press()
    assert not pressed.ephemeral
    assert f"-# Requested by <@{bot.bob.id}> <t:" in text_of(bot, pressed.response)
    await bot.play()
    parent, child = await bot.runs()
    assert (child.request.requester_id, child.request.parent_key) == (bot.bob.id, parent.key)
    assert child.request.prompt == parent.request.prompt
    bot.clock.move(seconds=5)
    assert text_of(bot, (await press()).response).startswith("You have reached today's limit of 1.")
    assert len(bot.calls) == 2


@pytest.mark.parametrize("how", ["private", "deleted", "elsewhere", "restricted", "erased"])
async def test_what_a_person_may_not_see_here_is_refused_as_if_it_did_not_exist(
    server: ModeratedServer, how: str
) -> None:
    bot = server
    await set_rules(bot, private_results=True)
    channel = bot.guild.create_text_channel("elsewhere") if how == "elsewhere" else bot.channel
    await bot.env.settle()
    if how == "restricted":
        mark_adult(bot, bot.channel)
    await bot.ask(channel=channel, private=how == "private", prompt="a secret fox")
    if how == "restricted":
        mark_adult(bot, bot.channel, marked=False)
    if how == "deleted":
        await delete(bot, bot.messages()[-1])
    if how == "erased":
        await erase_data(bot)
    key = (await bot.run()).key
    for actor in (bot.bob, bot.mona):
        own = await own_answer(bot, actor)
        for rest in ("again", "vary", "repeat", "edit"):
            told = refusal(bot, await press(bot, actor, own, f"run:{key}:{rest}"))
            assert told.startswith("The data of" if how == "erased" else "This request no longer exists.")
        assert (await press(bot, actor, own, f"draft:{key}::::")).modal is None
    assert len(bot.calls) == 1


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_a_refused_deletion_says_that_the_result_can_be_reported(server: ModeratedServer) -> None:
    message = await server.made()
    refused = await press_delete(server, message, server.bob)
    assert (
        refusal(server, refused)
        == f"{NOBODY_DELETES} You can press Report instead. If you don't see it, press More first."
    )
    await set_rules(server)
    assert refusal(server, await press_delete(server, message, server.bob)) == NOBODY_DELETES


async def test_a_refusal_names_nobody_on_another_server(bot: Harness) -> None:
    message = await bot.made()
    key = (await bot.run()).key
    guild = bot.env.create_guild("Mine")
    home, bot.channel = bot.channel, guild.create_text_channel("mine")
    bob = guild.add_member(bot.bob.user)
    await bot.env.settle()
    own = await own_answer(bot, bob)
    for action, told in (
        ("redeliver", "Only the requester can use this."),
        *((action, "This request no longer exists.") for action in ("again", "vary", "repeat", "edit")),
    ):
        assert refusal(bot, await press(bot, bob, own, f"run:{key}:{action}")) == told
    bot.channel = home
    assert refusal(bot, await press(bot, bot.bob, message, f"run:{key}:redeliver")).startswith(
        f"Only <@{bot.alice.id}>"
    )


async def test_more_under_a_deleted_result_has_only_what_still_works(server: ModeratedServer) -> None:
    bot = server
    await set_rules(bot, approval={"review_channel_id": server.review.id})
    await ask(bot, count=2)
    own, theirs = [(await open_one(bot, actor, 2)).response.message for actor in (bot.alice, bot.bob)]
    await delete(bot, own)
    for actor, labels in (
        (bot.alice, ["Again", "4 more", "Edit", "Save preset", "Details"]),
        (bot.bob, ["Details"]),
    ):
        one = await open_one(bot, actor, 2)
        assert list(buttons_of(bot, one.response)) == labels
    key = (await bot.keys())[1]
    forged = await press(bot, bot.bob, theirs, f"run:{key}:more")
    assert "Report" not in buttons_of(bot, forged.response)
    own = (await open_one(bot, bot.alice, 2)).response.message
    again = await bot.click(own, "Again")
    assert not again.ephemeral


async def test_runs_offers_no_deleted_result_for_posting(bot: Harness) -> None:
    await finish_with(bot, pictures(12))
    with only_one_part(bot):
        await bot.play()
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert list(buttons_of(bot, listed)) == ["Post it here"]
    await delete(bot, bot.messages()[-1])
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert buttons_of(bot, listed) == {}


async def test_runs_offers_no_erased_private_result(bot: Harness) -> None:
    await set_rules(bot, private_results=True)
    await bot.ask(private=True)
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert list(buttons_of(bot, listed)) == ["Open"]
    await erase_data(bot)
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert buttons_of(bot, listed) == {}
