"""Cancelling: who may do it, and what becomes of the run."""

from __future__ import annotations

import discord

from bot.domain.runs import RunState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import member
from tests.discord.deliveries import end_runs
from tests.discord.forged import press
from tests.discord.rendered import FAILURE_BUTTONS, buttons_of, one_result, pinged, refusal, text_of, texts
from tests.harness import HELD, Harness


async def running(bot: Harness, faults: Faults = HELD) -> discord.Message:
    """Start a run that is held, and return its status message."""
    asked = await bot.ask(faults=faults)
    return asked.response.message


async def test_the_requester_can(bot: Harness) -> None:
    message = await running(bot)
    await bot.click(message, "Cancel")
    assert [call.run_id for call in bot.comfydeploy.call_log.cancel_calls] == bot.calls[0].run_ids
    shown = text_of(bot, message)
    assert "Cancelled: Picture" in shown
    assert list(buttons_of(bot, message)) == FAILURE_BUTTONS
    assert pinged(bot) == []
    assert (await bot.run()).state is RunState.CANCELLED
    await bot.later(hours=2)
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


async def test_a_stranger_can_not(bot: Harness) -> None:
    refused = await bot.bob.click(await running(bot), label="Cancel")
    assert refusal(bot, refused) == (
        "Only the requester and people with Manage Messages here can cancel this."
    )
    await bot.play()
    assert not bot.comfydeploy.call_log.cancel_calls
    assert (await bot.run()).state is RunState.RUNNING


async def test_a_member_with_manage_messages_can(bot: Harness) -> None:
    await bot.click(await running(bot), "Cancel", member(bot, "carol", manage_messages=True))
    (told,) = texts(bot)
    assert "A moderator cancelled this request." in told
    assert pinged(bot) == [bot.alice.id]
    assert (await bot.run()).state is RunState.CANCELLED
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


async def test_after_the_end_it_is_too_late(bot: Harness) -> None:
    message = await bot.made()
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
    await one_result(bot)


async def test_a_success_that_was_quicker_than_the_cancel_is_shown(bot: Harness) -> None:
    message = await running(bot)
    await end_runs(bot)
    await bot.click(message, "Cancel")
    await one_result(bot)


async def test_a_success_that_can_not_be_asked_about_at_once_is_shown_later(bot: Harness) -> None:
    """ComfyDeploy says success also to cancelling what had ended."""
    message = await running(bot, Faults(hold_at="running", silent_end=True))
    await end_runs(bot)
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(get_status=500)
    await bot.click(message, "Cancel")
    run.own_faults = Faults()
    await bot.later(minutes=1)
    await one_result(bot)


async def test_a_run_without_an_answer_for_long_counts_as_cancelled(bot: Harness) -> None:
    message = await running(bot)
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(get_status=500, webhook_drop=True)
    await bot.alice.click(message, label="Cancel")
    await bot.later(minutes=1)
    assert (await bot.run()).state is RunState.RUNNING
    await bot.later(minutes=5)
    assert (await bot.run()).state is RunState.CANCELLED
    assert "Cancelled: " in text_of(bot, message)
