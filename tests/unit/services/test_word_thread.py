"""A server's word rules cost time only to that server, however long they take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TypeVar
from unittest.mock import AsyncMock

import pytest

from bot.domain.errors import RefusedError
from bot.domain.requests import Actor, ChannelState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.effects import Effects
from bot.services.generation import check_words
from bot.word_filter.cache import AutomodCache, WordThread
from bot.word_filter.rules import Steps, WordRule, WordRules
from tests.unit.domain.policy_cases import PERSON, place
from tests.unit.factories import app_with, made_run
from tests.word_rules import compiled

T = TypeVar("T")
HOSTILE, HARMLESS = range(1, 11), 99


class Endless:
    """Work that never ends. `taken` counts its steps."""

    def __init__(self) -> None:
        self.taken = 0

    def steps(self) -> Steps[WordRules]:
        while True:
            self.taken += 1
            yield


def short(result: str = "done") -> Steps[str]:
    yield
    return result


@pytest.fixture
def thread() -> Iterator[WordThread]:
    thread = WordThread(Effects())
    yield thread
    thread.close()


@asynccontextmanager
async def running(thread: WordThread, works: Mapping[int, Steps[T]]) -> AsyncIterator[list[asyncio.Task[T]]]:
    """Run the work of servers until the block ends."""
    tasks = [asyncio.create_task(thread.run(guild_id, steps)) for guild_id, steps in works.items()]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_server_is_served_while_the_work_of_ten_others_never_ends(thread: WordThread) -> None:
    endless = {guild_id: Endless() for guild_id in HOSTILE}
    async with running(thread, {guild_id: work.steps() for guild_id, work in endless.items()}) as tasks:
        for _ in range(3):
            assert await thread.run(HARMLESS, short()) == "done"
        assert not any(task.done() for task in tasks)


async def test_cancelled_work_goes_on_for_no_longer_than_a_slice(thread: WordThread) -> None:
    endless = Endless()
    async with running(thread, {1: endless.steps()}):
        for _ in range(2):
            await thread.run(2, short())
    await thread.run(2, short())
    taken = endless.taken
    assert await thread.run(1, short()) == "done"
    assert endless.taken == taken > 0


async def test_after_closing_work_that_never_ends_keeps_no_thread_alive() -> None:
    pool = ThreadPoolExecutor(1)
    thread = WordThread(Effects(executor=lambda _name, _most: pool))
    tasks = [asyncio.create_task(thread.run(guild_id, Endless().steps())) for guild_id in HOSTILE]
    await thread.run(HARMLESS, short())
    thread.close()
    await asyncio.to_thread(pool.shutdown)  # waits for the thread, as the end of the process does
    for task in tasks:
        with pytest.raises(RefusedError, match="the bot is stopping"):
            await task
    with pytest.raises(RefusedError):
        await thread.run(HARMLESS, short())


async def test_a_check_that_takes_too_long_is_refused_and_recorded(
    thread: WordThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.word_filter.cache.TIMEOUT_SECONDS", 0.001)
    words = AutomodCache(lambda _guild_id, _thread: thread.run(1, Endless().steps()), Effects())
    requests = AsyncMock()
    app = app_with(store=SimpleNamespace(requests=requests), words=words, effects=Effects())
    member = Actor(PERSON, place(), frozenset(), lambda _: ChannelState(), None)
    with pytest.raises(RefusedError, match="took too long"):
        await check_words(app, member, made_run(), ServerRules(), {"prompt": "a fox"})
    assert requests.record_refusal.await_args.args[1] == "words_unavailable"
    await words.close()


def steps_of(steps: Steps[object]) -> int:
    return sum(1 for _ in steps)


NESTED = compiled([WordRule(patterns=("a",), allowed=("*a*",))])
SEVERAL = compiled([WordRule(keywords=("x",), patterns=("y", "z"))] * 6)
NESTED_TEXT = "a" * 6000
TEXTS = {"prompt": "a cat", "negative": "a dog", "style": "a b o c"}
LONG = WordRule(keywords=("*a*",) * 500, allowed=("b",) * 50, patterns=("c",) * 10)


@pytest.mark.parametrize(
    ("steps", "least"),
    [
        (NESTED.check({"prompt": NESTED_TEXT}, (), ()), len(NESTED_TEXT) + 1),
        (SEVERAL.check(TEXTS, (), ()), len(TEXTS) * 6 * 3),
        (WordRules.compile([LONG, WordRule(keywords=("d",) * 100)]), 660),
    ],
    ids=["each match of a pattern", "each text, rule and spelling", "each keyword and pattern to compile"],
)
def test_work_can_stop_at(steps: Steps[object], least: int) -> None:
    assert steps_of(steps) >= least
