"""Copies of results: at most one of each kind, and only of existing results."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from bot.database.tables import deliveries
from bot.domain.errors import RefusedError
from bot.domain.runs import CopyRequest, DeliveryState, MessageRef, Purpose, RunState
from bot.store import Store
from tests.contract.store.rows import ALICE, audit_log, stored_run
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
    await store.deliveries.mark_sent(delivery.id, [MessageRef(7, 8)], NOW)
    for _ in range(2):
        await store.copies.finish(delivery, "courier", at(1))
    (entry,) = await audit_log(store)
    assert (entry.action, entry.actor_id, entry.subject_id, entry.run_key) == (action, ALICE, ALICE, key)
    assert (entry.at, entry.outcome) == (at(1), None)
    assert entry.details["channel"] == str(delivery.destination)
    assert entry.details.get("with_prompt") is (False if shared_to else None)


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
    await store.deliveries.mark_sent(delivery.id, [MessageRef(7, 8)], NOW)
    await store.copies.finish(delivery, "courier", NOW, "share_closed")
    await store.copies.request(copy, at(5))
    again = await claimed(store, now=at(5))
    assert (again.id, again.tries, again.route, again.all_sent) == (delivery.id, 1, 0, False)
    assert (again.attempted, again.messages) == (False, ())
    assert (await store.deliveries.sent(key, copy.purpose)).earlier == (MessageRef(7, 8),)
    await store.deliveries.mark_sent(again.id, [MessageRef(7, 9)], at(6))
    await store.copies.finish(again, "courier", at(6))
    error = await refused(store, copy)
    assert error.code == "copy_there"
    assert str(error.params["url"]).endswith("/7/9")
    assert [entry.outcome for entry in await audit_log(store)] == ["share_closed", None]


async def test_the_messages_of_a_withdrawn_copy_are_kept_for_the_removal(store: Store) -> None:
    key = await stored_run(store)
    await store.copies.request(wish(key), NOW)
    delivery = await claimed(store)
    assert await store.deliveries.mark_attempt(delivery, "courier", NOW, at(60) - NOW, 1)
    await store.deliveries.mark_sent(delivery.id, [MessageRef(7, 8)])
    assert await store.deliveries.mark_attempt(delivery, "courier", NOW, at(60) - NOW, 1)
    for _ in range(2):
        await store.copies.withdraw(delivery.id)
    sent = await store.deliveries.sent(key, Purpose.SHARE)
    assert (sent.messages, sent.attempted_at, sent.earlier) == ((), None, (MessageRef(7, 8),))


async def test_a_result_can_have_both_kinds_of_copies(store: Store) -> None:
    key = await stored_run(store)
    for shared_to in (GALLERY, None):
        await store.copies.request(wish(key, shared_to=shared_to), NOW)
    assert [row["purpose"] for row in await owed(store, key)] == ["o", "g", "s"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"deleted_at": NOW}, "already_deleted"),
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
    [(DeliveryState.PENDING, "copy_pending"), (DeliveryState.SENT, "copy_there")],
)
async def test_a_late_success_has_its_own_message(store: Store, state: DeliveryState, code: str) -> None:
    key = await stored_run(store)
    row = {"run_key": key, "purpose": Purpose.LATE, "state": state, "due_at": NOW, "created_at": NOW}
    async with store.database.write() as connection:
        await connection.execute(insert(deliveries).values(messages=[[7, 8]], **row))
    assert (await refused(store, wish(key, shared_to=None))).code == code
    await store.copies.request(wish(key), NOW)


async def test_concurrent_presses_in_two_processes_make_one_copy(store: Store, other: Store) -> None:
    key = await stored_run(store)
    found = await at_once(*(each.copies.request(wish(key), NOW) for each in [store, other] * 3))
    assert found.count(None) == 1
    assert [error.code for error in refusals(found)] == ["copy_pending"] * 5
    assert len(await owed(store, key)) == 2
