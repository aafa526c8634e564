"""Reports in any order, and what the shared requests of `test_operations.py` can't show about messages."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from bot.comfydeploy.wire import parse_webhook
from bot.delivery.deliver import Delivery, Superseded
from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.messages import Attempt, Message, MessageRef, Place, Purpose, Shows
from bot.domain.runs import RunState, RunUpdate
from bot.domain.transitions import BACKEND_ENDS
from bot.effects import Effects
from bot.store import Store
from bot.store.messages import PER_CHANNEL
from tests.contract.store.rows import GUILD
from tests.contract.store.runs import (
    LEASE,
    NOW,
    SOON,
    SUCCESS,
    accept,
    accepted,
    asked,
    at,
    claimed,
    columns,
    fetch,
    part_of,
    purposes,
    release,
    request,
    run_update,
    started,
    submitted,
    take_message,
)
from tests.unit.comfydeploy.samples import names, sample
from tests.unit.factories import app_with

RECORDED = {name: hooks for name in names("run_") if (hooks := sample(name).get("webhooks"))}
HERE = request().channel_id


def _orders(run_updates: list[RunUpdate]) -> list[list[RunUpdate]]:
    shuffled = [random.Random(seed).sample(run_updates, len(run_updates)) for seed in range(5)]
    doubled = [each for each in run_updates for _ in range(2)]
    return [run_updates, run_updates[::-1], doubled, doubled[::-1], run_updates + run_updates, *shuffled]


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if n % 3 else ()) for n, name in enumerate(RECORDED)]
)
async def test_a_recorded_run_ends_the_same_in_every_order(store: Store, name: str) -> None:
    ends = set()
    for order in _orders([parse_webhook(json.dumps(hook["body"]).encode()) for hook in RECORDED[name]]):
        run = await submitted(store)
        for number, each in enumerate(order):
            await store.runs.record_update(run.key, each, at(number), SOON)
        ended = await fetch(store, run.key)
        if (state := BACKEND_ENDS.get(ended.failure_code)) is not None:
            # The answer of GET /run, which has the outputs that webhooks brought.
            made = max((each.outputs for each in order), key=len)
            told = order[0]._replace(state=state, outputs=made)
            await store.runs.record_update(run.key, told, at(50), SOON, asked=True)
            ended = await fetch(store, run.key)
        files = tuple(output.url for output in ended.outputs)
        ends.add((ended.state, ended.failure_code, ended.run_id, files))
        assert ended.final
        assert await purposes(store, run.key) == ["outcome"]
        # One more poll asks for the duration; after it there are none.
        answer = order[0]._replace(state=ended.state)
        await store.runs.record_update(run.key, answer, at(60), at(90), asked=True)
        assert (await columns(store, run.key))["due_at"] is None
    ((state, *_),) = ends
    assert state == {"failed": "failed", "timeout": "timed_out", "cancelled": "cancelled"}.get(
        name.split("_")[1], "succeeded"
    )


async def test_full_channels_and_busy_requests_are_left_out(store: Store) -> None:
    keys = []
    for channel_id in (HERE, HERE + 1):
        run = await submitted(store, channel_id=channel_id)
        await store.runs.record_update(run.key, SUCCESS._replace(run_id=run.key), at(channel_id - HERE), SOON)
        keys.append(run.key)
    # Of the two that are due, only one is looked at.
    for request_key, channel_id, expected in (
        ("another", HERE, keys[1]),
        (keys[0], HERE + 2, keys[1]),
        ("another", HERE + 2, keys[0]),
    ):
        one = Message(request_key=request_key, purpose=Purpose.OUTCOME, channel_id=channel_id)
        claim = await take_message(store, at(1), busy=[one] * PER_CHANNEL)
        assert claim is not None
        assert claim.message.request_key == expected
        await release(store, claim, at(1), shown=False)


async def test_a_late_success_after_an_attempt_to_post_has_its_own_message(store: Store) -> None:
    batch = asked(2)
    await accept(store, *batch)
    await store.messages.answered(batch[0].key, 77, NOW)
    for run in batch:
        assert (await started(store)).key == run.key
    await store.runs.finish(batch[0].key, RunState.TIMED_OUT, NOW, code="deadline")
    await store.runs.record_update(batch[1].key, SUCCESS, NOW, SOON)
    claim = await claimed(store)
    claim = claim.changed(attempt=Attempt(NOW, part_of(claim, MessageRef(HERE, 0))))
    assert await store.messages.begin(claim, SOON)
    await store.runs.record_update(batch[0].key, SUCCESS._replace(run_id="another"), NOW, SOON)
    # The outcome is still pending, and doesn't show the late success.
    await release(store, claim, NOW - LEASE, shown=False)
    again = await claimed(store)
    assert (again.message.purpose, again.late) == (Purpose.OUTCOME, frozenset({batch[0].key}))
    await release(store, again, NOW, shown=True)
    own = await claimed(store)
    assert (own.message.purpose, own.run.key, own.results) == (Purpose.LATE, batch[0].key, [own.run])


async def test_a_message_that_has_changed_since_it_was_composed_is_not_posted(store: Store) -> None:
    run = await submitted(store)
    await store.runs.record_update(run.key, SUCCESS, NOW, SOON)
    discord = AsyncMock()
    app = app_with(store=store, discord=discord, effects=Effects(now=lambda: NOW))
    delivery = Delivery(app, await claimed(store))
    await store.reviews.delete(run.key, run.requester_id, NOW, whole_batch=True)
    with pytest.raises(Superseded):
        await delivery.post(Place.CHANNEL, Shows.RESULT, [OutgoingMessage(content="Done.")], continues=False)
    assert not discord.mock_calls


@pytest.mark.sqlite_only
@pytest.mark.parametrize("checked", [True, False])
async def test_what_a_late_success_made_has_to_be_checked(store: Store, checked: bool) -> None:
    run = await accepted(store, to_check=True)
    await started(store)
    part = run_update(RunState.TIMED_OUT, outputs=SUCCESS.outputs)
    await store.runs.record_update(run.key, part, NOW, SOON, asked=True)
    claim = await claimed(store)
    of_part = [replace(each, verdicts={"1": ("held", "explicit")}) for each in claim.shown]
    if checked:
        assert await store.messages.checked(claim, of_part, NOW, at(3600), GUILD + 1)
    await store.runs.record_update(run.key, SUCCESS, NOW, SOON)
    if not checked:  # the verdicts come after the outputs that they aren't about
        assert not await store.messages.checked(claim, of_part, NOW, at(3600), GUILD + 1)
    assert (await fetch(store, run.key)).verdicts is None
