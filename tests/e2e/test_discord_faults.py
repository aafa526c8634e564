"""Faults of Discord: each run ends in exactly one outcome, after at most one queue call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.e2e.bot_process import PATIENCE, POST, BotProcess
from tests.fakediscord.faults import Fault
from tests.fakediscord.interactions import Interaction

CALLBACK = "POST /interactions/{webhook_id}/{webhook_token}/callback"
EDIT = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
AUTOMOD = "GET /guilds/{guild_id}/auto-moderation/rules"
# discord.py's own pauses after a 5xx, and the messenger's, pass quickly.
pytestmark = pytest.mark.bot(speed=6.0)

FAULTS = {
    "500": (Fault.answer(500), 1),
    "502 again and again": (Fault.answer(502), 7),
    "503": (Fault.answer(503), 2),
    "posted, but answered 500": (Fault.answer_after(500), 1),
    "posted, but answered 502 again and again": (Fault.answer_after(502), 7),
    "429 with a long wait": (Fault.rate_limit(20), 1),
    "the global 429": (Fault.rate_limit(10, everywhere=True), 1),
    "dropped before": (Fault.drop_before(), 2),
    "dropped halfway": (Fault.drop_halfway(), 2),
    "posted, reply lost": (Fault.lose_reply(), 1),
}


Turn = Callable[[BotProcess, Interaction], Awaitable[None]]


async def outcomes_of_all(home: BotProcess, runs: int = 1) -> list[int]:
    """Return the number of outcomes of each of `runs` runs."""
    await home.settled(runs=runs)
    for key in await home.keys():
        assert len(home.comfydeploy.call_log.calls_for(key)) <= 1, home.log
    where = [home.channel, home.discord.dm(home.alice)]
    return [sum(len(home.outcomes(key, place)) for place in where) for key in await home.keys()]


async def test_each_fault_of_the_post_in_turn_leaves_one_outcome(home: BotProcess) -> None:
    await home.start()
    for number, (name, (fault, times)) in enumerate(FAULTS.items(), 1):
        rule = home.discord.faults.add(POST, fault, times=times)
        await home.ask()
        counts = await outcomes_of_all(home, runs=number)
        assert rule.used, name
        assert set(counts) == {1}, f"{name}: {counts}\n{home.log}"
        home.discord.faults.clear()
    assert len(counts) == len(FAULTS)
    assert not home.leftovers()
    assert "Traceback" not in home.log


async def test_a_post_whose_reply_was_lost_is_found_again_after_a_kill(home: BotProcess) -> None:
    lost = home.discord.faults.add(POST, Fault.delay(60, after=True))
    await home.start()
    await home.ask()
    await home.discord.wait_until(lambda: lost.used and home.discord.request_log.messages_created > 1)
    await home.kill()
    posts = len(home.discord.request_log.calls("POST", "/channels/{channel_id}/messages"))
    home.discord.world.clock.advance(600)  # the nonce is forgotten
    await home.start()
    assert await outcomes_of_all(home) == [1]
    assert len(home.discord.request_log.calls("POST", "/channels/{channel_id}/messages")) <= posts + 1
    assert not home.leftovers()


@pytest.mark.parametrize("fault", [Fault.answer_after(500), Fault.lose_reply()], ids=str)
async def test_an_answer_that_discord_took_silently_starts_one_run(home: BotProcess, fault: Fault) -> None:
    home.discord.faults.add(CALLBACK, fault)
    await home.start()
    await home.ask()
    assert await outcomes_of_all(home) == [1]
    assert not home.leftovers(), home.log


async def test_slow_checks_defer_privately_before_discord_gives_up(home: BotProcess) -> None:
    home.discord.faults.add(AUTOMOD, Fault.delay(9.0))
    await home.start()
    asking = await home.ask()
    await asking.wait_answer()
    assert asking.original is not None
    assert asking.original.ephemeral
    await home.discord.wait_until(lambda: asking.shown)
    assert "nothing was started" in asking.text
    assert not await home.keys()


async def test_a_cancellation_before_discords_reply_to_the_status_keeps_its_outcome(home: BotProcess) -> None:
    """Requesters can press Cancel before the bot knows that Discord shows the status message."""
    home.discord.faults.add(EDIT, Fault.delay(1.0, after=True))
    await home.start()
    asking = await home.ask()
    await home.until(lambda: asking.original and asking.original.custom_ids)
    await home.cancel(asking)
    assert await outcomes_of_all(home) == [1]
    assert not home.leftovers(), home.log
    assert asking.followups == []


async def token_runs_out(home: BotProcess, _: Interaction) -> None:
    home.discord.interactions.token_lifetime = 0


async def channel_goes(home: BotProcess, _: Interaction) -> None:
    home.discord.delete_channel(home.channel)


async def status_message_goes(home: BotProcess, asking: Interaction) -> None:
    assert asking.original is not None
    home.discord.delete_message(asking.original)


async def sending_is_withdrawn(home: BotProcess, _: Interaction) -> None:
    home.discord.withdraw(home.channel, "send_messages")


async def sending_is_withdrawn_and_token_out(home: BotProcess, asking: Interaction) -> None:
    await sending_is_withdrawn(home, asking)
    await token_runs_out(home, asking)


async def bot_is_removed(home: BotProcess, asking: Interaction) -> None:
    home.discord.remove_bot(home.guild)
    await token_runs_out(home, asking)


async def connection_drops(home: BotProcess, _: Interaction) -> None:
    resumed = home.discord.gateway.counts["resume"]
    home.discord.gateway.drop()
    await home.discord.wait_until(lambda: home.discord.gateway.counts["resume"] > resumed)


async def session_is_lost(home: BotProcess, _: Interaction) -> None:
    identified = home.discord.gateway.counts["identify"]
    home.discord.gateway.drop(resumable=False)
    await home.discord.wait_until(lambda: home.discord.gateway.counts["identify"] > identified)


# Events between accepting and posting, and whether the outcome is a direct message then.
TURNS: dict[str, tuple[Turn, bool]] = {
    "the token expires": (token_runs_out, False),
    "the channel is deleted": (channel_goes, True),
    "a moderator deletes the status message": (status_message_goes, False),
    "sending is withdrawn": (sending_is_withdrawn, False),
    "sending is withdrawn and the token expires": (sending_is_withdrawn_and_token_out, True),
    "the bot is removed": (bot_is_removed, True),
    "the gateway drops and resumes": (connection_drops, False),
    "the gateway drops and identifies anew": (session_is_lost, False),
}


@pytest.mark.parametrize("name", TURNS)
async def test_a_turn_between_accepting_and_posting_leaves_one_outcome(home: BotProcess, name: str) -> None:
    happen, in_private = TURNS[name]
    asking = await home.run_under_way()
    await happen(home, asking)
    home.comfydeploy.release()
    assert await outcomes_of_all(home) == [1], home.log
    private = [m for m in home.discord.messages(home.discord.dm(home.alice)) if m.custom_ids]
    assert bool(private) == in_private
    assert name == "the bot is removed" or not home.leftovers(), home.log


@pytest.mark.parametrize(
    ("code", "said"),
    [(4004, "it was reset"), (4011, "Set SHARD_COUNT higher"), (4014, "refuses the bot's intents")],
)
async def test_a_close_for_good_ends_the_bot_with_the_reason(home: BotProcess, code: int, said: str) -> None:
    await home.start()
    await home.discord.gateway.close(code)
    assert await home.ended() == 2
    assert said in home.log.splitlines()[-1]


async def page_with(home: BotProcess, *lines: str) -> str:
    """Return the metrics once they have these lines: the bot counts a delivery after it is stored, and
    discord.py waits two seconds for further servers before the gateway is ready.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            page = await home.metrics()
            if all(line in page for line in lines):
                return page
            await asyncio.sleep(0.05)


async def test_discords_limits_and_faults_are_counted(home: BotProcess) -> None:
    home.discord.faults.add(POST, Fault.rate_limit(0.1))
    home.discord.faults.add(POST, Fault.drop_before())
    await home.start()
    await home.ask()
    await home.settled(runs=1)
    page = await page_with(
        home,
        "comfydeploy_bot_gateway_ready 1.0",
        'comfydeploy_bot_message_attempts_total{kind="outcome",result="done"} 1.0',
    )
    assert 'comfydeploy_bot_discord_rate_limited_total{scope="user"} 1.0' in page
    assert 'comfydeploy_bot_discord_requests_total{method="POST",status="429"} 1.0' in page
    assert 'comfydeploy_bot_discord_requests_total{method="POST",status="no_answer"} 1.0' in page
    assert "comfydeploy_bot_servers 1.0" in page
    assert "comfydeploy_bot_event_loop_lag_seconds_count 0.0" not in page
