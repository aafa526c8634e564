"""Posting one result of a batch and sharing to the gallery: each refusal has its own sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.messages.records import Kind, MessageRef
from bot.domain.requests import Actor, ChannelState, Origin
from bot.domain.results import CopyRequest
from bot.domain.runs import RunState
from bot.domain.text import message_url
from bot.outside import Outside
from bot.services import sharing
from bot.store import Store
from bot.words.cache import AutomodCache
from bot.words.rules import WordRules
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD, stored_rules, stored_run
from tests.contract.store.runs import (
    NOW,
    PERSON,
    SOON,
    kinds,
    part_of,
    release,
)
from tests.databases import new_sqlite
from tests.unit.factories import app_with
from tests.word_rules import compiled

GALLERY = 77
OPEN, ADULT = ChannelState(), ChannelState(age_restricted=True)
GONE, CLOSED = ChannelState(exists=False), ChannelState(missing=("Send Messages",))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(new_sqlite(tmp_path), Outside())
    await stored_rules(store, GUILD, {"gallery_channel_id": GALLERY})
    yield store
    await store.close()


async def send_copy(store: Store, copy: CopyRequest) -> str:
    """Store a copy as the messenger does after a post."""
    claim = await store.copies.claim(copy, "messenger", NOW, SOON)
    if claim is None:
        raise RefusedError("copy_pending")
    ref = MessageRef(copy.shared_to or 2, 8)
    await release(store, claim.with_part(part_of(claim, ref)), NOW, shown=True)
    return message_url(GUILD, *ref)


def app_of(store: Store) -> App:
    outside = Outside(now=lambda: NOW)

    async def no_rules(*_: object) -> WordRules:
        return compiled([])

    return app_with(
        store=store,
        words=AutomodCache(no_rules, outside),
        catalogue=SimpleNamespace(age_marks=lambda _: ()),
        outside=outside,
    )


def member(
    id: int = ALICE, gallery: ChannelState = OPEN, *, guild: int | None = GUILD, adult: bool = False
) -> Actor:
    """Return a member in the channel of `stored_run`, from where the gallery is in this state."""
    return Actor(
        person=replace(PERSON, id=id),
        origin=Origin(
            guild_id=guild,
            channel_id=2,
            application_id=3,
            interaction_token="t",
            interaction_expires_at=NOW,
            upload_limit=10 << 20,
            channel_age_restricted=adult,
        ),
        channel_ids=frozenset({2}),
        channel_state=lambda channel: gallery if channel == GALLERY else GONE,
        guild_id=guild,
    )


def batch(**more: Any) -> dict[str, Any]:
    return {"count": 2, **more}


ADMIN = replace(member(BOB), person=replace(PERSON, id=BOB, manages_server=True))
AWAY = member(guild=None)
NOT_YOURS, ELSEWHERE = ("copy_not_yours",) * 2, ("copy_elsewhere",) * 2
# Who presses, what the run is like, and why Post and Share refuse (None: they don't).
CASES: dict[str, tuple[Actor, dict[str, Any], tuple[str | None, str | None]]] = {
    "own, of a batch": (member(), batch(), (None, None)),
    "own, single": (member(), {}, ("post_nothing", None)),
    "partial": (member(), batch(state=RunState.FAILED, partial=True), (None, None)),
    "approved": (member(), batch(review_channel_id=9, decided_by=MOD, decided_at=NOW), (None, None)),
    "another person's": (member(BOB), batch(), NOT_YOURS),
    "a moderator presses": (ADMIN, batch(), NOT_YOURS),
    "from another server": (member(guild=GUILD + 1), batch(), ELSEWHERE),
    "from direct messages": (AWAY, batch(), ELSEWHERE),
    "made outside of servers": (AWAY, batch(guild=None), (None, "share_no_gallery")),
    "of a user install": (AWAY, batch(guild=None, user_install=True), ("post_nothing", "share_no_gallery")),
    "deleted": (member(), batch(deleted_at=NOW), ("copy_result_deleted",) * 2),
    "failed": (member(), batch(state=RunState.FAILED), ("no_result",) * 2),
    "unfinished": (member(), batch(state=RunState.RUNNING), ("no_result",) * 2),
    "not approved": (member(), batch(review_channel_id=9), ("details_hidden",) * 2),
    "erased": (member(), batch(outputs=[]), ("copy_file_gone",) * 2),
    "the gallery is gone": (member(gallery=GONE), batch(), (None, "share_closed")),
    "the gallery is closed": (member(gallery=CLOSED), batch(), (None, "share_closed")),
    "age-restricted": (member(), batch(age_restricted=True), (None, "share_age")),
    "from an age-restricted channel": (member(adult=True), batch(), (None, "share_age")),
    "its channel was": (member(), batch(channel_age_restricted=True), (None, "share_age")),
    "both age-restricted": (member(gallery=ADULT, adult=True), batch(age_restricted=True), (None, None)),
}


@pytest.mark.parametrize("name", CASES)
async def test_each_case_is_accepted_or_refused_in_its_own_words(store: Store, name: str) -> None:
    requester, changes, (posts, shares) = CASES[name]
    key = await stored_run(store, **changes)
    for code, act in (
        (shares, share(app_of(store), requester, key)),
        (shares, shared_by(store, key, requester)),
        (posts, posted_by(store, key, requester)),
    ):
        if code is None:
            await act
        else:
            with pytest.raises(RefusedError) as caught:
                await act
            assert caught.value.code == code
    made = {kind for kind, code in {"post": posts, "share": shares}.items() if code is None}
    assert set(await kinds(store, key)) - {"outcome"} == made


async def post(app: App, requester: Actor, key: str) -> CopyRequest:
    return (await sharing.request_copy(app, requester, key, Kind.POST))[1]


async def share(app: App, requester: Actor, key: str, *, with_prompt: bool | None = None) -> CopyRequest:
    return (await sharing.request_copy(app, requester, key, Kind.SHARE, with_prompt=with_prompt))[1]


async def shared_by(store: Store, key: str, requester: Actor) -> str:
    return await send_copy(store, await share(app_of(store), requester, key, with_prompt=False))


async def posted_by(store: Store, key: str, requester: Actor) -> str:
    return await send_copy(store, await post(app_of(store), requester, key))


async def test_a_prompt_is_checked_for_the_gallery(store: Store) -> None:
    await stored_rules(store, GUILD, {"gallery_channel_id": GALLERY, "words": {"blocked": ["lighthouse"]}})
    key, app = await stored_run(store), app_of(store)
    with pytest.raises(RefusedError) as caught:
        await share(app, member(), key, with_prompt=True)
    assert caught.value.code == "share_words"
    assert (await share(app, member(), key, with_prompt=False)).shared_to == GALLERY
