"""Delete under messages without a result: the message goes, and the audit log keeps its entries."""

from __future__ import annotations

import pytest
from simcord import MemberActor

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import FAILS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete, member, press_delete, read
from tests.discord.deliveries import close_channel
from tests.discord.moderated_server import ModeratedServer
from tests.discord.rendered import refusal, text_of, texts
from tests.discord.user_install import OWN_ACCOUNT, elsewhere
from tests.harness import HELD, Harness

FAILING = pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)


@pytest.mark.parametrize("count", [1, 3])
async def test_the_requester_deletes_a_failure_and_runs_still_lists_it(bot: Harness, count: int) -> None:
    bot.comfydeploy.faults = Faults(ends_as="failed")
    message = await bot.made(count=count)
    assert "Failed: " in text_of(bot, message)
    await bot.restart()
    await delete(bot, message, bot.alice)
    assert texts(bot) == []
    listed = await read(bot, bot.alice, "runs")
    assert "Failed" in listed
    assert ":R> · deleted" in listed
    assert "[open](" not in listed
    assert all(run.deleted_at is None for run in await bot.runs())
    entry = (await bot.audit())[-1]
    assert (entry.action, entry.actor_id, entry.subject_id) == ("discard", bot.alice.id, bot.alice.id)


@FAILING
async def test_moderators_delete_a_failure_which_is_logged(bot: Harness, mona: MemberActor) -> None:
    carol = member(bot, "carol", manage_messages=True)
    refused = await press_delete(bot, await bot.made(), bot.bob)
    assert (
        refusal(bot, refused)
        == "Only the requester, moderators and people with Manage Messages here can delete this."
    )
    await delete(bot, bot.messages()[0], mona)
    for moderator in (mona, carol):
        await delete(bot, await bot.made(), moderator)
        assert texts(bot) == []
        assert (await bot.audit())[-1].actor_id == moderator.id
    shown = await read(bot, mona, "audit")
    assert f"<@{carol.id}> deleted the message about **Fails** for <@{bot.alice.id}>" in shown


async def test_a_cancellation_says_it_once_and_can_be_deleted(bot: Harness) -> None:
    asked = await bot.ask(faults=HELD)
    await bot.click(asked.response.message, "Cancel")
    (message,) = bot.messages()
    assert text_of(bot, message).lower().count("cancel") == 1
    await delete(bot, message)
    assert texts(bot) == []


@FAILING
async def test_a_failure_in_direct_messages_goes_with_its_explanation(bot: Harness) -> None:
    close_channel(bot)
    await bot.ask(faults=HELD)
    await bot.later(minutes=16)
    await bot.release()
    failure, note = bot.alice.user.dm_channel.history()
    assert "Failed: " in text_of(bot, failure)
    assert "here it is" in text_of(bot, note)
    await press_delete(bot, failure, bot.alice.user)
    await bot.play()
    assert bot.alice.user.dm_channel.history() == []


async def test_the_letter_about_a_rejection_is_deleted(server: ModeratedServer) -> None:
    await server.ask()
    await server.reject("not today")
    (letter,) = server.alice.user.dm_channel.history()
    await press_delete(server, letter, server.alice.user)
    await server.play()
    assert server.letters() == []
    assert texts(server) == []
    assert "Rejected by" in server.verdict


@pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID, **OWN_ACCOUNT)
async def test_a_failure_is_deleted_where_the_bot_is_not_a_member(bot: Harness) -> None:
    with elsewhere(bot, "group"):
        asked = await bot.alice.user.slash("generate", prompt="a fox")
        await bot.play()
        assert "Failed: " in text_of(bot, asked.response)
        await press_delete(bot, asked.response.message, bot.alice.user)
    await bot.play()
    assert bot.alice.user.dm_channel.history() == []
    assert (await bot.run()).state is RunState.FAILED
