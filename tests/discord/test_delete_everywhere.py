"""Delete under what the bot posts without a result: the message goes, the record stays."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import FAILS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.contract.store.rows import audit_log
from tests.discord.deployments import ADULT
from tests.discord.forged import press
from tests.discord.moderated_server import ModeratedServer, mark_adult
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, refusal, text_of, texts
from tests.discord.user_install import OWN_ACCOUNT, elsewhere
from tests.harness import HELD, Harness

FAILING = pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)


def who_manages_messages(bot: Harness, guild: Any = None) -> simcord.MemberActor:
    guild = guild or bot.guild
    role = guild.create_role("mods", permissions=discord.Permissions(manage_messages=True))
    member: simcord.MemberActor = guild.add_member(bot.env.create_user("carol"), roles=[role])
    return member


@pytest.mark.parametrize("count", [1, 3])
async def test_the_requester_deletes_a_failure_and_runs_still_lists_it(bot: Harness, count: int) -> None:
    bot.comfydeploy.faults = Faults(ends_as="failed")
    message = await bot.made(count=count)
    assert "That didn't work" in text_of(bot, message)
    await bot.restart()
    await bot.alice.click(message, label="Delete")
    assert texts(bot) == []
    await bot.play()
    assert texts(bot) == []
    listed = text_of(bot, (await bot.alice.slash(bot.channel, "runs")).response)
    assert "That didn't work" in listed
    assert all(run.deleted_at is None for run in await bot.runs())
    entry = (await audit_log(bot.app.store))[-1]
    assert (entry.action, entry.actor_id, entry.subject_id) == ("discard", bot.alice.id, bot.alice.id)


@FAILING
async def test_a_stranger_does_not_and_is_told_who_can(bot: Harness) -> None:
    message = await bot.made()
    refused = await bot.bob.click(message, label="Delete")
    assert refusal(bot, refused) == "Only the person who asked and this server's moderators can delete this."
    assert len(texts(bot)) == 1


@FAILING
async def test_moderators_delete_a_failure_and_the_log_says_so(
    bot: Harness, mona: simcord.MemberActor
) -> None:
    carol = who_manages_messages(bot)
    for moderator in (mona, carol):
        await bot.click(await bot.made(), "Delete", moderator)
        assert texts(bot) == []
        assert (await audit_log(bot.app.store))[-1].actor_id == moderator.id
    shown = text_of(bot, (await mona.slash(bot.channel, "audit")).response)
    assert f"<@{carol.id}> deleted the message about **Fails** for <@{bot.alice.id}>" in shown


async def test_who_manages_messages_deletes_a_result(bot: Harness) -> None:
    await bot.click(await bot.made(), "Delete", who_manages_messages(bot))
    assert texts(bot) == []
    assert (await bot.run()).deleted_at is not None


@pytest.mark.parametrize("action", ["delete", "clear", "discard"])
async def test_who_manages_messages_elsewhere_deletes_nothing_here(bot: Harness, action: str) -> None:
    await bot.ask()
    key, here = (await bot.run()).key, bot.channel
    other = bot.env.create_guild("another server")
    bot.channel = other.create_text_channel("mine")
    eve = who_manages_messages(bot, other)
    await bot.env.settle()
    await bot.ask(eve)
    (own,) = bot.channel.history(viewer=eve)
    refused = await press(bot, eve, own, f"run:{key}:{action}")
    assert refusal(bot, refused) == "This request no longer exists."
    await bot.play()
    assert len(texts(bot, here)) == 1


async def test_a_cancellation_says_it_once_and_can_be_deleted(bot: Harness) -> None:
    asked = await bot.ask(faults=HELD)
    await bot.click(asked.response.message, "Cancel")
    (message,) = bot.messages()
    assert text_of(bot, message).lower().count("cancel") == 1
    await bot.click(message, "Delete")
    assert texts(bot) == []


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_late_success_is_posted_after_its_verdict_was_deleted(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="running", success_after_cancel=True, cancel_supported=False))
    await bot.later(minutes=5, times=4)
    await bot.click(bot.messages()[0], "Delete")
    assert texts(bot) == []
    await bot.release()
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    await bot.click(message, "Delete")
    assert texts(bot) == []
    assert (await bot.run()).deleted_at is not None


@FAILING
async def test_a_failure_in_direct_messages_goes_with_its_explanation(bot: Harness) -> None:
    bot.env.inject_error("POST", f"/channels/{bot.channel.id}/messages", status=403, code=50013, times=None)
    await bot.ask(faults=HELD)
    await bot.later(minutes=16)
    await bot.release()
    failure, note = bot.alice.user.dm_channel.history()
    assert "That didn't work" in text_of(bot, failure)
    assert "here it is" in text_of(bot, note)
    await bot.alice.user.click(failure, label="Delete")
    await bot.play()
    assert bot.alice.user.dm_channel.history() == []


async def test_a_rejection_and_its_notice_are_deleted_each(server: ModeratedServer) -> None:
    await server.ask()
    await server.reject("not today")
    (message,) = server.messages()
    assert list(buttons_of(server, message)) == ["Edit", "Details", "Delete"]
    (notice,) = server.alice.user.dm_channel.history()
    await server.alice.user.click(notice, label="Delete")
    await server.play()
    assert server.letters() == []
    await server.click(message, "Delete", server.alice)
    assert texts(server) == []
    assert "Rejected by" in server.verdict


@pytest.mark.bot(deployments=ADULT)
async def test_what_stands_in_for_a_withheld_result_is_deleted_alone(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    await bot.ask(faults=HELD)
    mark_adult(bot, bot.channel, marked=False)
    bot.comfydeploy.release()
    await bot.later(seconds=3)
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == ["Post it here", "Details", "Delete"]
    await bot.click(message, "Delete")
    assert texts(bot) == []
    assert (await bot.run()).deleted_at is None
    listed = (await bot.alice.slash(bot.channel, "runs")).response
    assert "couldn't be posted" in text_of(bot, listed)


@pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID, **OWN_ACCOUNT)
async def test_a_failure_is_deleted_where_the_bot_is_not_a_member(bot: Harness) -> None:
    with elsewhere(bot, "group"):
        asked = await bot.alice.user.slash("generate", prompt="a fox")
        await bot.play()
        assert "That didn't work" in text_of(bot, asked.response)
        await bot.alice.user.click(asked.response.message, label="Delete")
    await bot.play()
    assert bot.alice.user.dm_channel.history() == []
    assert (await bot.run()).state is RunState.FAILED
