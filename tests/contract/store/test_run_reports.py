"""The one door for what ComfyDeploy says: any order, any repetition, one outcome."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import timedelta

import pytest

from bot.comfydeploy.reports import parse_webhook
from bot.domain.run_timing import deadline_of
from bot.domain.runs import FINAL, IN_FLIGHT, MessageRef, Output, Purpose, RunReport, RunState
from bot.store import Store
from bot.store.runs import ForeignRunReport
from tests.contract.store.rows import audit_log, stored_rules
from tests.contract.store.runs import (
    LEASE,
    NOW,
    PICTURE,
    RUN_ID,
    SOON,
    SUCCESS,
    at,
    brought_to,
    claimed,
    columns,
    fetch,
    owed,
    purposes,
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
@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_run_ends_the_same_in_every_order(store: Store, name: str) -> None:
    ends = set()
    for order in _orders(_reports(name)):
        run = await submitted(store)
        for number, each in enumerate(order):
            await store.runs.record_report(run.key, each, at(number), SOON)
        ended = await fetch(store, run.key)
        files = tuple(output.url for output in ended.outputs)
        ends.add((ended.state, ended.failure_code, ended.run_id, files))
        assert ended.final
        assert ended.queue_position is None
        assert len(await owed(store, run.key)) == 1
        # It is asked once more what it took, and then never again.
        answer = order[0]._replace(state=ended.state)
        await store.runs.record_report(run.key, answer, at(60), at(90), asked=True)
        assert (await columns(store, run.key))["due_at"] is None
    assert len(ends) == 1
    state = ends.pop()[0]
    assert state == {"failed": "failed", "timeout": "timed_out", "cancelled": "cancelled"}.get(
        name.split("_")[1], "succeeded"
    )


async def test_the_same_end_from_many_processes_at_once_is_owed_once(store: Store, other: Store) -> None:
    run = await submitted(store)
    ends = [SUCCESS, report(RunState.RUNNING, progress=0.5), report(RunState.UPLOADING)] * 4
    await asyncio.gather(
        *((store, other)[n % 2].runs.record_report(run.key, each, NOW, SOON) for n, each in enumerate(ends))
    )
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED
    assert len(await owed(store, run.key)) == 1


async def test_contradicting_ends_at_once_leave_one(store: Store, other: Store) -> None:
    for _ in range(10):
        run = await brought_to(store, RunState.RUNNING)
        await asyncio.gather(
            store.runs.record_report(run.key, report(RunState.FAILED), NOW, SOON),
            other.runs.finish(run.key, RunState.CANCELLED, NOW, code="cancelled_by_requester"),
        )
        ended = await fetch(store, run.key)
        codes = {RunState.FAILED: "run_failed", RunState.CANCELLED: "cancelled_by_requester"}
        assert ended.failure_code == codes[ended.state]
        assert len(await owed(store, run.key)) == 1


async def test_outputs_and_cost_come_back_as_reported(store: Store) -> None:
    outputs = (
        PICTURE,
        Output("text", text='nul-free, "quoted" 🙂\nline'),
        Output("files", url="u", filename="ü"),
    )
    run = await submitted(store)
    done = SUCCESS._replace(outputs=outputs, gpu="NVIDIA " + "H" * 190, run_duration=1.25)
    await store.runs.record_report(run.key, done, NOW, SOON)
    ended = await fetch(store, run.key)
    assert ended.outputs == outputs
    assert ended.run_duration == 1.25
    assert ended.gpu_used is not None
    assert ended.gpu_used.startswith("NVIDIA HHH")


async def test_rules_that_cant_be_read_dont_keep_a_finished_run_from_ending(store: Store) -> None:
    run = await submitted(store)
    await stored_rules(store, run.guild_id, {"budgets": {"gpu_weights": {"H100": "heavy"}}})
    done = SUCCESS._replace(gpu="H100", run_duration=2.0)
    await store.runs.record_report(run.key, done, NOW, SOON)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED
    assert (await columns(store, run.key))["charged_seconds"] == 2.0


async def test_the_longest_phrase_that_the_parser_lets_through_fits(store: Store) -> None:
    run = await submitted(store)
    await store.runs.record_report(run.key, report(live_status="é" * 200, progress=0.1), NOW, SOON)
    assert (await fetch(store, run.key)).live_status == "é" * 200


async def test_a_success_before_anybody_saw_the_verdict_replaces_it(store: Store) -> None:
    for state in (RunState.UNCONFIRMED, RunState.TIMED_OUT):
        run = await brought_to(store, state)
        await store.runs.record_report(run.key, SUCCESS, at(5), SOON)
        ended = await fetch(store, run.key)
        assert (ended.state, ended.failure_code) == (RunState.SUCCEEDED, None)
        assert [(row["purpose"], row["state"]) for row in await owed(store, run.key)] == [("o", "pending")]


@pytest.mark.sqlite_only
@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.REFUSED])
async def test_an_end_absorbs_whatever_comes_after_it(store: Store, state: RunState) -> None:
    run = await brought_to(store, state)
    for each in [*IN_FLIGHT - {RunState.SUBMITTING}, *FINAL, None]:
        await store.runs.record_report(run.key, report(each, progress=1.0), at(9), at(99), asked=True)
    after = await columns(store, run.key)
    assert (after["state"], after["due_at"], after["ended_at"]) == (state, None, NOW)
    assert len(await owed(store, run.key)) == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("state", [RunState.SUBMITTING, RunState.RUNNING, RunState.TIMED_OUT])
async def test_a_success_without_outputs_is_asked_about_at_once(store: Store, state: RunState) -> None:
    run = await brought_to(store, state)
    await store.runs.record_report(run.key, report(RunState.SUCCEEDED), at(5), SOON)
    row = await columns(store, run.key)
    assert row["state"] == (state if state is RunState.TIMED_OUT else RunState.UPLOADING)
    assert row["due_at"] == at(5)
    await store.runs.record_report(run.key, SUCCESS, at(6), SOON, asked=True)
    assert (await fetch(store, run.key)).outputs == (PICTURE,)


@pytest.mark.sqlite_only
async def test_an_answer_to_our_question_may_have_no_outputs(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(RunState.SUCCEEDED), at(5), SOON, asked=True)
    assert (await fetch(store, run.key)).state is RunState.SUCCEEDED


async def test_a_given_up_run_that_failed_upstream_too_is_not_asked_about_any_more(store: Store) -> None:
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
async def test_an_unknown_key_is_a_key_error_everywhere(store: Store) -> None:
    with pytest.raises(KeyError):
        await store.runs.record_report("nobody", SUCCESS, NOW, SOON)
    with pytest.raises(KeyError):
        await store.runs.finish("nobody", RunState.FAILED, NOW, code="x")
    with pytest.raises(KeyError):
        await store.runs.request_cancel("nobody", NOW, by=1)
    assert await store.runs.get("nobody") is None
    await store.runs.save_progress({"nobody": report(progress=0.5)}, NOW)


async def test_a_reason_is_added_to_a_failure_nobody_has_been_told(store: Store) -> None:
    run = await brought_to(store, RunState.FAILED)
    await store.runs.add_failure_reason(run.key, "comfy_invalid", {"fields": "cfg"})
    told = await fetch(store, run.key)
    assert (told.failure_code, told.failure_params) == ("comfy_invalid", {"fields": "cfg"})


async def test_a_reason_comes_too_late_once_the_failure_is_on_its_way(store: Store) -> None:
    run = await brought_to(store, RunState.FAILED)
    delivery = await store.deliveries.claim("courier", at(60), SOON - NOW)
    assert delivery is not None
    assert await store.deliveries.mark_attempt(delivery, "courier", at(60), SOON - NOW, 1)
    await store.runs.add_failure_reason(run.key, "comfy_rejected", {})
    assert (await fetch(store, run.key)).failure_code == "run_failed"
    await store.deliveries.mark_sent(delivery.id, [(1, 2)])
    await store.runs.add_failure_reason(run.key, "comfy_rejected", {})
    assert (await fetch(store, run.key)).failure_code == "run_failed"


async def test_a_failure_before_the_queue_reply_waits_for_its_reason(store: Store) -> None:
    early = await submitted(store)
    await store.runs.record_report(early.key, report(RunState.FAILED), NOW, SOON)
    # That it made nothing is known before.
    await store.runs.record_report(early.key, report(RunState.FAILED), at(1), SOON, asked=True)
    assert await store.deliveries.claim("courier", at(2.9), SOON - NOW) is None
    assert await store.deliveries.claim("courier", at(3), SOON - NOW) is not None


async def test_what_waits_for_another_call_and_is_heard_of_all_the_same_gets_none(store: Store) -> None:
    """The first call was taken, whatever its answer said; also where the status is a word yet to come."""
    for state in (None, RunState.QUEUED, RunState.RUNNING):
        run = await submitted(store)
        await store.claims.requeue(run.key, at(5), NOW)
        await store.runs.record_report(run.key, report(state), at(6), SOON)
        assert await take(store, at(10)) is None
        adopted = await fetch(store, run.key)
        assert adopted.state is (state or RunState.QUEUED)
        assert adopted.run_id == RUN_ID
        assert deadline_of(adopted, None) == at(6 + adopted.deadline_seconds)


async def test_the_outcome_of_a_failure_waits_until_what_it_made_is_known(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(RunState.FAILED), at(1), SOON)
    assert await store.deliveries.claim("courier", at(10.9), LEASE) is None
    answer = report(RunState.FAILED, outputs=(PICTURE,), gpu="L4", run_duration=2.5, log="ValueError: x")
    change = await store.runs.record_report(run.key, answer, at(2), SOON, asked=True)
    assert change is not None
    assert change.ends_run
    delivery = await claimed(store, now=at(2))
    shown = delivery.batch[0]
    assert (shown.state, shown.partial, shown.outputs) == (RunState.FAILED, True, (PICTURE,))
    assert (shown.failure_log, shown.gpu_used, shown.charged_seconds) == ("ValueError: x", "L4", 2.5)
    assert await purposes(store, run.key) == ["o"]
    assert [entry.outcome for entry in await audit_log(store) if entry.action == "outcome"] == ["failed"]


async def test_an_outcome_waits_no_longer_than_its_grace_and_not_at_all_once_released(store: Store) -> None:
    first, second = [await brought_to(store, RunState.RUNNING) for _ in range(2)]
    for run in (first, second):
        await store.runs.record_report(run.key, report(RunState.CANCELLED), NOW, SOON)
    (checked,) = await store.claims.claim_checks(at(1), timedelta(seconds=15), 1)
    assert checked.key in (first.key, second.key)
    await store.runs.release_outcome(checked.key, at(1))
    assert (await claimed(store, now=at(1))).run.key == checked.key
    assert await store.deliveries.claim("courier", at(9.9), LEASE) is None
    assert (await claimed(store, now=at(10))).run.key != checked.key


async def test_outputs_after_the_outcome_are_delivered_once_by_themselves(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(RunState.FAILED), NOW, SOON)
    outcome = await claimed(store, now=at(10))
    assert await store.deliveries.mark_attempt(outcome, "courier", at(10), LEASE, 1)
    late = report(RunState.FAILED, outputs=(PICTURE,))
    for seconds in (20, 21):
        await store.runs.record_report(run.key, late, at(seconds), SOON)
    assert await purposes(store, run.key) == ["o", "l"]


async def test_a_courier_does_not_post_a_failure_that_has_gained_outputs(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.record_report(run.key, report(RunState.FAILED), NOW, SOON)
    outcome = await claimed(store, now=at(10))
    await store.runs.record_report(run.key, report(RunState.FAILED, outputs=(PICTURE,)), at(11), SOON)
    assert not await store.deliveries.mark_attempt(outcome, "courier", at(12), LEASE, 1)
    assert await purposes(store, run.key) == ["o"]


async def test_a_success_after_a_late_part_replaces_it(store: Store) -> None:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.finish(run.key, RunState.TIMED_OUT, NOW, code="deadline_running")
    outcome = await claimed(store)
    await store.deliveries.mark_sent(outcome.id, [MessageRef(1, 2)])
    await store.deliveries.complete(outcome.id, NOW)
    part = report(RunState.CANCELLED, outputs=(PICTURE,))
    await store.runs.record_report(run.key, part, at(1), SOON, asked=True)
    late = await claimed(store, now=at(1))
    await store.deliveries.mark_sent(late.id, [MessageRef(1, 3)])
    await store.deliveries.complete(late.id, at(1))
    await store.runs.record_report(run.key, SUCCESS, at(2), SOON)
    again = await claimed(store, now=at(2))
    assert (again.id, again.run.state, again.run.partial, again.messages) == (
        late.id,
        RunState.SUCCEEDED,
        False,
        (),
    )
    assert (await store.deliveries.sent(run.key, Purpose.LATE)).earlier == (MessageRef(1, 3),)


async def test_a_deadline_is_noted_only_while_the_run_is_in_flight(store: Store) -> None:
    running, ended = await brought_to(store, RunState.RUNNING), await brought_to(store, RunState.SUCCEEDED)
    for run in (running, ended):
        await store.runs.note_deadline(run.key, "deadline")
    assert [(await fetch(store, run.key)).failure_code for run in (running, ended)] == ["deadline", None]
    await store.runs.record_report(running.key, report(RunState.CANCELLED), NOW, SOON, asked=True)
    told = await fetch(store, running.key)
    assert (told.state, told.failure_code) == (RunState.TIMED_OUT, "deadline")
