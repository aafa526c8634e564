"""Accepting a request: the decision and the row are one transaction."""

from __future__ import annotations

import pytest

from bot.domain.errors import RefusedError
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.rows import run_keys
from tests.contract.store.runs import (
    NEWCOMER,
    NOW,
    accept,
    fetch,
    request,
    started,
)


async def test_a_request_is_read_as_it_was_stored(store: Store) -> None:
    inputs = {"seed": 2**64 - 1, "cfg": 7.25, "tall": True, "images": ["a", "b"], "prompt": "ï 🙂 \u202e \\"}
    asked = request(inputs=inputs, seed=2**53 - 1, gpu="A100-80GB", parent_key="abc", deadline_seconds=90)
    run = await accept(store, asked)
    assert run == await fetch(store, asked.key)
    assert run.state is RunState.WAITING
    assert dict(run.inputs) == inputs
    assert (run.seed, run.gpu, run.parent_key) == (2**53 - 1, "A100-80GB", "abc")
    assert run.created_at == NOW
    assert run.interaction_expires_at == asked.interaction_expires_at
    assert run.requester_id == asked.requester_id
    for name in ("guild_id", "channel_id", "application_id"):
        assert getattr(run, name) == getattr(asked, name)
    assert (run.outputs, run.failure_params, run.hidden_from_channel) == ((), {}, False)


async def test_a_run_may_start_once_its_request_is_accepted(store: Store) -> None:
    run = await accept(store, request())
    claimed = await started(store)
    assert (claimed.key, claimed.status_message_id) == (run.key, None)
    await store.messages.answered(run.key, 77, NOW)
    assert (await fetch(store, run.key)).status_message_id == 77
    await store.messages.answered(run.key, 78, NOW)
    assert (await fetch(store, run.key)).status_message_id == 77


async def test_an_answer_that_everybody_sees_is_not_for_a_request_that_needs_approval(store: Store) -> None:
    with pytest.raises(RefusedError, match="rules_changed"):
        await accept(store, request(), person=NEWCOMER, public=True)
    assert await run_keys(store) == set()
    await accept(store, request(), person=NEWCOMER)
