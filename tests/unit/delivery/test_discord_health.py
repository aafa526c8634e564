"""When Discord counts as away, and when it is back."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from bot.discord_api.calls import DiscordHealth


class Discord:
    """Discord with a clock. It answers the cheap question, or doesn't."""

    def __init__(self, *, is_there: bool) -> None:
        self.is_there, self.asked, self.now = is_there, 0, 100.0
        outside: Any = SimpleNamespace(monotonic=lambda: self.now, random=Random(1))
        asked: Any = self
        self.health = DiscordHealth(asked, outside)

    async def answers(self) -> bool:
        self.asked += 1
        return self.is_there


async def test_a_call_without_an_answer_is_the_messages_failure_if_discord_answers_another() -> None:
    discord = Discord(is_there=True)
    for _ in range(9):
        assert await discord.health.not_heard()
    assert not discord.health.is_away
    assert discord.asked == 9


async def test_two_messages_without_an_answer_are_an_outage_until_a_cheap_question_is_answered() -> None:
    discord = Discord(is_there=False)
    health = discord.health
    assert not await health.not_heard()
    health.heard()
    for _ in range(2):
        assert not health.is_away
        assert not await health.not_heard()
    assert health.is_away
    while health.pause():
        discord.now += 1
    assert not await health.returns()
    discord.is_there = True
    assert 0 < health.pause() <= 10
    assert await health.returns()
    assert not health.is_away
