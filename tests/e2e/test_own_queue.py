"""Requests beyond the limit wait in the bot, in fair order and with their position, also after a kill."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import BotProcess
from tests.fakediscord.interactions import Interaction


async def ask(home: BotProcess, name: str, prompt: str) -> Interaction:
    user = next(user for user in home.discord.world.users.values() if user.name == name)
    asking = await home.discord.slash(user, home.channel, "generate", {"prompt": prompt})
    await home.discord.wait_until(lambda: asking.shown)
    return asking


def prompts(home: BotProcess) -> list[str]:
    return [call.body["inputs"]["prompt"] for call in home.comfydeploy.call_log.queue_calls]


@pytest.mark.bot(MAX_CONCURRENT_RUNS="1")
async def test_requests_wait_their_turn_over_people_and_a_cancelled_one_leaves(home: BotProcess) -> None:
    home.comfydeploy.faults = Faults(hold_at="running")
    home.discord.add_user("bob", home.guild)
    await home.start()
    await ask(home, "alice", "alice 1")
    await home.held()
    second = await ask(home, "alice", "alice 2")
    third = await ask(home, "alice", "alice 3")
    bobs = await ask(home, "bob", "bob 1")
    await home.discord.wait_until(lambda: "### Up next: " in bobs.text)
    await home.discord.wait_until(lambda: "Number 2" in second.text and "Number 3" in third.text)
    assert prompts(home) == ["alice 1"]
    await home.kill()
    await home.start()
    await home.cancel(second)
    await home.discord.wait_until(lambda: "Number 2" in third.text)
    home.comfydeploy.faults = Faults()
    home.comfydeploy.release()
    await home.settled()
    assert prompts(home) == ["alice 1", "bob 1", "alice 3"]
    await home.check_outcomes(calls=3)
