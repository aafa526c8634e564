"""The word check of a request has one time limit for all that it does."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.errors import RefusedError
from bot.domain.requests import Actor, ChannelState
from bot.domain.settings.rules_and_defaults import WORD_COUNT, WORD_LENGTH
from bot.outside import Outside
from bot.services.words import check_words
from bot.store import Store
from bot.words import cache as cached
from bot.words.cache import AutomodCache
from bot.words.rules import WordRule, WordRules
from tests.contract.store.rows import GUILD, audit_log, stored_rules
from tests.contract.store.runs import NOW, PERSON
from tests.databases import new_sqlite
from tests.unit.domain.policy_cases import place
from tests.unit.factories import app_with, made_run
from tests.word_rules import compiled

# The pattern matches each letter of the text, which takes RE2 20 ms. The allowed words cover each match.
SLOW = "[ab](?:[ab]*a[ab]{900}c)?"
SLOW_TEXT = "".join(random.Random(3).choices("ab", k=6000))
HOSTILE = WordRule(name="slow", keywords=("zebra",), patterns=(SLOW,), allowed=("*a*", "*b*"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(new_sqlite(tmp_path), Outside())
    yield store
    await store.close()


async def refusal(store: Store, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    async def hostile(*_: object) -> WordRules:
        return compiled([HOSTILE])

    monkeypatch.setattr(cached, "TIMEOUT_SECONDS", 0.001)
    cache = AutomodCache(hostile, outside := Outside(now=lambda: NOW))
    app = app_with(store=store, words=cache, outside=outside)
    member = Actor(PERSON, place(GUILD), frozenset(), lambda _: ChannelState(), GUILD)
    rules = await store.rules.current(GUILD)
    with pytest.raises(RefusedError) as refused:
        await check_words(app, member, made_run(guild_id=GUILD), rules, {"prompt": text})
    await cache.close()
    return refused.value.code


async def test_a_check_that_takes_too_long_is_refused_and_recorded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await refusal(store, SLOW_TEXT, monkeypatch) == "words_unavailable"
    (line,) = await audit_log(store)
    assert (line.action, line.outcome) == ("refusal", "words_unavailable")


async def test_compiling_the_own_list_counts_towards_the_limit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = [f"{number:0{WORD_LENGTH}}" for number in range(WORD_COUNT)]
    await stored_rules(store, GUILD, {"words": {"automod": False, "blocked": longest}})
    assert await refusal(store, "a lighthouse", monkeypatch) == "words_unavailable"
