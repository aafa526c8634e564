"""Copies of results: at most one of each kind, and only of existing results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from bot.database.tables import deliveries
from bot.domain.errors import RefusedError
from bot.domain.results.deliveries import DeliveryState, MessageRef, Purpose, SentMessages
from bot.domain.results.sharing import CopyRequest
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.rows import ALICE, MOD, audit_log, stored_run
from tests.contract.store.runs import NOW, at, at_once, claimed, owed, refusals

GALLERY = 1 << 60


def wish(key: str, **changes: Any) -> CopyRequest:
    return CopyRequest(**{"key": key, "user_id": ALICE, "shared_to": GALLERY, **changes})


async def refused(store: Store, copy: CopyRequest) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await store.copies.request(copy, at(5))
    return caught.value


async def test_a_share_is_claimed_as_a_delivery_to_its_channel(store: Store) -> None:
    key = await stored_run(store)
    await store.copies.request(wish(key, with_prompt=True), NOW)
    assert await store.deliveries.claim("courier", NOW, at(60) - NOW, full={GALLERY}) is None
    delivery = await claimed(store)
    assert (delivery.purpose, delivery.destination, delivery.with_prompt) == (Purpose.SHARE, GALLERY, True)
    assert delivery.batch == (delivery.run,)


@pytest.mark.parametrize(("shared_to", "action"), [(GALLERY, "share"), (None, "post")])
async def test_the_audit_log_says_once_how_a_copy_ended(
    store: Store, shared_to: int | None, action: str
) -> None:
    key = await stored_run(store)
    await store.copies.request(wish(key, shared_to=shared_to), NOW)
    delivery = await claimed(store)
    assert await audit_log(store) == []
    await store.copies.finish(delivery, "another", at(1))
    await store.deliveries.mark_sent(delivery, [MessageRef(7, 8)], NOW)
    for _ in range(2):
        await store.copies.finish(delivery, "courier", at(1))
    (entry,) = await audit_log(store)
    assert (entry.action, entry.actor_id, entry.subject_id, entry.run_key) == (action, ALICE, ALICE, key)
    assert (entry.at, entry.outcome) == (at(1), None)
    assert entry.details == {"channel": f"<#{delivery.destination}>"}


async def test_a_copy_of_a_result_that_was_deleted_first_has_no_entry(store: Store) -> None:
    key = await stored_run(store)
    await store.copies.request(wish(key), NOW)
    await store.copies.finish(await claimed(store), "courier", at(1))
    assert await audit_log(store) == []
    assert [row["state"] for row in await owed(store, key)][1:] == [DeliveryState.SENT]


@pytest.mark.parametrize("shared_to", [GALLERY, None])
async def test_a_copy_is_made_once_and_again_only_if_it_failed(store: Store, shared_to: int | None) -> None:
    key = await stored_run(store)
    copy = wish(key, shared_to=shared_to)
    await store.copies.request(copy, NOW)
    assert (await refused(store, copy)).code == "copy_pending"
    delivery = await claimed(store)
    assert await store.deliveries.mark_attempt(delivery, "courier", NOW, at(60) - NOW, 3)
    await store.deliveries.mark_sent(delivery, [MessageRef(7, 8)], NOW)
    await store.copies.finish(delivery, "courier", NOW, "share_closed")
    await store.copies.request(copy, at(5))
    again = await claimed(store, now=at(5))
    assert (again.id, again.tries, again.route, again.all_sent) == (delivery.id, 1, 0, False)
    assert (again.attempted, again.messages) == (False, ())
    assert (await store.deliveries.sent(key, copy.purpose)).earlier == (MessageRef(7, 8),)
    await store.deliveries.mark_sent(again, [MessageRef(7, 9)], at(6))
    await store.copies.finish(again, "courier", at(6))
    error = await refused(store, copy)
    assert error.code == ("post_there" if shared_to is None else "share_there")
    assert str(error.params["url"]).endswith("/7/9")
    assert [entry.outcome for entry in await audit_log(store)] == ["share_closed", None]


async def test_a_result_can_have_both_kinds_of_copies(store: Store) -> None:
    key = await stored_run(store)
    for shared_to in (GALLERY, None):
        await store.copies.request(wish(key, shared_to=shared_to), NOW)
    assert [row["purpose"] for row in await owed(store, key)] == ["o", "g", "s"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"deleted_at": NOW}, "copy_result_deleted"),
        ({"state": RunState.FAILED}, "no_result"),
        ({"state": RunState.RUNNING}, "no_result"),
    ],
)
async def test_only_a_result_that_is_there_is_copied(store: Store, changes: Any, code: str) -> None:
    key = await stored_run(store, **changes)
    assert (await refused(store, wish(key))).code == code
    assert (await refused(store, wish("nowhere"))).code == "run_gone"
    assert await audit_log(store) == []


@pytest.mark.parametrize(
    ("state", "code"),
    [(DeliveryState.PENDING, "copy_pending"), (DeliveryState.SENT, "post_there")],
)
async def test_a_late_success_has_its_own_message(store: Store, state: DeliveryState, code: str) -> None:
    key = await stored_run(store)
    row = {"run_key": key, "purpose": Purpose.LATE, "state": state, "due_at": NOW, "created_at": NOW}
    await store.database.write(
        lambda connection: connection.execute(insert(deliveries).values(messages=[[7, 8]], **row))
    )
    assert (await refused(store, wish(key, shared_to=None))).code == code
    await store.copies.request(wish(key), NOW)


async def test_concurrent_presses_in_two_processes_make_one_copy(store: Store, other: Store) -> None:
    key = await stored_run(store)
    found = await at_once(*(each.copies.request(wish(key), NOW) for each in [store, other] * 3))
    assert found.count(None) == 1
    assert [error.code for error in refusals(found)] == ["copy_pending"] * 5
    assert len(await owed(store, key)) == 2


async def test_a_withdrawn_copy_keeps_its_messages_as_earlier_ones(store: Store) -> None:
    """A repetition after a crash returns the same messages; a courier without the claim changes nothing."""
    key = await stored_run(store)
    await store.copies.request(wish(key), NOW)
    delivery = await claimed(store)
    first, lost = MessageRef(7, 8), MessageRef(7, 9)
    await store.deliveries.mark_sent(delivery, [first])
    assert await store.deliveries.mark_attempt(delivery, "courier", NOW, at(60) - NOW, 1)
    assert await store.deliveries.withdraw(replace(delivery, tries=9), [lost]) is None
    for found in ([lost], []):
        assert await store.deliveries.withdraw(delivery, found) == (first, lost)
    assert await store.deliveries.sent(key, Purpose.SHARE) == SentMessages(earlier=(first, lost))


@pytest.mark.parametrize("shared_to", [GALLERY, None])
async def test_a_result_that_was_erased_meanwhile_is_not_copied(store: Store, shared_to: int | None) -> None:
    key = await stored_run(store)
    await store.privacy.erase(ALICE, NOW)
    assert (await refused(store, wish(key, shared_to=shared_to))).code == "copy_file_gone"


async def posted_copy(store: Store, key: str, message: MessageRef, shared_to: int | None = GALLERY) -> None:
    """Request a copy, and complete its delivery with one message."""
    await store.copies.request(wish(key, shared_to=shared_to), NOW)
    delivery = await claimed(store)
    await store.deliveries.mark_sent(delivery, [message], NOW)
    await store.copies.finish(delivery, "courier", NOW)


SHARED, ALONE = MessageRef(GALLERY, 8), MessageRef(2, 9)


async def test_a_copy_is_deleted_without_the_result_and_the_other_copy(store: Store) -> None:
    key = await stored_run(store)
    run = await store.runs.get(key)
    assert run is not None
    await posted_copy(store, key, SHARED)
    await posted_copy(store, key, ALONE, shared_to=None)
    assert [await store.copies.shown_in(run, message) for message in (SHARED, ALONE)] == [True, True]
    assert not await store.copies.shown_in(run, MessageRef(2, 10))
    await store.copies.delete(key, SHARED, MOD, at(1))
    assert await store.runs.get(key) == run
    assert (await store.deliveries.sent(key, Purpose.SHARE)).deleted_by == MOD
    assert (await store.deliveries.sent(key, Purpose.SINGLE)).deleted_by is None
    assert [row["purpose"] for row in await owed(store, key)] == ["o", "g", "s", "x"]
    assert (await claimed(store, now=at(1))).purpose is Purpose.REMOVAL
    entry = (await audit_log(store))[-1]
    assert (entry.action, entry.actor_id, entry.subject_id, entry.at) == ("delete_copy", MOD, ALICE, at(1))
    assert entry.details == {"channel": f"<#{GALLERY}>"}


@pytest.mark.parametrize(("by", "code"), [(ALICE, None), (MOD, "share_deleted")])
async def test_a_copy_is_requested_again_only_if_its_requester_deleted_it(
    store: Store, by: int, code: str | None
) -> None:
    key = await stored_run(store)
    await posted_copy(store, key, SHARED)
    await store.copies.delete(key, SHARED, by, at(1))
    if code is not None:
        assert (await refused(store, wish(key))).code == code
        return
    await store.copies.request(wish(key), at(2))
    sent = await store.deliveries.sent(key, Purpose.SHARE)
    assert (sent.earlier, sent.deleted_by) == ((SHARED,), None)


async def test_concurrent_deletions_of_a_copy_are_one(store: Store, other: Store) -> None:
    key = await stored_run(store)
    await posted_copy(store, key, SHARED)
    found = await at_once(*(each.copies.delete(key, SHARED, MOD, at(1)) for each in [store, other] * 2))
    assert [error.code for error in refusals(found)] == ["already_deleted"] * 3
    assert [line.action for line in await audit_log(store)] == ["share", "delete_copy"]


async def test_a_deletion_of_another_message_is_refused(store: Store) -> None:
    key = await stored_run(store)
    await posted_copy(store, key, SHARED)
    for message, run_key, code in (
        (MessageRef(GALLERY, 99), key, "already_deleted"),
        (SHARED, "nowhere", "run_gone"),
        (SHARED, await stored_run(store), "already_deleted"),
    ):
        with pytest.raises(RefusedError, match=code):
            await store.copies.delete(run_key, message, MOD, at(1))
    await store.reviews.delete(key, ALICE, at(1))
    with pytest.raises(RefusedError, match="already_deleted"):
        await store.copies.delete(key, SHARED, MOD, at(2))


async def test_a_removal_that_is_requested_again_meanwhile_is_claimed_again(store: Store) -> None:
    """A courier is removing the share when the post is deleted, too."""
    key = await stored_run(store)
    await posted_copy(store, key, SHARED)
    await posted_copy(store, key, ALONE, shared_to=None)
    await store.copies.delete(key, SHARED, MOD, at(1))
    first = await claimed(store, now=at(1))
    await store.copies.delete(key, ALONE, MOD, at(2))
    assert await store.deliveries.claim("other", at(3), at(60) - NOW) is None
    for _ in range(2):
        assert not await store.deliveries.complete(first, at(3))
        await store.deliveries.postpone(first, "courier", at(3))
    second = await claimed(store, owner="other", now=at(3))
    assert (second.id, second.purpose, second.tries) == (first.id, Purpose.REMOVAL, 1)
    assert await store.deliveries.complete(second, at(4))
    assert [row["state"] for row in await owed(store, key)][-1] == DeliveryState.SENT
