"""Posting one result of a batch and sharing to the gallery: each refusal has its own sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.domain.access import OperatorRules
from bot.domain.errors import AlreadyPosted, DiscordAway, RefusedError
from bot.domain.messages.records import MessageRef
from bot.domain.requests import ChannelState, Origin, Requester
from bot.domain.results.sharing import CopyRequest, MessageState
from bot.domain.runs import RunState
from bot.domain.text import message_url
from bot.outside import Outside
from bot.services.age_marks import AgeMarks
from bot.services.sharing import FetchState, SharingService
from bot.store import Store
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD, block, stored_rules, stored_run, unblock
from tests.contract.store.runs import NOW, PERSON, SOON, kinds, part_of
from tests.databases import new_sqlite

GALLERY = 77
OPEN, ADULT = ChannelState(), ChannelState(age_restricted=True)
GONE, CLOSED = ChannelState(exists=False), ChannelState(missing=("Send Messages",))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(new_sqlite(tmp_path), Outside())
    await stored_rules(store, GUILD, {"gallery_channel_id": GALLERY})
    yield store
    await store.close()


async def check_words(_requester: Requester, _deployment: str, texts: Mapping[str, str]) -> None:
    """Forbid a word that the prompt of `stored_run` has."""
    if "lighthouse" in texts["prompt"]:
        raise RefusedError("words_refused", option="prompt")


async def exists(_message: MessageRef) -> MessageState:
    return MessageState.EXISTS


async def deleted(_message: MessageRef) -> MessageState:
    return MessageState.DELETED


async def channel_deleted(_message: MessageRef) -> MessageState:
    return MessageState.CHANNEL_DELETED


async def unanswered(_message: MessageRef) -> MessageState:
    raise DiscordAway


async def send_copy(store: Store, copy: CopyRequest) -> str:
    """Store a copy as the messenger does after a post."""
    claim = await store.copies.claim(copy, "messenger", NOW, SOON)
    if claim is None:
        raise RefusedError("copy_pending")
    ref = MessageRef(copy.shared_to or 2, 8)
    posted = await store.messages.posted(claim, part_of(claim, ref))
    assert posted is not None
    await store.messages.finish(posted, NOW, shown=True)
    return message_url(GUILD, *ref)


def sharing(store: Store, message_state: FetchState = exists) -> SharingService:
    return SharingService(
        store=store,
        age_marks=AgeMarks(store.runs, lambda _: ()),
        operator=OperatorRules(),
        send_copy=partial(send_copy, store),
        check_words=check_words,
        message_state=message_state,
        clock=lambda: NOW,
    )


def member(
    id: int = ALICE, gallery: ChannelState = OPEN, *, guild: int | None = GUILD, adult: bool = False
) -> Requester:
    """Return a member in the channel of `stored_run`, from where the gallery is in this state."""
    return Requester(
        person=replace(PERSON, id=id),
        origin=Origin(
            guild_id=guild,
            channel_id=2,
            application_id=3,
            interaction_token="t",
            interaction_expires_at=NOW,
            upload_limit=10 << 20,
            age_restricted=adult,
        ),
        channel_ids=frozenset({2}),
        channel_state=lambda channel: gallery if channel == GALLERY else GONE,
    )


def batch(**more: Any) -> dict[str, Any]:
    return {"count": 2, **more}


ADMIN = replace(member(BOB), person=replace(PERSON, id=BOB, manages_server=True))
AWAY = member(guild=None)
NOT_YOURS, ELSEWHERE = ("copy_not_yours",) * 2, ("copy_elsewhere",) * 2
# Who presses, what the run is like, and why Post and Share refuse (None: they don't).
CASES: dict[str, tuple[Requester, dict[str, Any], tuple[str | None, str | None]]] = {
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
    requester, changes, (post, share) = CASES[name]
    key = await stored_run(store, **changes)
    for code, act in (
        (share, sharing(store).check(key, requester)),
        (share, shared_by(store, key, requester)),
        (post, posted_by(store, key, requester)),
    ):
        if code is None:
            await act
        else:
            with pytest.raises(RefusedError) as caught:
                await act
            assert caught.value.code == code
    made = {kind for kind, code in {"post": post, "share": share}.items() if code is None}
    assert set(await kinds(store, key)) - {"outcome"} == made


async def shared_by(store: Store, key: str, requester: Requester, answer: FetchState = exists) -> str:
    service = sharing(store, answer)
    return await service.make(await service.share(key, requester, with_prompt=False))


async def posted_by(store: Store, key: str, requester: Requester) -> str:
    return await sharing(store).make(await sharing(store).post(key, requester))


async def shared(store: Store) -> str:
    """Return the key of a result that was shared in the gallery."""
    key = await stored_run(store)
    await shared_by(store, key, member())
    return key


@pytest.mark.parametrize(
    ("answer", "code"), [(exists, "share_there"), (deleted, "share_deleted"), (unanswered, "share_there")]
)
async def test_a_copy_that_was_deleted_in_discord_is_not_linked_to(
    store: Store, answer: FetchState, code: str
) -> None:
    key = await shared(store)
    with pytest.raises(RefusedError) as caught:
        await sharing(store, answer).share(key, member(), with_prompt=False)
    assert caught.value.code == code


async def test_a_copy_whose_channel_was_deleted_is_no_reason_to_refuse_the_next(store: Store) -> None:
    key = await shared(store)
    await sharing(store, channel_deleted).check(key, member())
    assert await shared_by(store, key, member(), channel_deleted)


async def test_a_moderators_deletion_outlives_the_channel(store: Store) -> None:
    key = await shared(store)
    await store.copies.delete(key, MessageRef(GALLERY, 8), MOD, NOW)
    with pytest.raises(RefusedError, match="share_deleted"):
        await sharing(store, channel_deleted).share(key, member(), with_prompt=False)


async def test_share_is_offered_to_the_requester_where_the_gallery_is_open(store: Store) -> None:
    run = await store.runs.get(await stored_run(store))
    assert run is not None
    assert await sharing(store).is_offered(run, member())
    for other in (member(BOB), member(gallery=GONE), member(gallery=CLOSED), member(guild=GUILD + 1), AWAY):
        assert not await sharing(store).is_offered(run, other)
    assert not await sharing(store).is_offered(replace(run, deleted_at=NOW), member())
    await stored_rules(store, GUILD, {})
    assert not await sharing(store).is_offered(run, member())
    with pytest.raises(RefusedError, match="share_no_gallery"):
        await sharing(store).check(run.key, member())


async def test_post_is_offered_to_the_requester_on_the_server_of_the_result(store: Store) -> None:
    run = await store.runs.get(await stored_run(store, **batch()))
    assert run is not None
    assert sharing(store).is_postable(run, member())
    for other in (member(BOB), member(guild=GUILD + 1), AWAY):
        assert not sharing(store).is_postable(run, other)
    for changes in ({"deleted_at": NOW}, {"private": True}, {"user_install": True}):
        assert not sharing(store).is_postable(replace(run, **changes), member())


async def test_a_blocked_member_and_a_paused_bot_copy_nothing(store: Store) -> None:
    key = await stored_run(store, **batch())
    await block(store, ALICE, at=NOW, reason="spam")
    for act in (sharing(store).post(key, member()), sharing(store).check(key, member())):
        with pytest.raises(RefusedError, match="blocked"):
            await act
    await unblock(store, ALICE, at=NOW)
    await store.pause.pause("moving", by=1, now=NOW)
    with pytest.raises(RefusedError, match="paused"):
        await sharing(store).share(key, member(), with_prompt=False)
    assert await kinds(store, key) == ["outcome"]


async def test_a_prompt_is_checked_for_the_gallery(store: Store) -> None:
    key, service = await stored_run(store), sharing(store)
    with pytest.raises(RefusedError) as caught:
        await service.share(key, member(), with_prompt=True)
    assert caught.value.code == "share_words"
    assert (await service.share(key, member(), with_prompt=False)).shared_to == GALLERY


async def test_an_earlier_copy_is_linked_instead_of_posted_again(store: Store) -> None:
    key = await stored_run(store, **batch())
    await posted_by(store, key, member())
    with pytest.raises(AlreadyPosted) as caught:
        await sharing(store).post(key, member())
    assert caught.value.message_id == 8
