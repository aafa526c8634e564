"""Delete removes all messages of a result, for its requester and for moderators; the row stays."""

from __future__ import annotations

import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import VARIATIONS_ID
from tests.discord.actors import delete, member, open_more, press_delete
from tests.discord.deliveries import close_channel, die_at_a_post, end_runs
from tests.discord.files import finish_with, picture, song
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer
from tests.discord.rendered import buttons_of, refusal, text_of, texts
from tests.harness import HELD, Harness
from tests.questions import unsettled


async def test_the_requester_deletes_a_result_and_the_record_stays(bot: Harness) -> None:
    message = await bot.made()
    await bot.restart()
    done = await press_delete(bot, message, bot.alice)
    assert text_of(bot, done.response) == "Deleted."
    assert texts(bot) == []
    run = await bot.run()
    assert run.state is RunState.SUCCEEDED
    assert run.deleted_at is not None
    assert run.request.prompt == "a fox"
    lines = await bot.audit()
    assert [line.action for line in lines] == ["request", "outcome", "delete"]
    assert (lines[-1].actor_id, lines[-1].run_key) == (bot.alice.id, run.key)


async def test_a_moderator_deletes_it_and_a_stranger_does_not(bot: Harness) -> None:
    carol = member(bot, "carol", manage_messages=True)
    message = await bot.made()
    refused = await press_delete(bot, message, bot.bob)
    assert (
        refusal(bot, refused)
        == "Only the requester, moderators and people with Manage Messages here can delete this."
    )
    assert len(texts(bot)) == 1
    await delete(bot, message, carol)
    assert texts(bot) == []
    assert (await bot.audit())[-1].actor_id == carol.id


async def test_every_message_of_a_result_goes(bot: Harness) -> None:
    files = {"a.png": (picture(8, 8), "image/png"), "a.wav": (song(), "audio/wav")}
    await finish_with(bot, files)
    await bot.play()
    first, second = bot.messages()
    assert buttons_of(bot, second) == {}
    await delete(bot, first)
    assert bot.messages() == []


@pytest.mark.bot(comfydeploy_deployment_id=VARIATIONS_ID)
async def test_a_message_that_is_still_being_posted_goes_as_well(bot: Harness) -> None:
    """The button is there with the first message; the second one is late."""
    await bot.ask(batch=12, faults=HELD)
    await end_runs(bot)
    await die_at_a_post(bot, nth=2)
    await bot.restart()
    run = await bot.run()
    _status, first, _second = bot.messages()
    bot.env.inject_error("POST", f"/channels/{bot.channel.id}/messages", status=503)
    await delete(bot, first)
    await bot.later(minutes=1, times=4)
    assert not [m for m in bot.messages() if run.key in str(m.attachments) or m.id == first.id]
    assert (await unsettled(bot.database)).messages == 0


async def test_a_message_that_somebody_deleted_by_hand_is_no_hindrance(bot: Harness) -> None:
    message = await bot.made()
    more = await open_more(message, bot.alice)
    await message.delete()
    await bot.alice.click(more, label="Delete")
    assert texts(bot) == []
    assert (await unsettled(bot.database)).messages == 0


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_a_result_that_came_as_a_direct_message_is_deleted_there(server: ModeratedServer) -> None:
    await server.alice.slash(server.channel, "generate", prompt="a fox")
    server.clock.move(minutes=20)  # no way by the command's answer any more
    close_channel(server)
    await server.play()
    dm = server.alice.user.dm_channel
    result, _ = dm.history()
    done = await press_delete(server, result, server.alice.user)
    assert text_of(server, done.response) == "Deleted."
    assert dm.history() == []
