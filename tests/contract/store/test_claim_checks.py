"""Claims of runs to poll, and of status messages to edit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.runs import (
    NOW,
    SOON,
    accept,
    answers_due,
    at,
    brought_to,
    columns,
    report,
    request,
    started,
    submitted,
)

pytestmark = pytest.mark.sqlite_only

PAUSE = timedelta(seconds=10)


async def _due(store: Store, seconds: float, many: int = 8) -> list[str]:
    return [run.key for run in await store.claims.claim_checks(at(seconds), PAUSE, many)]


async def test_a_silent_run_is_polled_after_growing_pauses(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    for second in (30, 40, 60, 100, 180, 340, 540, 740, 940):
        assert await _due(store, second - 1) == []
        assert await _due(store, second) == [run.key]
    await store.runs.record_report(run.key, report(progress=0.5), at(1000), at(1030))
    assert (await columns(store, run.key))["checks"] == 0


@pytest.mark.parametrize(("run_timeout", "deadline"), [(None, 3600), (60, 180)])
async def test_a_silent_run_is_polled_at_its_deadline(
    store: Store, run_timeout: int | None, deadline: int
) -> None:
    run = await brought_to(store, RunState.RUNNING)
    due_at = SOON
    while due_at < at(deadline):
        assert await store.claims.claim_checks(due_at, PAUSE, 8, run_timeout=lambda _: run_timeout)
        due_at = (await columns(store, run.key))["due_at"]
    assert due_at == at(deadline)


async def test_the_longest_silent_runs_are_claimed_first(store: Store) -> None:
    keys = []
    for number in range(5):
        run = await submitted(store)
        await store.runs.record_report(run.key, report(), NOW, at(50 - number))
        keys.append(run.key)
    assert await _due(store, 60, 3) == keys[:1:-1]
    assert await _due(store, 60, 3) == keys[1::-1]
    assert await _due(store, 60, 3) == []


async def test_an_answer_is_due_once_nobody_is_showing_it(store: Store) -> None:
    dead, failed = await accept(store, request()), await accept(store, request())
    await store.messages.answered(failed.key, None, at(1))
    assert await answers_due(store, at(1)) == [failed.key]
    assert await answers_due(store, at(59)) == []
    assert await answers_due(store, at(61)) == [dead.key]


async def test_the_answer_of_a_user_install_is_edited_once_before_it_ends(store: Store) -> None:
    """The token of `request` ends after 900 seconds."""
    run = await accept(store, request(user_install=True))
    await store.messages.answered(run.key, 77, NOW)
    await started(store)
    await store.runs.record_report(run.key, report(), at(1), at(30))
    assert await answers_due(store, at(3)) == [run.key]
    assert await answers_due(store, at(839)) == []
    assert await answers_due(store, at(840)) == [run.key]
    assert await answers_due(store, at(1000)) == []


async def test_only_a_waiting_run_of_a_user_install_becomes_too_late_to_start(store: Store) -> None:
    already_sent = await accept(store, request(user_install=True), now=at(-1))
    assert (await started(store)).key == already_sent.key
    waiting = await accept(store, request(user_install=True))
    await accept(store, request())
    assert await store.claims.too_late_to_start(at(899)) == []
    assert [run.key for run in await store.claims.too_late_to_start(at(900))] == [waiting.key]
