"""When Discord counts as away, and when it is back."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from bot.breakers import DiscordBreaker


class Discord:
    """Discord with a clock. It answers the cheap question, or doesn't."""

    def __init__(self, *, is_there: bool) -> None:
        self.is_there, self.asked, self.made_due, self.now = is_there, 0, 0, 100.0
        effects = SimpleNamespace(monotonic=lambda: self.now, random=Random(1))
        store = SimpleNamespace(messages=self)
        app: Any = SimpleNamespace(discord=self, effects=effects, store=store, now=lambda: self.now)
        self.guard = DiscordBreaker(app)

    async def responds(self) -> bool:
        self.asked += 1
        return self.is_there

    async def make_due(self, _now: float) -> None:
        self.made_due += 1


async def test_a_call_without_an_answer_is_the_messages_failure_if_discord_answers_another() -> None:
    discord = Discord(is_there=True)
    for _ in range(9):
        assert await discord.guard.not_heard()
    assert not discord.guard.breaker.is_open
    assert discord.asked == 9


async def test_two_messages_without_an_answer_are_an_outage_until_a_cheap_question_is_answered() -> None:
    discord = Discord(is_there=False)
    guard = discord.guard
    assert not await guard.not_heard()
    guard.heard()
    for _ in range(2):
        assert not guard.breaker.is_open
        assert not await guard.not_heard()
    assert guard.breaker.is_open
    for _ in range(20):
        assert 0 < await guard.pause() <= 10
        discord.now += 1
    discord.is_there = True
    while await guard.pause():
        discord.now += 1
    assert (guard.breaker.is_open, discord.made_due) == (False, 1)
