"""A server's word rules cost time only to that server, and never more than their deadline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.outside import Outside
from bot.services.words.filter import Deadline, WordChecks
from bot.services.words.rules import MAX_ALLOWED_MATCHES, CheckTooLong, Hit, WordRule, WordRules

TEXT = {"prompt": "a cat"}
RULES = WordRules(blocked=["cat"])


class Held(WordRules):
    """Rules whose check waits until the test lets it go, and counts how many run at once."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.at_once = self.most = 0

    def check(self, *_: Any) -> Hit | None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.begun.release()
        self.go.wait()
        self.at_once -= 1
        return None


@pytest.fixture
def held() -> Iterator[Held]:
    rules = Held()
    yield rules
    rules.go.set()


async def run(checks: WordChecks, guild_id: int, rules: WordRules) -> Hit | None:
    return await checks.run(guild_id, rules, TEXT, (), ())


async def begun(held: Held) -> None:
    """Wait until another check of these rules has begun."""
    await asyncio.to_thread(held.begun.acquire)


async def test_another_server_is_served_while_one_server_is_busy(held: Held) -> None:
    checks = WordChecks(Outside(), timeout=60)
    busy = [asyncio.create_task(run(checks, 1, held)) for _ in range(50)]
    await begun(held)
    assert await run(checks, 2, RULES) == Hit(None, "prompt", "cat")
    assert held.most == 1
    held.go.set()
    assert await asyncio.gather(*busy) == [None] * 50
    assert held.most == 1
    checks.close()


async def test_the_event_loops_own_threads_stay_free(held: Held) -> None:
    checks = WordChecks(Outside(), timeout=60)
    busy = [asyncio.create_task(run(checks, guild_id, held)) for guild_id in range(50)]
    await begun(held)
    assert await asyncio.to_thread(lambda: "resolved") == "resolved"
    held.go.set()
    await asyncio.gather(*busy)
    checks.close()


async def test_slow_servers_share_one_thread(held: Held) -> None:
    ticks = iter(range(1_000_000))
    checks = WordChecks(Outside(monotonic=lambda: next(ticks)), timeout=60, slow=0.5, threads=1)
    assert await run(checks, 1, RULES) is not None  # each look at this clock takes a second
    busy = asyncio.create_task(run(checks, 1, held))
    await begun(held)
    assert await run(checks, 2, RULES) is not None
    held.go.set()
    await busy
    checks.close()


async def test_a_check_that_takes_too_long_is_refused_and_the_next_waits_for_its_end(held: Held) -> None:
    checks = WordChecks(Outside(), timeout=0.01)
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            await run(checks, 1, held)
        assert refused.value.code == "words_unavailable"
    assert held.most <= 1
    checks.close()


async def test_closing_waits_for_no_check(held: Held) -> None:
    checks = WordChecks(Outside(), timeout=60)
    busy = asyncio.create_task(run(checks, 1, held))
    await begun(held)
    checks.close()
    assert not busy.done()
    held.go.set()
    await busy


def counting(limit: int | None = None) -> tuple[list[None], Callable[[], None]]:
    """Return a list that grows with each step of a check, and the callable that stops it after `limit`."""
    steps: list[None] = []

    def go_on() -> None:
        steps.append(None)
        if limit is not None and len(steps) > limit:
            raise CheckTooLong("enough")

    return steps, go_on


def test_a_pattern_that_matches_only_allowed_text_is_given_up() -> None:
    rules = WordRules([WordRule(name="r", patterns=("a",), allowed=("*a*",))])
    steps, go_on = counting()
    with pytest.raises(CheckTooLong):
        rules.check({"prompt": "a" * 6000}, (), (), go_on)
    assert len(steps) < MAX_ALLOWED_MATCHES + 20
    assert rules.check({"prompt": "a " * MAX_ALLOWED_MATCHES}, (), ()) is None


@pytest.mark.parametrize("limit", range(8))
def test_a_check_stops_at_every_step(limit: int) -> None:
    rules = WordRules([WordRule(name="r", keywords=("x",), patterns=("b", "c"), allowed=("*c*",))])
    steps, go_on = counting(limit)
    with pytest.raises(CheckTooLong):
        rules.check({"prompt": "c c", "negative": "c"}, (), (), go_on)
    assert len(steps) == limit + 1


def test_the_deadline_follows_its_clock() -> None:
    now = 0.0
    deadline = Deadline(2.0, lambda: now)
    deadline()
    now = 2.0
    with pytest.raises(CheckTooLong):
        deadline()
