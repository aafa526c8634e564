"""The word check of a request: one time limit for all of it, whatever other servers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.requests import Actor, ChannelState
from bot.domain.settings.rules_and_defaults import WORD_COUNT, WORD_LENGTH, ServerRules
from bot.outside import Outside
from bot.services.words import DefaultTexts, check_words
from bot.store import Store
from bot.words import cache as cached
from bot.words.cache import AutomodCache, Fetch, WordThread
from bot.words.rules import WordRule, WordRules
from tests.bench.hostile import SLOW_ALLOWED, SLOW_PATTERN, SLOW_TEXT
from tests.contract.store.rows import GUILD, audit_log, stored_rules
from tests.contract.store.runs import NOW, PERSON
from tests.databases import new_sqlite
from tests.unit.domain.policy_cases import place
from tests.unit.factories import app_with, made_run
from tests.word_rules import compiled

HOSTILE = compiled(
    [WordRule(name="slow", keywords=("zebra",), patterns=(SLOW_PATTERN,), allowed=SLOW_ALLOWED)]
)
HARMLESS = compiled([WordRule(name="harmless", keywords=("cat",))])
PATIENT, SHORT = 60.0, 0.001
RUN = made_run(guild_id=GUILD)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(new_sqlite(tmp_path), Outside())
    yield store
    await store.close()


@asynccontextmanager
async def word_filter(store: Store, fetch: Fetch, seconds: float) -> AsyncIterator[App]:
    outside = Outside(now=lambda: NOW)
    cache = AutomodCache(fetch, outside)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "TIMEOUT_SECONDS", seconds)
        yield app_with(store=store, words=cache, outside=outside)
    await cache.close()


def member(guild_id: int = GUILD) -> Actor:
    origin = place(guild_id)
    return Actor(PERSON, origin, frozenset(), lambda _channel_id: ChannelState(), guild_id)


async def hostile_elsewhere(guild_id: int, _thread: WordThread) -> WordRules:
    return HARMLESS if guild_id == GUILD else HOSTILE


async def rules_of(app: App) -> ServerRules:
    return await app.store.rules.current(GUILD)


async def refusal(app: App, text: str, default: DefaultTexts | None = None) -> str:
    with pytest.raises(RefusedError) as refused:
        await check_words(app, member(), RUN, await rules_of(app), {"prompt": text}, default)
    return refused.value.code


async def test_a_request_is_checked_while_checks_on_six_hostile_servers_run(store: Store) -> None:
    async with word_filter(store, hostile_elsewhere, PATIENT) as app:
        bombs = {"prompt": SLOW_TEXT}
        checks = [
            asyncio.create_task(check_words(app, member(GUILD + n), RUN, ServerRules(), bombs))
            for n in range(1, 7)
        ]
        await check_words(app, member(), RUN, ServerRules(), {"prompt": "a lighthouse"})
        assert await refusal(app, "a cat") == "words_refused"
        assert not any(check.done() for check in checks)
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)


async def test_a_check_that_takes_too_long_is_refused_and_recorded(store: Store) -> None:
    async def hostile(*_: object) -> WordRules:
        return HOSTILE

    async with word_filter(store, hostile, SHORT) as app:
        assert await refusal(app, SLOW_TEXT) == "words_unavailable"
    (line,) = await audit_log(store)
    assert (line.action, line.outcome) == ("refusal", "words_unavailable")


async def test_compiling_the_own_list_counts_towards_the_limit(store: Store) -> None:
    longest = [f"{number:0{WORD_LENGTH}}" for number in range(WORD_COUNT)]
    await stored_rules(store, GUILD, {"words": {"automod": False, "blocked": longest}})
    async with word_filter(store, hostile_elsewhere, SHORT) as app:
        assert await refusal(app, "a lighthouse") == "words_unavailable"
