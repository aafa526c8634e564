"""The bot is down, returns, or stops in order: nothing is lost or done twice, and calls don't burst."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import POST, BotProcess
from tests.fakediscord.faults import Fault
from tests.harness import HELD


async def return_after(home: BotProcess, seconds: float) -> None:
    """Start the bot as after so many seconds of downtime, and wait until nothing is left to do."""
    home.discord.world.clock.advance(seconds)
    await home.start(ahead=seconds)
    await home.settled(runs=1)
    await home.check_outcomes()


async def end_while_down(home: BotProcess) -> None:
    """Kill the bot during a run, which then ends."""
    await home.run_under_way()
    await home.kill()
    home.comfydeploy.release()
    await home.comfydeploy.idle()


@pytest.mark.bot(RUN_DEADLINE_SECONDS="7200")
@pytest.mark.parametrize("seconds", [0, 3600])
async def test_a_result_from_the_downtime_is_posted_at_the_return(home: BotProcess, seconds: float) -> None:
    await end_while_down(home)
    assert "ClientConnectorError" in {w.answer for w in home.comfydeploy.call_log.webhook_attempts}
    await return_after(home, seconds)
    assert (await home.outcome()).attachments


async def test_an_hour_after_a_kill_before_the_reply_the_requester_is_told(home: BotProcess) -> None:
    """The deadline of the request has passed as well: whatever is said, it is said once."""
    home.comfydeploy.faults = Faults(webhook_drop=True)
    await home.start(die_at="bot.comfydeploy.client:ComfyDeploy.start_run:after:1")
    await home.ask()
    await home.died()
    await return_after(home, 3700)
    assert "didn't confirm" in (await home.outcome()).text


async def test_a_request_whose_status_was_never_shown_ends_with_its_outcome(home: BotProcess) -> None:
    await home.start(die_at="bot.store.messages:MessageStore.answered:before:1")
    await home.ask()
    await home.died()
    await return_after(home, 1200)
    outcome = await home.outcome()
    # The process may have died while it queued the run.
    assert outcome.attachments or "didn't confirm" in outcome.text


async def test_sigterm_ends_with_code_0_and_the_next_start_does_the_rest(home: BotProcess) -> None:
    home.comfydeploy.faults = HELD
    await home.start()
    for _ in range(4):
        await home.ask()
    # Two run, as many as the deployment takes; two wait for them.
    await home.held(2)
    slow = home.discord.faults.add(POST, Fault.delay(1.5))
    home.comfydeploy.faults = Faults()
    home.comfydeploy.release()
    await home.until(lambda: slow.used)
    assert await home.stop() == 0, home.log
    sent = [message for message in await home.messages() if message.state == "sent"]
    assert len(sent) == len([m for m in home.discord.messages(home.channel) if m.attachments]), home.log
    assert sent, "the running send was not finished"
    await home.start()
    await home.settled(runs=4)
    await home.check_outcomes(calls=4)


async def test_sigterm_does_not_wait_for_a_send_that_discord_holds_up(home: BotProcess) -> None:
    held_up = home.discord.faults.add(POST, Fault.rate_limit(600))
    await home.start()
    await home.ask()
    await home.until(lambda: held_up.used)
    assert await home.stop() == 0, home.log
    assert [message.state for message in await home.messages()] == ["pending"]
    assert "Traceback" not in home.log
    await home.start()
    await home.settled(runs=1)
    await home.check_outcomes()
