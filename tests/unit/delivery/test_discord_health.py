"""When Discord counts as away, and when it is back."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord_api.calls import DiscordHealth


class Discord:
    """Answers the cheap question, or doesn't."""

    def __init__(self) -> None:
        self.is_there = True
        self.asked = 0

    async def answers(self) -> bool:
        self.asked += 1
        return self.is_there


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def discord() -> Discord:
    return Discord()


@pytest.fixture
def health(discord: Discord, clock: Clock) -> DiscordHealth:
    outside: Any = SimpleNamespace(monotonic=clock, random=Random(1))
    asked: Any = discord
    return DiscordHealth(asked, outside)


async def test_a_call_without_an_answer_is_the_messages_failure_if_discord_answers_another(
    health: DiscordHealth, discord: Discord
) -> None:
    for _ in range(9):
        assert await health.not_heard()
    assert not health.is_away
    assert discord.asked == 9


async def test_two_messages_without_an_answer_are_an_outage(health: DiscordHealth, discord: Discord) -> None:
    discord.is_there = False
    assert not await health.not_heard()
    assert not health.is_away
    health.heard()
    for _ in range(2):
        assert not health.is_away
        assert not await health.not_heard()
    assert health.is_away


async def away(health: DiscordHealth, discord: Discord) -> None:
    discord.is_there = False
    while not health.is_away:
        await health.not_heard()


async def test_during_an_outage_a_cheap_question_is_asked_now_and_then(
    health: DiscordHealth, discord: Discord, clock: Clock
) -> None:
    await away(health, discord)
    asked = discord.asked
    for _ in range(600):
        clock.now += 1
        if not health.pause():
            assert not await health.returns()
    assert 60 <= discord.asked - asked <= 200
    discord.is_there = True
    clock.now += 10
    assert await health.returns()
    assert not health.is_away
