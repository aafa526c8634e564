"""Post and Share: what neither a story nor the domain's table shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.domain.messages.records import Kind
from bot.domain.requests import Actor, ChannelState
from bot.outside import Outside
from bot.services.sharing import request_copy
from bot.store import Store
from bot.words.cache import AutomodCache
from bot.words.rules import WordRules
from tests.contract.store.rows import ALICE, GUILD, stored_rules, stored_run
from tests.contract.store.runs import NOW, PERSON
from tests.databases import new_sqlite
from tests.unit.domain.policy_cases import place
from tests.unit.factories import app_with
from tests.word_rules import compiled

GALLERY = 77
OPEN, ADULT = ChannelState(), ChannelState(age_restricted=True)
GONE = ChannelState(exists=False)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(new_sqlite(tmp_path), Outside())
    rules = {"gallery_channel_id": GALLERY, "words": {"blocked": ["lighthouse"]}}
    await stored_rules(store, GUILD, rules)
    yield store
    await store.close()


async def refusal(
    store: Store,
    key: str,
    kind: Kind,
    gallery: ChannelState = OPEN,
    *,
    guild: int | None = GUILD,
    adult: bool = False,
    **more: Any,
) -> str | None:
    """Return why a result's requester may not copy it, if the gallery is in this state."""
    origin = replace(place(guild), channel_id=2, channel_age_restricted=adult)
    states = {GALLERY: gallery}
    person = replace(PERSON, id=ALICE)
    actor = Actor(person, origin, frozenset({2}), lambda id: states.get(id, GONE), guild)

    async def no_rules(*_: object) -> WordRules:
        return compiled([])

    outside, catalogue = Outside(now=lambda: NOW), SimpleNamespace(age_marks=lambda _: ())
    words = AutomodCache(no_rules, outside)
    app = app_with(store=store, words=words, catalogue=catalogue, outside=outside)
    try:
        await request_copy(app, actor, key, kind, **more)
    except RefusedError as error:
        return error.code
    finally:
        await words.close()
    return None


# What the run is like and where its requester presses, and why Post and Share refuse.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str | None, str | None]]] = {
    "single": ({"count": 1}, {}, ("post_nothing", None)),
    "of a user install": (
        {"guild": None, "user_install": True},
        {"guild": None},
        ("post_nothing", "share_no_gallery"),
    ),
    "age-restricted": ({"age_restricted": True}, {}, (None, "share_age")),
    "from an age-restricted channel": ({}, {"adult": True}, (None, "share_age")),
    "its channel was": ({"channel_age_restricted": True}, {}, (None, "share_age")),
    "both age-restricted": ({"age_restricted": True}, {"gallery": ADULT, "adult": True}, (None, None)),
}


@pytest.mark.parametrize("name", CASES)
async def test_each_case_is_accepted_or_refused_in_its_own_words(store: Store, name: str) -> None:
    made, pressed, codes = CASES[name]
    key = await stored_run(store, **{"count": 2, **made})
    assert tuple([await refusal(store, key, kind, **pressed) for kind in (Kind.POST, Kind.SHARE)]) == codes


async def test_a_prompt_is_checked_for_the_gallery(store: Store) -> None:
    key = await stored_run(store)
    assert await refusal(store, key, Kind.SHARE, with_prompt=True) == "share_words"
    assert await refusal(store, key, Kind.SHARE, with_prompt=False) is None
