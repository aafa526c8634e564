"""The bot is down, returns, or stops in order: nothing is lost or done twice, and calls don't burst."""

from __future__ import annotations

from pathlib import Path

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import BotProcess, bot_process
from tests.fakediscord.faults import Fault

POST = "POST /channels/{channel_id}/messages"


async def one_outcome(home: BotProcess) -> None:
    ((key,),) = home.rows("SELECT key FROM runs")
    assert len(home.outcomes(key)) == 1, home.log
    assert len(home.comfydeploy.call_log.queue_calls) == 1
    assert not home.leftovers(), home.log


async def test_an_outcome_that_came_while_the_bot_was_down_is_posted_at_its_return(tmp_path: Path) -> None:
    async with bot_process(tmp_path) as home:
        await home.run_under_way()
        await home.kill()
        home.comfydeploy.release()
        await home.comfydeploy.idle()
        assert "ClientConnectorError" in {w.answer for w in home.comfydeploy.call_log.webhook_attempts}
        await home.start()
        await home.settled(runs=1)
        await one_outcome(home)


async def test_after_an_hour_of_downtime_the_result_still_comes(tmp_path: Path) -> None:
    async with bot_process(tmp_path, RUN_DEADLINE_SECONDS="7200") as home:
        await home.run_under_way()
        await home.kill()
        home.comfydeploy.release()
        await home.comfydeploy.idle()
        home.discord.world.clock.advance(3600)
        await home.start(ahead=3600)
        await home.settled(runs=1)
        await one_outcome(home)


async def test_an_hour_after_a_kill_before_the_reply_the_requester_is_told(tmp_path: Path) -> None:
    """The deadline of the request has passed as well: whatever is said, it is said once."""
    async with bot_process(tmp_path) as home:
        home.comfydeploy.faults = Faults(webhook_drop=True)
        await home.start(die_at="bot.comfydeploy.client:ComfyDeploy.start_run:after:1")
        await home.ask()
        await home.died()
        home.discord.world.clock.advance(3700)
        await home.start(ahead=3700)
        await home.settled(runs=1)
        await one_outcome(home)
        assert "didn't confirm" in home.discord.messages(home.channel)[-1].text


async def test_sigterm_ends_with_code_0_and_what_is_left_is_done_at_the_next_start(tmp_path: Path) -> None:
    async with bot_process(tmp_path) as home:
        home.comfydeploy.faults = Faults(hold_at="running")
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
        sent = home.rows("SELECT messages FROM deliveries WHERE state = 'sent'")
        assert len(sent) == len([m for m in home.discord.messages(home.channel) if m.attachments]), home.log
        assert sent, "the running send was not finished"
        await home.start()
        await home.settled(runs=1)
        for (key,) in home.rows("SELECT key FROM runs"):
            assert len(home.outcomes(key)) == 1, home.log
        assert len(home.comfydeploy.call_log.queue_calls) == 4
        assert not home.leftovers()


async def test_sigterm_does_not_wait_for_a_send_that_discord_holds_up(tmp_path: Path) -> None:
    async with bot_process(tmp_path) as home:
        held_up = home.discord.faults.add(POST, Fault.rate_limit(600))
        await home.start()
        await home.ask()
        await home.until(lambda: held_up.used)
        assert await home.stop() == 0, home.log
        assert home.rows("SELECT state FROM deliveries") == [("pending",)]
        assert "Traceback" not in home.log
        await home.start()
        await home.settled(runs=1)
        await one_outcome(home)


async def test_a_request_of_unknown_answer_is_refused_once_its_token_has_run_out(tmp_path: Path) -> None:
    async with bot_process(tmp_path) as home:
        await home.start(die_at="bot.store.runs:RunStore.release:before:1")
        await home.ask()
        await home.died()
        home.discord.world.clock.advance(1200)
        await home.start(ahead=1200)
        await home.settled(runs=1)
        ((key,),) = home.rows("SELECT key FROM runs")
        (told,) = home.outcomes(key)
        assert "nothing was started" in told.text
        assert not home.comfydeploy.call_log.queue_calls
        assert not home.leftovers(), home.log
