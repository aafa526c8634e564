"""Messages: one lease for each request, and no result of a step is lost or stored for another revision."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.messages.decide import FAILURE
from bot.domain.messages.records import PER_CHANNEL, Attempt, Kind, Message, MessageRef
from bot.domain.moderation import Report
from bot.domain.results import CopyRequest
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.runs import (
    LEASE,
    NOW,
    PERSON,
    SOON,
    SUCCESS,
    answer_of,
    at,
    begin,
    brought_to,
    claim_if_any,
    claimed,
    columns,
    fetch,
    owed,
    part_of,
    posted,
    release,
    request,
    take_message,
)

HERE = request().channel_id
FIRST, SECOND = MessageRef(HERE, 901), MessageRef(HERE, 902)


async def end(store: Store) -> str:
    return (await brought_to(store, RunState.SUCCEEDED)).key


async def row(store: Store, key: str) -> dict[str, Any]:
    (found,) = await owed(store, key)
    return found


async def test_a_lease_ends_and_the_work_is_taken_over(store: Store) -> None:
    key = await end(store)
    lost = await claimed(store, owner="first")
    assert await claim_if_any(store, at(59)) is None
    again = await claimed(store, now=at(61), owner="second")
    assert (again.key, again.message.failures) == (key, 2 * FAILURE)
    assert not await begin(store, lost, at(62))
    await release(store, lost, at(62), shown=True)
    assert await begin(store, again, at(62))


async def test_a_lease_is_of_the_whole_request(store: Store) -> None:
    """Two messages of a request depend on each other, so nobody works on both at once."""
    key = await end(store)
    await store.reviews.report(key, Report(5, "Something else"), 90, NOW)
    claim = await claimed(store)
    assert await claim_if_any(store) is None
    assert await store.copies.claim(CopyRequest(key=key), "x", NOW, SOON) is None
    await release(store, claim, NOW, shown=True)
    assert {claim.message.kind, (await claimed(store)).message.kind} == {Kind.OUTCOME, Kind.REPORT}


async def test_full_channels_and_busy_requests_are_left_out(store: Store) -> None:
    key = await end(store)

    def busy(request_key: str, channel_id: int) -> list[Message]:
        one = Message(request_key=request_key, kind=Kind.OUTCOME, channel_id=channel_id)
        return [one] * PER_CHANNEL

    assert await take_message(store, busy=busy("another", HERE)) is None
    assert await take_message(store, busy=busy(key, HERE + 1)) is None
    assert await take_message(store, busy=busy("another", HERE + 1)) is not None


async def test_a_change_during_a_step_is_shown_later(store: Store) -> None:
    key = await end(store)
    claim = await claimed(store)
    assert await begin(store, claim)
    await store.reviews.delete(key, PERSON.id, at(1))
    with_part = claim.with_part(part_of(claim, FIRST)).changed(offered=True)
    await release(store, with_part, at(2), shown=True)
    found = await row(store, key)
    assert (found["wanted_rev"], found["shown_rev"], found["offered"]) == (2, 0, False)
    again = await claimed(store, now=at(2))
    assert (again.message.refs, again.shown) == ([FIRST], [])


async def test_nothing_is_sent_for_an_old_revision(store: Store) -> None:
    key = await end(store)
    claim = await claimed(store)
    await store.reviews.delete(key, PERSON.id, at(1))
    assert not await begin(store, claim)
    assert (await row(store, key))["attempt"] is None


async def test_a_post_after_the_lease_was_lost_is_deleted(store: Store) -> None:
    """Discord's reply came late, and another messenger has posted the message meanwhile."""
    key = await end(store)
    lost = await claimed(store, owner="first")
    assert await begin(store, lost)
    await posted(store, SECOND, now=at(61))
    assert not await store.messages.extend(lost, at(122))
    await release(store, lost.with_part(part_of(lost, FIRST)), at(62), shown=True)
    again = await claimed(store, now=at(62))
    assert (again.key, again.message.refs, again.message.stale) == (key, [SECOND], (FIRST,))


async def test_a_post_that_the_next_messenger_has_found_stays(store: Store) -> None:
    key = await end(store)
    lost = await claimed(store, owner="first")
    assert await begin(store, lost)
    await posted(store, FIRST, now=at(61))
    await release(store, lost.with_part(part_of(lost, FIRST)), at(62), shown=True)
    found = await row(store, key)
    assert (len(found["posted"]), found["stale"]) == (1, ())
    assert await claim_if_any(store, at(62)) is None


async def test_the_next_attempt_stores_the_parts_before_it(store: Store) -> None:
    key = await end(store)
    claim = await claimed(store)
    assert await begin(store, claim)
    claim = claim.with_part(part_of(claim, FIRST, of=2))
    assert await begin(store, claim)
    found = await row(store, key)
    assert [part.message_id for part in found["posted"]] == [FIRST.message_id]
    assert found["attempt"] is not None


async def test_a_press_adopts_the_message_of_an_attempt(store: Store) -> None:
    key = await end(store)
    claim = await claimed(store)
    part = part_of(claim, FIRST)
    await store.messages.adopt(key, Kind.OUTCOME, 0, part)
    assert (await row(store, key))["posted"] == ()
    await begin(store, claim)
    for _ in range(2):
        await store.messages.adopt(key, Kind.OUTCOME, 0, part)
    found = await row(store, key)
    assert (len(found["posted"]), found["attempt"]) == (1, None)
    # The messenger that has posted it stores it once more.
    await release(store, claim.with_part(part), NOW, shown=True)
    assert [each.ref for each in (await row(store, key))["posted"]] == [FIRST]


async def test_a_failed_attempt_keeps_what_a_press_has_adopted(store: Store) -> None:
    key = await end(store)
    claim = await claimed(store)
    part = part_of(claim, FIRST)
    await begin(store, claim)
    await store.messages.adopt(key, Kind.OUTCOME, 0, part)
    await release(store, claim.changed(attempt=Attempt(NOW, part)), at(600), shown=False)
    found = await row(store, key)
    assert ([each.ref for each in found["posted"]], found["attempt"]) == ([FIRST], None)


async def test_a_failure_is_put_off_and_due_at_once_after_an_outage(store: Store) -> None:
    key = await end(store)
    claim = await claimed(store)
    await release(store, claim, at(600), shown=False)
    assert await claim_if_any(store, at(599)) is None
    await store.messages.make_due(at(10))
    assert (await claimed(store, now=at(10))).key == key


async def test_a_start_releases_all_leases(store: Store) -> None:
    await end(store)
    await claimed(store)
    assert await claim_if_any(store) is None
    await store.messages.release_leases()
    assert await claim_if_any(store) is not None


async def test_a_shown_outcome_ends_the_answer(store: Store) -> None:
    key = await end(store)
    await posted(store, FIRST, ends_answer=True)
    row = await columns(store, key)
    assert (row["status_message_id"], row["interaction_token"]) == (None, None)
    assert (await answer_of(store, key))["farewell_at"] is None


async def test_a_lease_that_is_extended_is_not_lost(store: Store) -> None:
    await end(store)
    claim = await claimed(store)
    assert await store.messages.extend(claim, at(50) + LEASE)
    assert await claim_if_any(store, at(61)) is None


@pytest.mark.sqlite_only
async def test_a_late_success_is_shown_in_place_of_a_verdict(store: Store) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    await posted(store, FIRST)
    await store.runs.record_report(run.key, SUCCESS, at(1), SOON)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED
    again = await claimed(store, now=at(1))
    assert (again.message.kind, again.message.refs) == (Kind.OUTCOME, [FIRST])
