"""Cancel, by whom and when."""

from __future__ import annotations

import json

import aiohttp
import discord
import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.forged import press
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, pinged, refusal, text_of, texts
from tests.harness import HELD, Harness


async def running(bot: Harness, faults: Faults = HELD) -> discord.Message:
    """Start a run that is held, and return its status message."""
    asked = await bot.ask(faults=faults)
    return asked.response.message


async def test_the_requester_cancels(bot: Harness) -> None:
    message = await running(bot)
    await bot.click(message, "Cancel")
    assert [call.run_id for call in bot.comfydeploy.call_log.cancel_calls] == bot.calls[0].run_ids
    shown = text_of(bot, message)
    assert "Cancelled: Picture" in shown
    assert "Cancelled: " in shown
    assert list(buttons_of(bot, message)) == ["Try again", "Edit", "Details", "Delete"]
    assert pinged(bot) == []
    assert (await bot.run()).state is RunState.CANCELLED
    await bot.later(hours=2)
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


async def test_a_stranger_can_not(bot: Harness) -> None:
    refused = await bot.bob.click(await running(bot), label="Cancel")
    assert refusal(bot, refused) == (
        "Only the person who asked, and people with Manage Messages here, can cancel this."
    )
    await bot.play()
    assert not bot.comfydeploy.call_log.cancel_calls
    assert (await bot.run()).state is RunState.RUNNING


async def test_who_may_manage_messages_can(bot: Harness) -> None:
    role = bot.guild.create_role("mods", permissions=discord.Permissions(manage_messages=True))
    carol = bot.guild.add_member(bot.env.create_user("carol"), roles=[role])
    await carol.click(await running(bot), label="Cancel")
    await bot.play()
    (told,) = texts(bot)
    assert "A moderator cancelled this request." in told
    assert pinged(bot) == [bot.alice.id]
    assert (await bot.run()).state is RunState.CANCELLED
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


async def test_who_manages_messages_elsewhere_reaches_nothing_here(bot: Harness) -> None:
    await running(bot)
    key = (await bot.run()).key
    other = bot.env.create_guild("another server")
    bot.channel = other.create_text_channel("mine")
    role = other.create_role("mods", permissions=discord.Permissions(manage_messages=True))
    eve = other.add_member(bot.env.create_user("eve"), roles=[role])
    await bot.env.settle()
    bot.comfydeploy.next_faults(HELD)
    await eve.slash(bot.channel, "generate", prompt="an owl")
    await bot.play()
    (own,) = bot.channel.history(viewer=eve)
    refused = await press(bot, eve, own, f"run:{key}:cancel")
    unknown = await press(bot, eve, own, "run:abcdefghijklmnop:cancel")
    assert refused.ephemeral
    assert refused.response.content == unknown.response.content == "This request no longer exists."
    await bot.play()
    assert not bot.comfydeploy.call_log.cancel_calls
    assert [run.cancel_requested_at for run in await bot.runs()] == [None, None]


@pytest.mark.bot(max_concurrent_runs=1)
async def test_what_waits_in_the_bots_own_queue_never_reaches_comfydeploy(bot: Harness) -> None:
    await running(bot)
    waiting = await bot.ask(bot.bob)
    await bot.later(seconds=3)
    await bot.bob.click(waiting.response.message, label="Cancel")
    bot.comfydeploy.release()
    await bot.later(seconds=3)
    assert len(bot.calls) == 1
    assert "Cancelled: " in text_of(bot, waiting.response)


async def test_the_wish_waits_for_the_id_that_only_the_webhook_brings(bot: Harness) -> None:
    lost = Faults(queue_drop=True, queue_starts=1, webhook_drop=True, hold_at="running")
    message = await running(bot, lost)
    assert (await bot.run()).state is RunState.SUBMITTING
    await bot.click(message, "Cancel")
    assert not bot.comfydeploy.call_log.cancel_calls
    (call,) = bot.calls
    event = {"event_type": "run.updated", "run_id": call.run_ids[0], "status": "running", "progress": 0.1}
    async with aiohttp.ClientSession() as session:
        reply = await session.post(call.webhook, data=json.dumps(event | {"outputs": []}))
        assert reply.status == 204
    await bot.play()
    assert [each.run_id for each in bot.comfydeploy.call_log.cancel_calls] == call.run_ids
    assert (await bot.run()).state is RunState.CANCELLED
    assert len(bot.calls) == 1


async def test_after_the_end_it_is_too_late(bot: Harness) -> None:
    await bot.ask()
    (message,) = bot.messages()
    run = await bot.run()
    late = await press(bot, bot.alice, message, f"run:{run.key}:cancel")
    assert refusal(bot, late) == "It has already finished."
    assert await bot.run() == run


async def test_a_machine_that_can_not_stop_goes_on_and_the_message_says_so(bot: Harness) -> None:
    message = await running(bot, Faults(hold_at="running", cancel_supported=False))
    await bot.alice.click(message, label="Cancel")
    await bot.later(seconds=3)
    assert "This machine can't stop a run" in text_of(bot, message)
    assert buttons_of(bot, message) == {}
    bot.comfydeploy.release()
    await bot.later(seconds=3)
    (text,) = texts(bot)
    assert "> a fox" in text
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert pinged(bot) == [bot.alice.id]


async def test_a_success_that_was_quicker_than_the_cancel_is_shown(bot: Harness) -> None:
    message = await running(bot)
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    await bot.alice.click(message, custom_id=f"run:{(await bot.run()).key}:cancel")
    await bot.play()
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert len(bot.messages()) == 1


async def test_a_success_that_can_not_be_asked_about_at_once_is_shown_later(bot: Harness) -> None:
    """ComfyDeploy says success also to cancelling what had ended."""
    message = await running(bot, Faults(hold_at="running", silent_end=True))
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(get_status=500)
    await bot.click(message, "Cancel")
    run.own_faults = Faults()
    await bot.later(minutes=1)
    assert (await bot.run()).state is RunState.SUCCEEDED
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS


async def test_what_comfydeploy_can_not_be_asked_about_for_long_was_cancelled(bot: Harness) -> None:
    message = await running(bot)
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(get_status=500, webhook_drop=True)
    await bot.alice.click(message, label="Cancel")
    await bot.later(minutes=1)
    assert (await bot.run()).state is RunState.RUNNING
    await bot.later(minutes=5)
    assert (await bot.run()).state is RunState.CANCELLED
    assert "Cancelled: " in text_of(bot, message)
