"""Requests whose answer is unknown: the bot asks Discord, then releases or refuses them."""

from __future__ import annotations

import pytest

from bot.domain.messages.records import MessageRef
from bot.domain.requests import Answer, AnswerState, Release
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.workers.answers import AnswerChecker
from bot.workers.worker import Wakeups
from tests.contract.store.batches import asked
from tests.contract.store.runs import (
    NOW,
    accept,
    accept_for_review,
    accepted,
    at,
    columns,
    fetch,
    kinds,
    owed,
    posted,
    report,
    request,
    submitted,
    take,
)


async def test_a_request_without_a_known_answer_is_claimed_until_it_is_released(store: Store) -> None:
    run = await accept(store, request())
    assert await store.answers.claim(at(4.9)) is None
    assert await take(store, at(5)) is None
    found = await store.answers.claim(at(5))
    assert found is not None
    assert found.key == run.key
    assert await take(store, at(3600)) is None
    assert await store.answers.release(run.key, 77, at(20)) is Release.KEPT
    assert await store.answers.claim(at(3600)) is None
    assert (await take(store, at(20))) is not None


async def test_a_request_is_claimed_after_growing_pauses(store: Store) -> None:
    await accept(store, request())
    times = [5, 10, 15, 23, 35, 53, 80, 120, 180, 270, 405, 608]
    for second in times:
        assert await store.answers.claim(at(second - 1)) is None
        assert await store.answers.claim(at(second)) is not None


async def test_the_pause_is_at_most_five_minutes_even_for_an_old_request(store: Store) -> None:
    await accept(store, request())
    assert await store.answers.claim(at(12 * 3600)) is not None
    # The process that claimed it has died.
    assert await store.answers.claim(at(12 * 3600 + 300)) is not None


async def test_a_released_run_keeps_its_message(store: Store) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, report(), at(7), at(60))
    assert await store.answers.release(run.key, 99, at(8)) is Release.KEPT
    row = await columns(store, run.key)
    assert (row["status_message_id"], row["due_at"], row["state"]) == (77, at(60), RunState.RUNNING)


async def test_a_withdrawn_request_is_not_released(store: Store) -> None:
    withdrawn = await accept(store, request())
    assert await store.answers.withdraw(withdrawn.key)
    assert await store.answers.release(withdrawn.key, 77, NOW) is Release.WITHDRAWN


async def test_a_request_that_ended_before_its_release_remembers_its_message_and_starts_nothing(
    store: Store,
) -> None:
    refused = await accept(store, request())
    assert await store.answers.refuse(refused.key, "answer_lost", NOW)
    before = await columns(store, refused.key)
    assert await store.answers.release(refused.key, 77, at(2)) is Release.KEPT
    after = await columns(store, refused.key)
    assert (after["state"], after["status_message_id"]) == (RunState.REFUSED, 77)
    assert after["due_at"] == before["due_at"]
    assert await kinds(store, refused.key) == ["outcome"]
    assert await take(store, at(3600)) is None


@pytest.mark.parametrize(("shown", "expected"), [(77, Release.KEPT), (901, Release.OBSOLETE)])
async def test_after_the_outcome_the_answer_stays_only_as_a_part_of_it(
    store: Store, shown: int, expected: Release
) -> None:
    lead = await accept(store, *asked(2))
    assert await store.answers.refuse(lead.key, "answer_lost", NOW)
    await posted(store, MessageRef(lead.channel_id, shown), now=at(120), ends_answer=True)
    assert await store.answers.release(lead.key, 77, at(200)) is expected
    assert (await columns(store, lead.key))["status_message_id"] is None


async def test_a_released_request_is_not_refused(store: Store) -> None:
    run = await accepted(store)
    assert not await store.answers.refuse(run.key, "answer_lost", NOW)
    assert (await fetch(store, run.key)).state is RunState.WAITING


async def test_a_request_that_is_released_while_discord_is_asked_stays(store: Store) -> None:
    """The answer may arrive after Discord has said that there is none."""

    async def read_answer(run: Run, _token: str) -> Answer:
        assert await store.answers.release(run.key, 77, at(6)) is Release.KEPT
        return Answer(AnswerState.MISSING)

    run = await accept(store, request())
    checker = AnswerChecker(store, read_answer, Wakeups(), lambda: at(6))
    claimed = await checker.claim()
    assert claimed is not None
    await checker.check(claimed)
    assert (await fetch(store, run.key)).state is RunState.WAITING


async def test_refusing_an_unanswered_batch_ends_it_and_removes_its_card(store: Store) -> None:
    lead = await accept_for_review(store, *asked(3))
    assert await store.answers.refuse(lead.key, "answer_lost", at(9))
    batch = list(await store.runs.batch(lead))
    assert {run.state for run in batch} == {RunState.REFUSED}
    assert [await kinds(store, run.key) for run in batch] == [["outcome", "review"], [], []]
    assert (await owed(store, lead.key))[0]["due_at"] == at(9)
