"""Requests that need approval."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.requests import GenerationRequest
from bot.domain.runs import Run
from bot.store import Store
from tests.contract.store.runs import NEWCOMER, NOW, accept, fetch, request

APPROVAL_ENDS = NOW + timedelta(hours=24)


async def accept_for_review(store: Store, *batch: GenerationRequest) -> Run:
    """Submit a request, or a batch of them, that a moderator has to approve within a day."""
    return await accept(store, *batch, person=NEWCOMER)


async def awaiting_approval(store: Store) -> Run:
    """Return a run that waits for approval and whose card is undelivered."""
    run = await accept_for_review(store, request())
    await store.runs.release(run.key, 77, NOW)
    return await fetch(store, run.key)
