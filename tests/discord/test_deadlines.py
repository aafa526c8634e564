"""Runs that never end, and runs given up too early: told in time, paid for once, shown all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import picture
from demo.fake_comfydeploy.faults import Faults
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, pinged, text_of, texts
from tests.harness import HELD, Harness


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_run_past_its_deadline_is_told_and_cancelled_once(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.later(minutes=5)
    assert (await bot.run()).state is RunState.RUNNING
    await bot.later(minutes=5, times=4)
    (message,) = bot.messages()
    assert "so I stopped it" in text_of(bot, message)
    assert "after all" not in text_of(bot, message)
    assert list(buttons_of(bot, message)) == ["Try again", "Edit", "Details", "Delete"]
    assert pinged(bot) == [bot.alice.id]
    assert [call.run_id for call in bot.comfydeploy.call_log.cancel_calls] == bot.calls[0].run_ids
    assert (await bot.run()).state is RunState.TIMED_OUT


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_success_after_the_deadline_is_shown_once_and_takes_the_verdict_away(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="running", success_after_cancel=True, cancel_supported=False))
    await bot.later(minutes=5, times=4)
    assert "so I stopped waiting" in texts(bot)[0]
    await bot.release()
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert (await bot.run()).state is RunState.SUCCEEDED
    await bot.later(hours=3)
    assert len(bot.messages()) == 1
    assert len(bot.calls) == 1


@pytest.mark.bot(webhooks=False, run_deadline_seconds=600)
async def test_without_webhooks_a_success_after_the_deadline_is_shown_too(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="running", cancel_supported=False))
    await bot.later(minutes=5, times=4)
    assert "so I stopped waiting" in texts(bot)[0]
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    await bot.later(hours=1)
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert (await bot.run()).state is RunState.SUCCEEDED
    await bot.later(hours=3)
    assert len(bot.messages()) == 1
    assert len(bot.calls) == 1


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_wish_to_cancel_that_comfydeploy_does_not_hear_ends_at_the_deadline(bot: Harness) -> None:
    asked = await bot.ask(faults=HELD)
    await bot.restart(comfydeploy_api_key=SecretStr("a key that was revoked"))
    await bot.click(asked.response.message, "Cancel")
    assert (await bot.run()).state is RunState.RUNNING
    await bot.later(minutes=5, times=4)
    (message,) = bot.messages()
    assert "so I stopped waiting" in text_of(bot, message)
    assert (await bot.run()).state is RunState.TIMED_OUT


IMPATIENT = {"deployments": [replace(picture(), run_timeout=300)]}


@pytest.mark.bot(comfydeploy=IMPATIENT)
async def test_the_deployments_run_timeout_sets_the_deadline(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.later(minutes=6)
    assert (await bot.run()).state is RunState.RUNNING  # the machine may still report its own timeout
    await bot.later(minutes=5)
    (message,) = bot.messages()
    assert "so I stopped it" in text_of(bot, message)
    assert (await bot.run()).state is RunState.TIMED_OUT


@pytest.mark.bot(comfydeploy=IMPATIENT)
async def test_time_in_comfydeploys_queue_does_not_count_as_run_time(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="queued"))
    await bot.later(minutes=5, times=4)
    assert (await bot.run()).state is RunState.QUEUED


@pytest.mark.parametrize("webhooks", [True, False])
async def test_the_cancelled_webhook_does_not_hide_the_bots_own_deadline(
    bot: Harness, webhooks: bool
) -> None:
    """The webhook that the bot's own cancel call causes arrives before that call is answered."""
    if not webhooks:
        await bot.restart(public_url=None)
    for _ in range(2):
        await bot.ask(faults=HELD)
    await bot.later(minutes=30, times=3)
    assert await bot.states() == ["timed_out"] * 2
    assert ["so I stopped it" in text for text in texts(bot)] == [True, True]


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_run_that_never_ends_but_has_outputs_is_shown(bot: Harness) -> None:
    await bot.ask(faults=Faults(never_ends=True))
    await bot.later(minutes=2, times=4)
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert pinged(bot) == [bot.alice.id]
    # Its machine goes on costing until it is told to stop.
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_run_that_alone_gets_no_answer_is_given_up_at_its_deadline(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="running", get_status=503))
    await bot.later(minutes=5, times=4)
    assert (await bot.run()).state is RunState.TIMED_OUT


@pytest.mark.bot(run_deadline_seconds=600)
async def test_while_comfydeploy_is_away_no_run_is_given_up(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    (run,) = bot.comfydeploy.runs
    run.own_faults = None
    bot.comfydeploy.faults = Faults(get_status=503, deployment_status=503, webhook_drop=True)
    await bot.release()
    await bot.later(hours=2, times=24)
    assert (await bot.run()).state is RunState.RUNNING
    bot.comfydeploy.faults = Faults()
    await bot.later(minutes=10)
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert not bot.comfydeploy.call_log.cancel_calls


async def test_a_reply_lost_for_the_grace_time_is_told_and_a_late_success_shown(bot: Harness) -> None:
    lost = Faults(queue_drop=True, queue_starts=1, hold_at="queued", webhook_drop=True)
    await bot.ask(faults=lost)
    await bot.later(seconds=100)
    assert (await bot.run()).state is RunState.SUBMITTING
    await bot.later(seconds=100)
    (message,) = bot.messages()
    assert "ComfyDeploy didn't confirm the run." in text_of(bot, message)
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults()
    await bot.release()
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert len(bot.calls) == 1


async def test_a_late_failure_after_the_verdict_says_nothing_more(bot: Harness) -> None:
    lost = Faults(queue_drop=True, queue_starts=1, hold_at="queued", webhook_drop=True)
    await bot.ask(faults=lost)
    await bot.later(seconds=200)
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(ends_as="failed")
    await bot.release()
    assert len(bot.messages()) == 1
    assert "ComfyDeploy didn't confirm the run." in texts(bot)[0]
    assert pinged(bot) == [bot.alice.id]


async def test_an_hour_away_and_the_result_is_there_after_the_restart(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.runner.close()
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()
    bot.clock.move(minutes=50)
    await bot.restart()
    await bot.play()
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    assert pinged(bot) == [bot.alice.id]
    assert len(bot.calls) == 1
