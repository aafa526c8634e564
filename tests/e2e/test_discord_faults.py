"""Faults of Discord: each run ends in exactly one outcome, after at most one queue call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.bot_process import ANSWER_WITHIN, PATIENCE, BotProcess, bot_process
from tests.fakediscord.faults import Fault
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel

POST = "POST /channels/{channel_id}/messages"
CALLBACK = "POST /interactions/{webhook_id}/{webhook_token}/callback"
DELETE_ANSWER = "DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
# discord.py's own pauses after a 5xx, and the courier's, pass quickly.
SPEED = 6.0

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


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[BotProcess]:
    async with bot_process(tmp_path) as built:
        built.speed = SPEED
        yield built


async def outcomes_of_all(home: BotProcess, *places: Channel, runs: int = 1) -> list[int]:
    """Return the number of outcomes of each of `runs` runs."""
    await home.settled(runs=runs)
    keys = [key for (key,) in home.rows("SELECT key FROM runs")]
    for key in keys:
        assert len(home.comfydeploy.call_log.calls_for(key)) <= 1, home.log
    where = [home.channel, home.discord.dm(home.alice), *places]
    return [sum(len(home.outcomes(key, place)) for place in where) for key in keys]


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
async def test_an_answer_that_discord_took_without_saying_so_starts_one_run(
    home: BotProcess, fault: Fault
) -> None:
    home.discord.faults.add(CALLBACK, fault)
    await home.start()
    await home.ask()
    assert await outcomes_of_all(home) == [1]
    assert not home.leftovers(), home.log


async def test_an_answer_that_discord_refuses_starts_nothing(home: BotProcess) -> None:
    home.discord.interactions.answer_within = 0
    await home.start()
    asking = await home.ask()
    await home.discord.wait_until(lambda: asking.refusals)
    await home.until(lambda: home.rows("SELECT count(*) FROM runs") == [(0,)])
    home.discord.interactions.answer_within = ANSWER_WITHIN
    await home.ask()
    assert await outcomes_of_all(home) == [1]
    assert len(home.comfydeploy.call_log.queue_calls) == 1


@dataclass(frozen=True)
class Turn:
    """An event between accepting and posting, and where the outcome is seen then."""

    happen: Callable[[BotProcess, Interaction], Awaitable[None]]
    in_private: bool = False
    leftovers: bool = False


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


TURNS = {
    "the token runs out": Turn(token_runs_out),
    "the channel is deleted": Turn(channel_goes, in_private=True),
    "a moderator deletes the status message": Turn(status_message_goes),
    "sending is withdrawn": Turn(sending_is_withdrawn),
    "sending is withdrawn and the token out": Turn(sending_is_withdrawn_and_token_out, in_private=True),
    "the bot is removed": Turn(bot_is_removed, in_private=True, leftovers=True),
    "the gateway drops and resumes": Turn(connection_drops),
    "the gateway drops and identifies anew": Turn(session_is_lost),
}


@pytest.mark.parametrize("name", TURNS)
async def test_a_turn_between_accepting_and_posting_leaves_one_outcome(home: BotProcess, name: str) -> None:
    turn = TURNS[name]
    asking = await home.run_under_way()
    await turn.happen(home, asking)
    home.comfydeploy.release()
    assert await outcomes_of_all(home) == [1], home.log
    private = [m for m in home.discord.messages(home.discord.dm(home.alice)) if m.custom_ids]
    assert bool(private) == turn.in_private
    assert turn.leftovers or not home.leftovers(), home.log


async def test_a_result_that_no_way_takes_is_kept_and_its_status_message_says_so(home: BotProcess) -> None:
    asking = await home.run_under_way()
    await sending_is_withdrawn_and_token_out(home, asking)
    home.alice.accepts_dms = False
    home.comfydeploy.release()
    assert await outcomes_of_all(home) == [1]
    ((key,),) = home.rows("SELECT key FROM runs")
    (told,) = home.outcomes(key)
    assert "I couldn't post it here. Please open `/runs`." in told.text
    assert home.rows("SELECT state FROM deliveries") == [("undelivered",)]


@pytest.mark.parametrize(
    ("code", "said"),
    [(4004, "it was reset"), (4011, "Set SHARD_COUNT higher"), (4014, "refuses the bot's intents")],
)
async def test_a_connection_that_discord_ends_for_good_ends_the_bot_in_words(
    home: BotProcess, code: int, said: str
) -> None:
    await home.start()
    await home.discord.gateway.close(code)
    assert home.process is not None
    assert await asyncio.wait_for(home.process.wait(), PATIENCE) == 2
    assert said in home.log.splitlines()[-1]
