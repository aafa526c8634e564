"""Deliveries: one courier claims each, and marks it before and after the post."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from bot.app import build
from bot.database.rows import create_delivery
from bot.database.tables import requests, runs
from bot.domain.results.deliveries import DeliveryState, MessageRef, Purpose
from bot.domain.runs import RunState
from bot.outside import Outside
from bot.store import Store
from tests.contract.store.runs import (
    LEASE,
    NOW,
    SOON,
    SUCCESS,
    at,
    brought_to,
    claimed,
    fetch,
    owed,
    posted,
    report,
    request,
    submitted,
)
from tests.harness import open_app


async def test_each_message_is_claimed_by_exactly_one_courier(store: Store, other: Store) -> None:
    keys = [(await brought_to(store, RunState.SUCCEEDED)).key for _ in range(10)]
    claims = await asyncio.gather(
        *((store, other)[n % 2].deliveries.claim(f"courier {n}", NOW, LEASE) for n in range(15))
    )
    found = [delivery.run.key for delivery in claims if delivery is not None]
    assert len(found) == len(set(found))
    while (left := await store.deliveries.claim("last", NOW, LEASE)) is not None:
        found.append(left.run.key)
    assert sorted(found) == sorted(keys)


async def test_a_delivery_is_claimed_with_its_current_run_until_it_is_complete(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store)
    assert delivery.run == await fetch(store, run.key)
    assert (delivery.purpose, delivery.tries, delivery.route) == (Purpose.OUTCOME, 1, 0)
    assert (delivery.attempted, delivery.attempted_at, delivery.messages) == (False, None, ())
    assert await store.deliveries.pending() == 1
    await store.deliveries.complete(delivery, NOW)
    assert await store.deliveries.pending() == 0
    assert await store.deliveries.claim("courier", at(10_000), LEASE) is None
    assert not await store.deliveries.mark_attempt(delivery, "courier", NOW, LEASE, 1)


async def test_the_oldest_delivery_is_claimed_first(store: Store) -> None:
    second = await brought_to(store, RunState.RUNNING)
    first = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(second.key, SUCCESS, at(2), SOON)
    await store.runs.record_report(first.key, SUCCESS, at(1), SOON)
    assert [(await claimed(store, now=at(3))).run.key for _ in range(2)] == [first.key, second.key]


async def test_a_delivery_to_a_full_channel_is_skipped(store: Store) -> None:
    first = await brought_to(store, RunState.SUCCEEDED)
    second = (await submitted(store, origin=request().origin.model_copy(update={"channel_id": 5}))).key
    await store.runs.record_report(second, SUCCESS, at(1), SOON)
    found = await store.deliveries.claim("courier", at(1), LEASE, full={first.channel_id, 6})
    assert found is not None
    assert found.run.key == second
    assert await store.deliveries.claim("courier", at(1), LEASE, full={first.channel_id, 6}) is None
    assert (await claimed(store, now=at(1))).run.key == first.key


async def test_a_delivery_in_progress_is_skipped_when_its_lease_has_expired(store: Store) -> None:
    await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store)
    assert await store.deliveries.claim("courier", at(10_000), LEASE, own={delivery.id}) is None
    again = await store.deliveries.claim("courier", at(10_000), LEASE, own={delivery.id + 1})
    assert again is not None
    assert again.tries == 2


@pytest.mark.sqlite_only
@pytest.mark.parametrize("purpose", Purpose)
async def test_the_store_skips_a_delivery_by_its_destination(store: Store, purpose: Purpose) -> None:
    run = await brought_to(store, RunState.RUNNING)

    def work(connection: Connection) -> Any:
        connection.execute(update(requests).values(review_channel_id=5))
        connection.execute(update(runs).values(report_channel_id=6))
        create_delivery(connection, run.key, purpose, NOW, NOW, shared_to=7)

    await store.database.write(work)
    delivery = await claimed(store)
    await store.deliveries.postpone(delivery, "courier", NOW)
    others = {4, 5, 6, 7, run.channel_id, run.requester_id} - {delivery.destination}
    assert await store.deliveries.claim("courier", NOW, LEASE, full={delivery.destination}) is None
    assert await store.deliveries.claim("courier", NOW, LEASE, full=others) is not None


async def test_an_expired_lease_goes_to_another_courier(store: Store) -> None:
    await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store, "one")
    await store.deliveries.extend(delivery.id, "one", at(90))
    assert await store.deliveries.claim("two", at(61), LEASE) is None
    again = await claimed(store, "two", at(91))
    assert (again.id, again.tries) == (delivery.id, 2)
    await store.deliveries.extend(delivery.id, "one", at(200))
    assert (await claimed(store, "three", at(152))).tries == 3


@pytest.mark.parametrize("again", ["two", "one"], ids=["another courier", "the same courier"])
async def test_a_courier_that_lost_its_lease_may_not_post(store: Store, again: str) -> None:
    await brought_to(store, RunState.SUCCEEDED)
    late = await claimed(store, "one")
    current = await claimed(store, again, at(61))
    assert not await store.deliveries.mark_attempt(late, "one", at(62), LEASE, 1)
    assert await store.deliveries.mark_attempt(current, again, at(62), LEASE, 1)


async def test_a_verdict_that_a_success_replaced_is_not_posted(store: Store) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    verdict = await claimed(store)
    await store.runs.record_report(run.key, SUCCESS, at(1), SOON)
    assert not await store.deliveries.mark_attempt(verdict, "courier", at(2), LEASE, 1)
    await store.deliveries.postpone(verdict, "courier", at(2))
    success = await claimed(store, now=at(2))
    assert success.run.state is RunState.SUCCEEDED
    assert await store.deliveries.mark_attempt(success, "courier", at(2), LEASE, 1)
    assert len(await owed(store, run.key)) == 1


async def test_a_success_during_the_attempt_is_shown_exactly_once(store: Store, other: Store) -> None:
    for _ in range(8):
        run = await brought_to(store, RunState.TIMED_OUT)
        verdict = await claimed(store)
        may_send, _ = await asyncio.gather(
            store.deliveries.mark_attempt(verdict, "courier", NOW, LEASE, 1),
            other.runs.record_report(run.key, SUCCESS, NOW, SOON),
        )
        rows = {row["purpose"]: row["state"] for row in await owed(store, run.key)}
        if may_send:
            assert rows == {"o": DeliveryState.SENT, "l": DeliveryState.PENDING}
        else:
            assert rows == {"o": DeliveryState.PENDING}
            await store.deliveries.postpone(verdict, "courier", NOW)
        last = await claimed(store)
        assert last.run.state is RunState.SUCCEEDED
        await store.deliveries.complete(last, NOW)
        assert await store.deliveries.claim("courier", NOW, LEASE) is None


@pytest.mark.parametrize("completed", [True, False], ids=["completed", "sent, not yet completed"])
async def test_a_success_after_the_verdict_is_a_second_message(store: Store, completed: bool) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    verdict = await claimed(store)
    await store.deliveries.mark_attempt(verdict, "courier", NOW, LEASE, 1)
    await store.deliveries.mark_sent(verdict, [(7, 8)])
    if completed:
        await store.deliveries.complete(verdict, NOW)
    await store.runs.record_report(run.key, SUCCESS, at(5), SOON)
    if not completed:
        await store.deliveries.complete(verdict, at(5))
    late = await claimed(store, now=at(5))
    assert (late.purpose, late.run.state, late.messages) == (Purpose.LATE, RunState.SUCCEEDED, ())
    assert (await store.deliveries.sent(run.key, Purpose.OUTCOME)).messages == ((7, 8),)
    assert (await store.deliveries.sent(run.key, Purpose.LATE)).messages == ()


async def test_a_success_during_the_post_of_a_late_part_stays_pending(store: Store) -> None:
    """The part that was posted is deleted once the success is posted."""
    run = await brought_to(store, RunState.TIMED_OUT)
    await posted(store, MessageRef(7, 8))
    part = report(RunState.CANCELLED, outputs=SUCCESS.outputs)
    await store.runs.record_report(run.key, part, at(1), SOON, asked=True)
    late = await claimed(store, now=at(1))
    await store.deliveries.mark_attempt(late, "courier", at(1), LEASE, 1)
    assert await store.deliveries.mark_sent(late, [MessageRef(7, 9)])
    await store.deliveries.mark_attempt(late, "courier", at(1), LEASE, 1)
    await store.runs.record_report(run.key, SUCCESS, at(2), SOON)
    assert not await store.deliveries.mark_sent(late, [MessageRef(7, 9), MessageRef(7, 10)], at(2))
    assert await store.deliveries.clear_attempt(late) is None
    assert await store.deliveries.withdraw(late) is None
    assert not await store.deliveries.complete(late, at(2))
    await store.deliveries.mark_undelivered(late, "courier", at(2), "closed")
    success = await claimed(store, "other", at(2))
    assert (success.run.state, success.messages, success.all_sent) == (RunState.SUCCEEDED, (), False)
    assert success.earlier == ((7, 9), (7, 10))
    assert await store.deliveries.mark_sent(success, [MessageRef(7, 11)], at(3))
    assert await store.deliveries.complete(success, at(3))


async def test_a_death_in_the_middle_of_the_verdict_does_not_show_the_success_twice(store: Store) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    verdict = await claimed(store)
    await store.deliveries.mark_attempt(verdict, "courier", NOW, LEASE, 1)
    await store.runs.record_report(run.key, SUCCESS, at(5), SOON)
    found = [await store.deliveries.claim("restarted", at(200), LEASE) for _ in range(2)]
    assert [delivery.purpose for delivery in found if delivery] == [Purpose.LATE]
    await store.deliveries.postpone(verdict, "courier", at(201))
    assert await store.deliveries.claim("restarted", at(202), LEASE) is None


async def test_sent_messages_are_kept_and_an_attempt_can_be_cleared(store: Store) -> None:
    await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store)
    await store.deliveries.mark_attempt(delivery, "courier", at(1), LEASE, 2)
    await store.deliveries.mark_sent(delivery, [(1 << 62, (1 << 62) + 1)])
    await store.deliveries.mark_attempt(delivery, "courier", at(2), LEASE, 3)
    dead = await claimed(store, "restarted", at(63))
    assert (dead.attempted, dead.attempted_at, dead.route) == (True, at(2), 3)
    assert dead.messages == ((1 << 62, (1 << 62) + 1),)
    assert await store.deliveries.clear_attempt(delivery) is None
    assert (await owed(store, delivery.run.key))[0]["attempted"]
    assert await store.deliveries.clear_attempt(dead) == dead.messages
    assert not (await owed(store, delivery.run.key))[0]["attempted"]


async def test_only_the_holder_of_the_lease_postpones_or_gives_up(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store, "one")
    await store.deliveries.postpone(delivery, "two", at(500))
    await store.deliveries.mark_undelivered(delivery, "two", at(1), "no")
    assert (await owed(store, run.key))[0]["lease_owner"] == "one"
    await store.deliveries.postpone(delivery, "one", at(30), error="é" * 600)
    assert await store.deliveries.claim("two", at(29), LEASE) is None
    again = await claimed(store, "two", at(30))
    await store.deliveries.mark_undelivered(again, "two", at(31), "every way was closed")
    row = (await owed(store, run.key))[0]
    assert (row["state"], row["done_at"]) == (DeliveryState.UNDELIVERED, at(31))
    assert await store.deliveries.pending() == 0


async def test_an_uncounted_attempt_is_taken_back(store: Store) -> None:
    await brought_to(store, RunState.SUCCEEDED)
    for second in range(30):
        delivery = await claimed(store, now=at(second))
        assert delivery.tries == 1
        await store.deliveries.postpone(delivery, "courier", at(second + 1), counted=False)
    counted = await claimed(store, now=at(30))
    await store.deliveries.postpone(counted, "courier", at(31))
    assert (await claimed(store, now=at(31))).tries == 2


async def test_a_lost_claim_does_not_change_a_later_one_of_the_same_courier(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    late = await claimed(store)
    second = await claimed(store, now=at(61))
    await store.deliveries.postpone(late, "courier", at(61), counted=False)
    assert await store.deliveries.claim("other", at(62), LEASE) is None
    await store.deliveries.postpone(second, "courier", at(62), counted=False)
    third = await claimed(store, now=at(62))
    assert third.tries > late.tries
    await store.deliveries.mark_undelivered(late, "courier", at(63), "late")
    assert not await store.deliveries.mark_attempt(late, "courier", at(63), LEASE, 1)
    assert (await owed(store, run.key))[0]["state"] == DeliveryState.PENDING


async def test_all_sent_holds_until_the_result_is_redelivered(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store)
    await store.deliveries.mark_sent(delivery, [(1, 2)])
    second = await claimed(store, now=at(61))
    assert not second.all_sent
    await store.deliveries.mark_sent(second, [(1, 2), (1, 3)], at(62))
    last = await claimed(store, now=at(122))
    assert last.all_sent
    await store.deliveries.mark_undelivered(last, "courier", at(123), "closed")
    assert await store.deliveries.redeliver(run.key, request().origin, at(124))
    assert not (await claimed(store, now=at(124))).all_sent


async def test_redelivery_replaces_the_status_message(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store)
    await store.deliveries.mark_sent(delivery, [(run.channel_id, 78)])
    await store.deliveries.mark_undelivered(delivery, "courier", at(1), "closed")
    assert await store.deliveries.redeliver(run.key, request().origin, at(2))
    earlier = (await store.deliveries.sent(run.key, Purpose.OUTCOME)).earlier
    assert earlier == ((run.channel_id, 78), (run.channel_id, 77))


async def test_a_success_after_an_undelivered_verdict_is_a_new_delivery(store: Store) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    await store.deliveries.mark_undelivered(await claimed(store), "courier", NOW, "closed")
    await store.runs.record_report(run.key, SUCCESS, at(1), SOON)
    assert (await claimed(store, now=at(1))).purpose is Purpose.LATE


async def test_released_leases_can_be_claimed_at_once(store: Store) -> None:
    await brought_to(store, RunState.SUCCEEDED)
    await claimed(store, "dead")
    assert await store.deliveries.claim("alive", at(1), LEASE) is None
    await store.deliveries.release_leases()
    assert await store.deliveries.claim("alive", at(1), LEASE) is not None


async def test_on_sqlite_a_start_releases_leases_unless_another_process_is_alive(tmp_path: Path) -> None:
    async with open_app(tmp_path) as runner:
        store = runner.app.store
        await brought_to(store, RunState.SUCCEEDED)
        delivery = await claimed(store, "alive")
        async with build(runner.settings, Outside()):
            await store.deliveries.extend(delivery.id, "alive", at(600))
            assert await store.deliveries.claim("next", at(100), LEASE) is None
        await runner.close()
        async with build(runner.settings, Outside()) as app:
            assert await app.store.deliveries.claim("next", at(1), LEASE) is not None


async def test_dropping_the_token_removes_it_from_the_row(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    await store.runs.drop_interaction_token(run.key)
    after = await fetch(store, run.key)
    assert (after.status_message_id, after.interaction_token, after.interaction_expires_at) == (None,) * 3


async def test_further_ends_after_a_verdict_create_no_delivery(store: Store) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    for state in (RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED):
        await store.runs.record_report(run.key, report(state), at(1), SOON)
        await store.runs.finish(run.key, state, at(1), code="x")
    assert len(await owed(store, run.key)) == 1
    assert (await fetch(store, run.key)).state is RunState.TIMED_OUT
