"""Claims of runs to poll or to cancel, and of status messages to edit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.runs import FINAL, Run, RunState
from bot.store import Store
from tests.contract.store.runs import (
    APPROVAL_ENDS,
    GRACE,
    NOW,
    SOON,
    accept,
    accepted,
    answer_of,
    answers_due,
    at,
    awaiting_approval,
    brought_to,
    columns,
    fetch,
    is_pending,
    owed,
    posted,
    report,
    request,
    started,
    submitted,
)

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


@pytest.mark.parametrize(("run_timeout", "deadline"), [(None, 3600), (60, 180), (7200, 3600)])
async def test_a_silent_run_is_polled_at_its_deadline(
    store: Store, run_timeout: int | None, deadline: int
) -> None:
    run = await brought_to(store, RunState.RUNNING)
    assert run.started_at == run.submitted_at == NOW
    due_at = SOON
    while due_at < at(deadline):
        assert await store.claims.claim_checks(due_at, PAUSE, 8, run_timeout=lambda _: run_timeout)
        due_at = (await columns(store, run.key))["due_at"]
    assert due_at == at(deadline)


async def test_while_the_backend_is_away_only_expired_requests_are_claimed(store: Store) -> None:
    await brought_to(store, RunState.RUNNING)
    await submitted(store)
    reviewed = await awaiting_approval(store)
    due = await store.claims.claim_checks(APPROVAL_ENDS, PAUSE, 8, away=True)
    assert [run.key for run in due] == [reviewed.key]


async def test_after_an_outage_all_runs_that_are_still_polled_are_due_at_once(store: Store) -> None:
    flying = [await brought_to(store, state) for state in (RunState.QUEUED, RunState.RUNNING)]
    settling = await brought_to(store, RunState.SUCCEEDED)
    await store.claims.claim_checks(SOON, PAUSE, 8)
    later = await brought_to(store, RunState.RUNNING)
    await submitted(store)
    await store.claims.make_checks_due(NOW)
    assert await _due(store, 0) == []
    await store.claims.make_checks_due(at(0.001))
    due = await _due(store, 1, 9)
    assert sorted(due) == sorted(run.key for run in (*flying, settling, later))
    assert (await columns(store, flying[0].key))["checks"] == 1


async def test_an_unanswered_call_is_checked_when_its_grace_ends(store: Store) -> None:
    run = await submitted(store)
    assert await _due(store, GRACE.total_seconds() - 1) == []
    assert await _due(store, GRACE.total_seconds()) == [run.key]


async def test_the_longest_silent_runs_are_claimed_first(store: Store) -> None:
    keys = []
    for number in range(5):
        run = await submitted(store)
        await store.runs.record_report(run.key, report(), NOW, at(50 - number))
        keys.append(run.key)
    assert await _due(store, 60, 3) == keys[:1:-1]
    assert await _due(store, 60, 3) == keys[1::-1]
    assert await _due(store, 60, 3) == []


async def test_waiting_and_refused_runs_are_not_polled(store: Store) -> None:
    await accepted(store)
    await brought_to(store, RunState.REFUSED)
    assert await _due(store, 10_000) == []


async def test_an_ended_run_is_polled_once_for_its_duration(store: Store) -> None:
    for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT):
        run = await brought_to(store, state)
        assert await _due(store, 4) == []
        assert await _due(store, 5) == [run.key]
        answer = report(state, gpu="A10G", run_duration=12.5)
        assert await store.runs.record_report(run.key, answer, at(6), at(36), asked=True) is None
        settled = await fetch(store, run.key)
        assert (settled.gpu_used, settled.run_duration, settled.charged_seconds) == ("A10G", 12.5, 12.5)
        assert await _due(store, 10_000) == []


async def test_a_reported_failure_is_polled_at_once_and_later_for_its_duration(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    failed = report(RunState.FAILED)
    await store.runs.record_report(run.key, failed, NOW, SOON)
    assert await _due(store, 0) == [run.key]
    # A report that says otherwise doesn't postpone the poll.
    await store.runs.record_report(run.key, report(progress=0.5), NOW, SOON)
    assert (await fetch(store, run.key)).state is RunState.RUNNING
    answer = failed._replace(run_duration=12.5)
    assert await store.runs.record_report(run.key, answer, NOW, SOON, asked=True) is not None
    assert await _due(store, 4) == []
    assert await _due(store, 5) == [run.key]
    assert await store.runs.record_report(run.key, answer, at(5), SOON, asked=True) is None
    assert await _due(store, 10_000) == []


async def test_an_unconfirmed_run_is_polled_once_its_id_is_known(store: Store) -> None:
    run = await brought_to(store, RunState.UNCONFIRMED)
    assert await _due(store, 10_000) == []
    await store.runs.record_report(run.key, report(), at(1), at(2))
    assert await _due(store, 2) == [run.key]
    assert await _due(store, 86_399) == [run.key]
    (due,) = await store.claims.claim_checks(at(200_000), PAUSE, 8)
    await store.runs.stop_checking(due)
    assert await _due(store, 400_000) == []


async def test_a_status_message_is_due_only_if_it_is_stale(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    assert await answers_due(store, NOW) == [run.key]
    assert await answers_due(store, at(100)) == []
    for expected in ([run.key], []):  # a repeated report changes nothing
        await store.runs.record_report(run.key, report(progress=0.3, live_status="x"), at(100), at(200))
        assert await answers_due(store, at(200)) == expected


async def test_the_status_messages_of_ended_runs_are_not_due(store: Store) -> None:
    for state in FINAL - {RunState.REJECTED, RunState.EXPIRED}:
        await brought_to(store, state)
        await posted(store)
    assert await answers_due(store, at(1000)) == []


async def test_an_answer_without_a_status_message_is_due_when_its_process_has_died(store: Store) -> None:
    run = await accept(store, request())
    assert await answers_due(store, at(59)) == []
    assert await answers_due(store, at(61)) == [run.key]


async def test_an_answer_that_its_process_could_not_show_is_due_at_once(store: Store) -> None:
    run = await accept(store, request())
    await store.messages.answered(run.key, None, at(1))
    assert await answers_due(store, at(1)) == [run.key]


def _from_an_account() -> Run:
    return request(user_install=True)


async def test_the_answer_of_a_user_install_is_edited_once_before_it_ends(store: Store) -> None:
    """The token of `request` ends after 900 seconds."""
    run = await accept(store, _from_an_account())
    await store.messages.answered(run.key, 77, NOW)
    await started(store)
    await store.runs.record_report(run.key, report(), at(1), at(30))
    assert await answers_due(store, at(3)) == [run.key]
    assert [await answers_due(store, at(second)) for second in (4, 600, 839)] == [[], [], []]
    assert await answers_due(store, at(840)) == [run.key]
    assert [await answers_due(store, at(second)) for second in (841, 899, 1000)] == [[], [], []]


async def test_the_answer_in_a_server_is_not_edited_before_it_ends(store: Store) -> None:
    await brought_to(store, RunState.RUNNING)
    await answers_due(store, at(2))
    assert await answers_due(store, at(850)) == []


async def test_only_a_waiting_run_of_a_user_install_becomes_too_late_to_start(store: Store) -> None:
    already_sent = await accept(store, _from_an_account(), now=at(-1))
    assert (await started(store)).key == already_sent.key
    waiting = await accept(store, _from_an_account())
    await accept(store, request())
    assert await store.claims.too_late_to_start(at(899)) == []
    assert [run.key for run in await store.claims.too_late_to_start(at(900))] == [waiting.key]


async def test_a_cancellation_before_the_id_is_known_is_due_once_it_is(store: Store) -> None:
    run = await submitted(store)
    await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
    assert (await columns(store, run.key))["due_at"] > at(1)
    await store.runs.record_report(run.key, report(RunState.QUEUED), at(2), SOON)
    assert (await columns(store, run.key))["due_at"] == at(2)


async def test_a_cancellation_of_a_known_run_is_due_at_once(store: Store) -> None:
    for state in (RunState.QUEUED, RunState.RUNNING, RunState.UPLOADING):
        run = await brought_to(store, state)
        await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
        await store.runs.request_cancel(run.key, at(3), by=run.requester_id)
        row = await columns(store, run.key)
        assert (row["state"], row["cancel_requested_at"], row["due_at"]) == (state, at(1), at(1))
        assert is_pending(await answer_of(store, run.key))
        assert await owed(store, run.key) == []


async def test_a_run_that_cannot_be_cancelled_says_so(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
    await store.runs.refuse_cancel(await fetch(store, run.key))
    after = await fetch(store, run.key)
    assert (after.cancel_requested_at, after.cancelled_by) == (None, None)
    assert after.status_note == "not_cancellable"

    ended = await brought_to(store, RunState.SUCCEEDED)
    await store.runs.refuse_cancel(ended)
    assert (await fetch(store, ended.key)).status_note is None
