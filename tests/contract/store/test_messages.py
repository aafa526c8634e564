"""What the shared requests of `test_operations.py` can't show about messages."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.messages.records import PER_CHANNEL, Attempt, Kind, Message, MessageRef
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.runs import (
    LEASE,
    NOW,
    SOON,
    SUCCESS,
    accept,
    asked,
    brought_to,
    claimed,
    owed,
    part_of,
    release,
    request,
    started,
    take_message,
)

HERE = request().channel_id


async def test_full_channels_and_busy_requests_are_left_out(store: Store) -> None:
    key = (await brought_to(store, RunState.SUCCEEDED)).key

    def busy(request_key: str, channel_id: int) -> list[Message]:
        one = Message(request_key=request_key, kind=Kind.OUTCOME, channel_id=channel_id)
        return [one] * PER_CHANNEL

    assert await take_message(store, busy=busy("another", HERE)) is None
    assert await take_message(store, busy=busy(key, HERE + 1)) is None
    assert await take_message(store, busy=busy("another", HERE + 1)) is not None


async def test_a_late_success_after_an_attempt_to_post_has_its_own_message(store: Store) -> None:
    batch = asked(2)
    await accept(store, *batch)
    await store.messages.answered(batch[0].key, 77, NOW)
    for run in batch:
        assert (await started(store)).key == run.key
    await store.runs.finish(batch[0].key, RunState.TIMED_OUT, NOW, code="deadline")
    await store.runs.record_report(batch[1].key, SUCCESS, NOW, SOON)
    claim = await claimed(store)
    attempt = Attempt(NOW, part_of(claim, MessageRef(HERE, 0)))
    claim = claim.changed(attempt=attempt)
    assert await store.messages.begin(claim, SOON)
    await store.runs.record_report(batch[0].key, SUCCESS._replace(run_id="another"), NOW, SOON)
    assert sorted(row["kind"] for row in await owed(store, batch[0].key)) == ["late", "outcome"]
    # The outcome is still pending, and doesn't show the late success.
    await release(store, claim, NOW - LEASE, shown=False)
    again = await claimed(store)
    assert (again.message.kind, again.late) == (Kind.OUTCOME, frozenset({batch[0].key}))
    await release(store, again, NOW, shown=True)
    own = await claimed(store)
    assert (own.message.kind, own.key, own.results) == (Kind.LATE, batch[0].key, [own.run])


async def test_a_post_without_the_lease_is_deleted_together_with_what_was_stale_before(store: Store) -> None:
    key = (await brought_to(store, RunState.SUCCEEDED)).key
    claim = await claimed(store)
    earlier, posted = MessageRef(HERE, 50), MessageRef(HERE, 51)
    claim = claim.changed(stale=(earlier,))
    assert await store.messages.begin(claim, SOON)
    late = replace(claim.with_part(part_of(claim, posted)), lease="lost")
    await release(store, late, SOON, shown=True)
    assert (await store.messages.of_request(key))[Kind.OUTCOME, 0].stale == (earlier, posted)
