"""Reports of ComfyDeploy: in any order and however often repeated, they leave one outcome."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta

import pytest

from bot.comfydeploy.reports import parse_webhook
from bot.domain.errors import RefusedError
from bot.domain.messages.records import Kind, MessageRef
from bot.domain.moderation import Report
from bot.domain.run_timing import deadline_of
from bot.domain.runs import FINAL, IN_FLIGHT, Output, RunReport, RunState
from bot.domain.transitions import reported_end
from bot.store import Store
from bot.store.runs import ForeignRunReport
from tests.contract.store.rows import audit_log, stored_rules
from tests.contract.store.runs import (
    NOW,
    PICTURE,
    RUN_ID,
    SOON,
    SUCCESS,
    at,
    begin,
    brought_to,
    claim_if_any,
    claimed,
    columns,
    fetch,
    is_pending,
    kinds,
    owed,
    posted,
    report,
    submitted,
    take,
)
from tests.unit.comfydeploy.samples import names, sample

RECORDED = {name: hooks for name in names("run_") if (hooks := sample(name).get("webhooks"))}


def _reports(name: str) -> list[RunReport]:
    return [parse_webhook(json.dumps(hook["body"]).encode()) for hook in RECORDED[name]]


def _orders(reports: list[RunReport]) -> list[list[RunReport]]:
    shuffled = [random.Random(seed).sample(reports, len(reports)) for seed in range(5)]
    doubled = [each for each in reports for _ in range(2)]
    return [reports, reports[::-1], doubled, doubled[::-1], reports + reports, *shuffled]


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if n % 3 else ()) for n, name in enumerate(RECORDED)]
)
async def test_a_recorded_run_ends_the_same_in_every_order(store: Store, name: str) -> None:
    ends = set()
    for order in _orders(_reports(name)):
        run = await submitted(store)
        for number, each in enumerate(order):
            await store.runs.record_report(run.key, each, at(number), SOON)
        ended = await fetch(store, run.key)
        if (state := reported_end(ended)) is not None:
            # The answer of GET /run, which has the outputs that webhooks brought.
            made = max((each.outputs for each in order), key=len)
            told = order[0]._replace(state=state, outputs=made)
            await store.runs.record_report(run.key, told, at(50), SOON, asked=True)
            ended = await fetch(store, run.key)
        files = tuple(output.url for output in ended.outputs)
        ends.add((ended.state, ended.failure_code, ended.run_id, files))
        assert ended.final
        assert ended.queue_position is None
        assert len(await owed(store, run.key)) == 1
        # One more poll asks for the duration; after it there are none.
        answer = order[0]._replace(state=ended.state)
        await store.runs.record_report(run.key, answer, at(60), at(90), asked=True)
        assert (await columns(store, run.key))["due_at"] is None
    assert len(ends) == 1
    state = ends.pop()[0]
    assert state == {"failed": "failed", "timeout": "timed_out", "cancelled": "cancelled"}.get(
        name.split("_")[1], "succeeded"
    )


async def test_outputs_and_cost_come_back_as_reported(store: Store) -> None:
    text = Output("text", text='nul-free, "quoted" 🙂\nline')
    outputs = (PICTURE, text, Output("files", url="u", filename="ü"))
    run = await submitted(store)
    done = SUCCESS._replace(outputs=outputs, gpu="NVIDIA " + "H" * 190, run_duration=1.25)
    await store.runs.record_report(run.key, done, NOW, SOON)
    ended = await fetch(store, run.key)
    assert (ended.outputs, ended.run_duration) == (outputs, 1.25)
    assert str(ended.gpu_used).startswith("NVIDIA HHH")


async def test_a_run_ends_although_the_servers_rules_are_unreadable(store: Store) -> None:
    run = await submitted(store)
    await stored_rules(store, run.guild_id, {"budgets": {"gpu_weights": {"H100": "heavy"}}})
    done = SUCCESS._replace(gpu="H100", run_duration=2.0)
    await store.runs.record_report(run.key, done, NOW, SOON)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED
    assert (await columns(store, run.key))["charged_seconds"] == 2.0


async def test_a_success_replaces_a_verdict_that_nobody_has_seen(store: Store) -> None:
    for state in (RunState.UNCONFIRMED, RunState.TIMED_OUT, RunState.REFUSED):
        run = await brought_to(store, state)
        await store.runs.record_report(run.key, SUCCESS, at(5), SOON)
        ended = await fetch(store, run.key)
        assert (ended.state, ended.failure_code) == (RunState.SUCCEEDED, None)
        (row,) = await owed(store, run.key)
        assert (row["kind"], is_pending(row)) == ("outcome", True)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
async def test_reports_after_the_end_change_nothing(store: Store, state: RunState) -> None:
    run = await brought_to(store, state)
    for each in [*IN_FLIGHT - {RunState.SUBMITTING}, *FINAL, None]:
        await store.runs.record_report(run.key, report(each, progress=1.0), at(9), at(99), asked=True)
    after = await columns(store, run.key)
    assert (after["state"], after["due_at"], after["ended_at"]) == (state, None, NOW)
    assert len(await owed(store, run.key)) == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("state", [RunState.SUBMITTING, RunState.RUNNING, RunState.TIMED_OUT])
async def test_a_success_without_outputs_is_polled_at_once(store: Store, state: RunState) -> None:
    run = await brought_to(store, state)
    await store.runs.record_report(run.key, report(RunState.SUCCEEDED), at(5), SOON)
    row = await columns(store, run.key)
    assert row["state"] == (state if state is RunState.TIMED_OUT else RunState.UPLOADING)
    assert row["due_at"] == at(5)
    await store.runs.record_report(run.key, SUCCESS, at(6), SOON, asked=True)
    assert (await fetch(store, run.key)).outputs == (PICTURE,)


async def test_an_unconfirmed_run_is_not_polled_after_its_failure_is_known(store: Store) -> None:
    run = await brought_to(store, RunState.UNCONFIRMED)
    await store.runs.record_report(run.key, report(RunState.RUNNING), at(1), at(2))
    assert (await columns(store, run.key))["due_at"] == at(2)
    await store.runs.record_report(run.key, report(RunState.FAILED), at(3), at(4))
    assert (await columns(store, run.key))["due_at"] == at(3)  # it may have made something
    await store.runs.record_report(run.key, report(RunState.FAILED), at(6), at(7), asked=True)
    row = await columns(store, run.key)
    assert (row["state"], row["due_at"]) == (RunState.UNCONFIRMED, None)


@pytest.mark.sqlite_only
async def test_a_report_of_another_run_changes_nothing(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    before = await columns(store, run.key)
    for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.RUNNING, None):
        foreign = report(state, run_id="ffffffff-0000-0000-0000-000000000000", outputs=(PICTURE,))
        with pytest.raises(ForeignRunReport):
            await store.runs.record_report(run.key, foreign, at(5), SOON)
    assert await columns(store, run.key) == before
    assert await owed(store, run.key) == []


@pytest.mark.sqlite_only
async def test_a_run_that_is_gone_is_refused_everywhere(store: Store) -> None:
    for change in (
        store.runs.record_report("nobody", SUCCESS, NOW, SOON),
        store.runs.finish("nobody", RunState.FAILED, NOW, code="x"),
        store.runs.request_cancel("nobody", NOW, by=1),
        store.reviews.approve("nobody", 1, NOW),
        store.reviews.reject("nobody", 1, "", NOW),
        store.reviews.delete("nobody", 1, NOW),
        store.reviews.delete("nobody", 1, NOW, whole_batch=True),
        store.reviews.report("nobody", Report(1, "Something else"), 2, NOW),
        store.reviews.dismiss("nobody", 1, NOW),
    ):
        with pytest.raises(RefusedError, match="run_gone: nobody"):
            await change
    assert await store.runs.get("nobody") is None
    await store.runs.save_progress({"nobody": report(progress=0.5)}, NOW, SOON)


async def test_a_failure_before_the_queue_reply_waits_for_its_reason(store: Store) -> None:
    early = await submitted(store)
    await store.runs.record_report(early.key, report(RunState.FAILED), NOW, SOON)
    assert await store.claims.claim_checks(at(2.9), timedelta(seconds=15), 8) == []
    assert await store.runs.finish(early.key, RunState.REFUSED, at(2.9), code="comfy_rejected")
    assert (await fetch(store, early.key)).failure_code == "comfy_rejected"


async def test_the_queue_reply_does_not_postpone_the_question_about_a_failure(store: Store) -> None:
    early = await submitted(store)
    await store.runs.record_report(early.key, report(RunState.FAILED), NOW, SOON)
    await store.runs.record_report(early.key, report(RunState.QUEUED), at(1), SOON)
    (due,) = await store.claims.claim_checks(at(3), timedelta(seconds=15), 8)
    assert reported_end(due) is RunState.FAILED


async def test_a_requeued_run_that_is_reported_gets_no_second_call(store: Store) -> None:
    """A report shows that the first call was accepted, even one with an unknown status."""
    for state in (None, RunState.QUEUED, RunState.RUNNING):
        run = await submitted(store)
        await store.claims.requeue(run, at(5), NOW)
        await store.runs.record_report(run.key, report(state), at(6), SOON)
        assert await take(store, at(10)) is None
        adopted = await fetch(store, run.key)
        assert adopted.state is (state or RunState.QUEUED)
        assert adopted.run_id == RUN_ID
        assert deadline_of(adopted, None) == at(6 + adopted.deadline_seconds)


async def test_the_outcome_of_a_failure_waits_until_what_it_made_is_known(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(RunState.FAILED), at(1), SOON)
    assert await claim_if_any(store, at(600)) is None
    answer = report(RunState.FAILED, outputs=(PICTURE,), gpu="L4", run_duration=2.5, log="ValueError: x")
    change = await store.runs.record_report(run.key, answer, at(2), SOON, asked=True)
    assert change is not None
    assert change.ends_run
    shown = (await claimed(store, now=at(2))).first
    assert (shown.state, shown.partial, shown.outputs) == (RunState.FAILED, True, (PICTURE,))
    assert (shown.failure_log, shown.gpu_used, shown.charged_seconds) == ("ValueError: x", "L4", 2.5)
    assert await kinds(store, run.key) == ["outcome"]
    assert [entry.outcome for entry in await audit_log(store) if entry.action == "outcome"] == ["partial"]


async def test_outputs_after_the_outcome_are_delivered_once(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(RunState.FAILED), NOW, SOON, asked=True)
    outcome = await claimed(store, now=at(10))
    assert await begin(store, outcome, at(10))
    late = report(RunState.FAILED, outputs=(PICTURE,))
    for seconds in (20, 21):
        await store.runs.record_report(run.key, late, at(seconds), SOON, asked=True)
    (row,) = await owed(store, run.key)
    assert (row["kind"], row["wanted_rev"]) == ("outcome", 2)


async def test_the_messenger_does_not_post_a_failure_that_has_gained_outputs(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(RunState.FAILED), NOW, SOON, asked=True)
    outcome = await claimed(store, now=at(10))
    late = report(RunState.FAILED, outputs=(PICTURE,))
    await store.runs.record_report(run.key, late, at(11), SOON, asked=True)
    assert not await begin(store, outcome, at(12))
    assert await kinds(store, run.key) == ["outcome"]


async def test_a_success_after_a_late_partial_result_replaces_it(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.finish(run.key, RunState.TIMED_OUT, NOW, code="deadline_running")
    await posted(store, MessageRef(1, 2))
    part = report(RunState.CANCELLED, outputs=(PICTURE,))
    await store.runs.record_report(run.key, part, at(1), SOON, asked=True)
    await posted(store, MessageRef(1, 3), now=at(1))
    await store.runs.record_report(run.key, SUCCESS, at(2), SOON)
    again = await claimed(store, now=at(2))
    assert again.message.kind is Kind.OUTCOME
    assert (again.run.state, again.run.partial) == (RunState.SUCCEEDED, False)
    assert (again.message.refs, again.message.stale) == ([MessageRef(1, 3)], (MessageRef(1, 2),))


async def test_a_deadline_is_noted_only_while_the_run_is_in_flight(store: Store) -> None:
    running, ended = await brought_to(store, RunState.RUNNING), await brought_to(store, RunState.SUCCEEDED)
    for run in (running, ended):
        await store.runs.note_deadline(run.key, "deadline")
    assert [(await fetch(store, run.key)).failure_code for run in (running, ended)] == ["deadline", None]
    await store.runs.record_report(running.key, report(RunState.CANCELLED), NOW, SOON, asked=True)
    told = await fetch(store, running.key)
    assert (told.state, told.failure_code) == (RunState.TIMED_OUT, "deadline")


async def test_progress_of_many_runs_is_written_together_and_never_decreases(store: Store) -> None:
    first, second = await brought_to(store, RunState.RUNNING), await brought_to(store, RunState.QUEUED)
    await store.runs.record_report(first.key, report(progress=0.5, live_status="half"), NOW, SOON)
    news = {first.key: report(progress=0.4, live_status="older"), second.key: report(progress=0.2)}
    await store.runs.save_progress(news, at(1), SOON)
    unchanged = await fetch(store, first.key)
    assert (unchanged.progress, unchanged.live_status) == (0.5, "half")
    assert (await fetch(store, second.key)).progress is None
    await store.runs.save_progress({first.key: report(progress=0.6)}, at(2), SOON)
    assert (await fetch(store, first.key)).progress == 0.6


async def test_progress_postpones_the_poll(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)  # due at SOON
    await store.claims.claim_checks(SOON, timedelta(seconds=15), 8)
    for now, next_check in ((at(31), at(91)), (at(90), at(150)), (at(151), at(211))):
        news = {run.key: report(progress=(now - NOW).total_seconds() / 1000)}
        await store.runs.save_progress(news, now, next_check)
        row = await columns(store, run.key)
        assert (row["due_at"], row["checks"]) == (next_check, 0)


async def test_no_report_postpones_the_deadline_or_a_cancellation(store: Store) -> None:
    async def save_alone(key: str, told: RunReport, now: datetime, next_check: datetime) -> None:
        await store.runs.save_progress({key: told}, now, next_check)

    overdue, cancelled = [await brought_to(store, RunState.RUNNING) for _ in range(2)]
    await store.runs.request_cancel(cancelled.key, NOW, by=1)
    late = at(overdue.deadline_seconds)
    assert len(await store.claims.claim_checks(late, timedelta(seconds=15), 8)) == 2
    for step, record in enumerate((store.runs.record_report, save_alone), 1):
        for run in (overdue, cancelled):
            await record(run.key, report(progress=step / 10), late, late + timedelta(minutes=1))
            row = await columns(store, run.key)
            assert (row["progress"], row["due_at"]) == (step / 10, late + timedelta(seconds=15))


@pytest.mark.sqlite_only
async def test_progress_of_another_run_is_ignored(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    foreign = report(progress=0.9, run_id=RUN_ID.replace("a", "b"))
    await store.runs.save_progress({run.key: foreign}, NOW, SOON)
    assert (await fetch(store, run.key)).progress is None
