"""The word check of a request has one time limit for all that it does."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from bot.domain.errors import RefusedError
from bot.domain.requests import Actor, ChannelState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.outside import Outside
from bot.services.words import check_words
from bot.words import cache as cached
from bot.words.cache import AutomodCache
from bot.words.rules import WordRule, WordRules
from tests.unit.domain.policy_cases import PERSON, place
from tests.unit.factories import app_with, made_run
from tests.word_rules import compiled

# The pattern matches each letter of the text, which takes RE2 20 ms. The allowed words cover each match.
SLOW = "[ab](?:[ab]*a[ab]{900}c)?"
SLOW_TEXT = "".join(random.Random(3).choices("ab", k=6000))
HOSTILE = WordRule(name="slow", keywords=("zebra",), patterns=(SLOW,), allowed=("*a*", "*b*"))


async def test_a_check_that_takes_too_long_is_refused_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hostile(*_: object) -> WordRules:
        return compiled([HOSTILE])

    recorded: list[str] = []

    async def record_refusal(_run: object, code: str, *_: object) -> None:
        recorded.append(code)

    monkeypatch.setattr(cached, "TIMEOUT_SECONDS", 0.001)
    cache = AutomodCache(hostile, outside := Outside())
    requests = SimpleNamespace(record_refusal=record_refusal)
    app = app_with(store=SimpleNamespace(requests=requests), words=cache, outside=outside)
    member = Actor(PERSON, place(), frozenset(), lambda _: ChannelState(), None)
    with pytest.raises(RefusedError, match="took too long"):
        await check_words(app, member, made_run(), ServerRules(), {"prompt": SLOW_TEXT})
    await cache.close()
    assert recorded == ["words_unavailable"]
