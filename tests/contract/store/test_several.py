"""Several runs of one request: accepted together, told together, gone together."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.errors import AlreadyTaken, RefusedError
from bot.moderation.people import Person
from bot.moderation.rules import ServerRules
from bot.runs import Run, RunState
from bot.runs.policy import Allowed, Decision, OperatorRules, Refused, Usage, decide
from bot.runs.request import GenerationRequest
from bot.store import Store
from bot.store.history import RunFilter
from bot.store.rows import DeliveryState, Purpose
from bot.store.tables import runs as table
from tests.contract.store.scenes import (
    LEASE,
    NOW,
    PERSON,
    SOON,
    at,
    claimed,
    columns,
    fetch,
    owed,
    request,
    take,
)
from tests.contract.store.several import accepted, asked, ended, running, said, success, taken
from tests.contract.store.stored import GUILD, record, stored_rules

FAST, SLOW = timedelta(seconds=3), timedelta(seconds=15)


def by_rules(asked: GenerationRequest, person: Person, usage: Usage, rules: ServerRules) -> Decision:
    return decide(asked, person, usage, OperatorRules(), rules)


def in_review(*_: object) -> Decision:
    return Allowed(review_channel_id=9, approval_ends=NOW + timedelta(hours=1))


async def keys(store: Store) -> list[str]:
    async with store.database.read() as connection:
        return list((await connection.execute(select(table.c.key))).scalars())


async def purposes(store: Store, runs: list[Run]) -> list[list[str]]:
    return [[row["purpose"] for row in await owed(store, run.key)] for run in runs]


async def test_all_are_stored_with_the_first_as_their_lead(store: Store) -> None:
    requests = asked(3)
    lead = await taken(store, requests)
    runs = await store.runs.together(lead)
    assert [run.key for run in runs] == [each.key for each in requests]
    assert [(run.batch_key, run.batch_index, run.batch_size) for run in runs] == [
        (lead.key, index, 3) for index in range(3)
    ]
    assert [run.seed for run in runs] == [0, 1, 2]
    # The interaction is answered once.
    assert [run.interaction_token for run in runs] == ["an-interaction-token", None, None]
    assert [line.action for line in await record(store)] == ["request"] * 3


async def test_the_budget_has_room_for_all_or_none_is_taken(store: Store) -> None:
    await stored_rules(store, GUILD, {"budgets": {"person": {"waiting": None, "runs_a_day": 3}}})
    await taken(store, asked(1), by_rules)
    with pytest.raises(RefusedError) as refused:
        await taken(store, asked(4), by_rules)
    assert refused.value.code == "budget_runs_count"
    assert {name: refused.value.params[name] for name in ("possible", "count", "limit")} == {
        "possible": 2,
        "count": 4,
        "limit": 3,
    }
    assert len(await keys(store)) == 1
    lines = await record(store)
    assert [(line.action, line.outcome) for line in lines[1:]] == [("refusal", "budget_runs_count")]
    await taken(store, asked(2), by_rules)
    assert len(await keys(store)) == 3
    with pytest.raises(RefusedError) as refused:
        await taken(store, asked(2), by_rules)
    assert refused.value.code == "budget_runs"


async def test_of_many_at_once_none_overdraws_and_none_is_taken_in_part(store: Store, other: Store) -> None:
    await stored_rules(store, GUILD, {"budgets": {"person": {"waiting": None, "runs_a_day": 8}}})
    results = await asyncio.gather(
        *(taken((store, other)[n % 2], asked(3), by_rules) for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(result, Run) for result in results) == 2
    assert len(await keys(store)) == 6


async def test_an_interaction_taken_twice_is_taken_once_with_all_of_its_runs(
    store: Store, other: Store
) -> None:
    origin = request().origin.model_copy(update={"interaction_id": 1 << 62})
    results = await asyncio.gather(
        *(taken(each, asked(3, origin=origin)) for each in (store, other)), return_exceptions=True
    )
    assert sorted(type(result) for result in results if not isinstance(result, Run)) == [AlreadyTaken]
    assert len(await keys(store)) == 3


async def test_an_answer_that_was_refused_takes_all_of_them_back(store: Store) -> None:
    lead = await taken(store, asked(3))
    assert await store.runs.withdraw(lead.key)
    assert await keys(store) == []
    runs = await accepted(store)
    assert await take(store) is not None
    assert not await store.runs.withdraw(runs[0].key)
    assert len(await keys(store)) == 3


async def test_the_answer_lets_all_of_them_go_out(store: Store) -> None:
    runs = await accepted(store)
    assert [run.status_message_id for run in runs] == [77, None, None]
    going = [await take(store) for _ in range(4)]
    assert [run.key if run else None for run in going] == [*(run.key for run in runs), None]


async def test_the_outcome_is_owed_by_the_lead_when_the_last_has_ended(store: Store) -> None:
    runs = await running(store)
    await ended(store, runs[0], runs[2])
    assert await purposes(store, runs) == [[], [], []]
    assert await store.deliveries.claim("courier", NOW, LEASE) is None
    await store.runs.record(runs[1].key, said(runs[1], RunState.FAILED), at(5), SOON)
    assert await purposes(store, runs) == [["o"], [], []]
    delivery = await claimed(store, now=at(5))
    assert delivery.run.key == runs[0].key
    assert [run.state for run in delivery.together] == ["succeeded", "failed", "succeeded"]


@pytest.mark.parametrize("count", [2, 4, 10])
async def test_of_all_that_end_at_once_exactly_one_owes(store: Store, other: Store, count: int) -> None:
    runs = await running(store, count)
    await asyncio.gather(
        *(
            (store, other)[n % 2].runs.record(run.key, success(run), NOW, SOON)
            for n, run in enumerate([*runs, *runs])
        )
    )
    assert await purposes(store, runs) == [["o"], *[[]] * (count - 1)]


async def test_ends_cancellations_and_progress_at_once_leave_one_outcome(store: Store, other: Store) -> None:
    """Every way that locks several rows, against each other: none waits for another for ever."""
    for _ in range(5):
        runs = await running(store, 6)
        news = {run.key: said(run, RunState.RUNNING, progress=0.5) for run in runs}
        await asyncio.gather(
            *(other.runs.record(run.key, success(run), NOW, SOON) for run in reversed(runs[:4])),
            store.runs.save_progress(news, NOW),
            store.runs.request_cancel(runs[0].key, NOW, by=PERSON.id),
            *(store.runs.finish(run.key, RunState.CANCELLED, NOW, code="x") for run in runs[3:]),
            other.work.claim_status(NOW, FAST, SLOW, 50),
        )
        assert await purposes(store, runs) == [["o"], *[[]] * 5]


async def test_a_cancellation_ends_what_waits_and_marks_what_runs(store: Store) -> None:
    runs = await accepted(store)
    assert await take(store) is not None
    await store.runs.record(runs[0].key, said(runs[0], RunState.RUNNING), NOW, SOON)
    before = await store.runs.request_cancel(runs[0].key, NOW, by=PERSON.id)
    assert not before.final
    after = await store.runs.together(runs[0])
    assert [run.state for run in after] == ["running", "cancelled", "cancelled"]
    assert all(run.cancel_requested_at for run in after)
    assert await purposes(store, runs) == [[], [], []]
    await store.runs.finish(runs[0].key, RunState.CANCELLED, NOW, code="cancelled_by_requester")
    assert await purposes(store, runs) == [["o"], [], []]
    assert (await store.runs.request_cancel(runs[0].key, NOW, by=PERSON.id)).final


async def test_a_failure_waits_for_its_reason_also_when_another_ends_last(store: Store) -> None:
    runs = await accepted(store, 2)
    for _ in runs:
        await take(store)
    await store.runs.record(runs[0].key, said(runs[0], RunState.FAILED), NOW, SOON)
    await store.runs.record(runs[1].key, success(runs[1]), NOW, SOON)
    await store.runs.explain(runs[0].key, "comfy_rejected", {})
    assert await store.deliveries.claim("courier", NOW, LEASE) is None
    delivery = await claimed(store, now=at(3))
    assert delivery.together[0].failure_code == "comfy_rejected"


async def test_a_late_success_before_the_outcome_is_seen_stands_in_it(store: Store) -> None:
    runs = await running(store, 2)
    await store.runs.finish(runs[1].key, RunState.TIMED_OUT, NOW, code="deadline")
    await ended(store, runs[1])  # the other one still runs
    assert await purposes(store, runs) == [[], []]
    await ended(store, runs[0])
    assert await purposes(store, runs) == [["o"], []]
    delivery = await claimed(store)
    assert [run.state for run in delivery.together] == ["succeeded", "succeeded"]
    assert delivery.late == frozenset()


async def test_a_success_after_the_courier_looked_keeps_it_from_sending_the_old_verdict(store: Store) -> None:
    runs = await running(store, 2)
    await store.runs.finish(runs[1].key, RunState.TIMED_OUT, NOW, code="deadline")
    await ended(store, runs[0])
    delivery = await claimed(store)
    await ended(store, runs[1])
    assert not await store.deliveries.mark_attempt(delivery, "courier", NOW, LEASE, 1)
    assert await purposes(store, runs) == [["o"], []]


async def test_a_late_success_after_the_outcome_is_seen_comes_by_itself_once(store: Store) -> None:
    runs = await running(store, 2)
    await store.runs.finish(runs[0].key, RunState.TIMED_OUT, NOW, code="deadline")
    await ended(store, runs[1])
    delivery = await claimed(store)
    assert await store.deliveries.mark_attempt(delivery, "courier", NOW, LEASE, 1)
    await ended(store, runs[0], runs[0])
    assert await purposes(store, runs) == [["o", "l"], []]
    # The outcome goes on as what it is: it is neither closed nor shown with what comes by itself.
    await store.deliveries.postpone(delivery.id, "courier", NOW)
    again = await claimed(store)
    assert (again.id, again.late) == (delivery.id, frozenset({runs[0].key}))
    own = await claimed(store)
    assert (own.run.key, own.purpose, own.beside_others) == (runs[0].key, Purpose.LATE, True)


async def test_one_card_decides_about_all_of_them(store: Store) -> None:
    lead = await taken(store, asked(3), in_review)
    runs = list(await store.runs.together(lead))
    assert await purposes(store, runs) == [["r"], [], []]
    assert [(await columns(store, run.key))["due_at"] is None for run in runs] == [False, True, True]
    await store.reviews.approve(lead.key, 5, NOW)
    after = await store.runs.together(lead)
    assert {(run.state, run.decided_by) for run in after} == {(RunState.WAITING, 5)}
    assert await purposes(store, runs) == [["r", "c"], [], []]
    assert [line.action for line in await record(store)].count("approve") == 3


@pytest.mark.parametrize("how", ["rejected", "expired", "cancelled", "refused"])
async def test_without_an_approval_all_of_them_end_with_one_outcome(store: Store, how: str) -> None:
    lead = await taken(store, asked(3), in_review)
    if how == "rejected":
        await store.reviews.reject(lead.key, 5, "no", NOW)
    elif how == "cancelled":
        await store.runs.request_cancel(lead.key, NOW, by=PERSON.id)
    else:
        assert await store.runs.finish(lead.key, RunState(how), NOW, code=how) is not None
    runs = list(await store.runs.together(lead))
    assert {run.state for run in runs} == {RunState(how)}
    first, *others = await purposes(store, runs)
    assert sorted(first) == sorted(["r", "c", "o", *(["d"] if how == "rejected" else [])])
    assert others == [[], []]


async def test_the_status_message_follows_all_of_them_until_the_last_has_ended(store: Store) -> None:
    runs = await running(store)
    assert [run.key for run in await store.work.claim_status(NOW, FAST, SLOW, 50)] == [runs[0].key]
    assert not await store.work.claim_status(at(20), FAST, SLOW, 50)
    news = {runs[2].key: said(runs[2], RunState.RUNNING, progress=0.5)}
    await store.runs.save_progress(news, at(20))
    assert [run.key for run in await store.work.claim_status(at(20), FAST, SLOW, 50)] == [runs[0].key]
    await ended(store, runs[0], now=at(21))  # the lead itself has ended, the others go on
    assert not await store.work.claim_status(at(21), FAST, SLOW, 50)
    assert [run.key for run in await store.work.claim_status(at(24), FAST, SLOW, 50)] == [runs[0].key]
    await ended(store, *runs[1:], now=at(25))
    assert not await store.work.claim_status(at(60), FAST, SLOW, 50)


async def test_a_list_has_them_as_one_and_finds_them_by_the_state_of_any(store: Store) -> None:
    runs = await running(store)
    alone = (await accepted(store, 1))[0]
    await ended(store, runs[1])
    page = await store.history.page(PERSON.id, limit=10)
    assert {entry.run.key for entry in page.entries} == {runs[0].key, alone.key}
    for wanted in (RunFilter.RUNNING, RunFilter.DONE):
        (entry,) = (await store.history.page(PERSON.id, limit=10, wanted=wanted)).entries
        assert [run.key for run in entry.all] == [run.key for run in runs]
    (waiting,) = (await store.history.page(PERSON.id, limit=10, wanted=RunFilter.WAITING)).entries
    assert list(waiting.all) == [await fetch(store, alone.key)]


async def test_a_kept_result_is_owed_again_in_the_new_place_for_all_of_them(store: Store) -> None:
    runs = await running(store)
    await ended(store, *runs)
    delivery = await claimed(store)
    await store.deliveries.keep(delivery.id, "courier", NOW, "closed")
    (entry,) = (await store.history.page(PERSON.id, limit=5, wanted=RunFilter.KEPT)).entries
    assert entry.kept
    place = request().origin.model_copy(update={"channel_id": 4, "guild_id": None})
    assert await store.history.reopen(runs[0].key, place, NOW)
    # The server's budget has paid for them, so there they stay.
    server = request().origin.guild_id
    assert {(run.channel_id, run.guild_id) for run in await store.runs.together(runs[0])} == {(4, server)}
    assert (await claimed(store)).run.key == runs[0].key


async def test_retention_takes_all_of_them_or_none(store: Store) -> None:
    runs = await running(store)
    await ended(store, *runs[:2])
    years_later = NOW + timedelta(days=4000)
    assert (
        await store.retention.outdated(years_later, 10) is None
        or not (await store.retention.outdated(years_later, 10)).run_keys
    )
    await ended(store, runs[2])
    assert not (await store.retention.outdated(years_later, 10)).run_keys  # its outcome is owed
    delivery = await claimed(store)
    await store.deliveries.complete(delivery.id, NOW)
    outdated = await store.retention.outdated(years_later, 1)
    assert list(outdated.run_keys) == [runs[0].key]
    await store.retention.remove(outdated)
    assert await keys(store) == []


async def test_erasing_leaves_all_of_them_while_one_runs_and_empties_all_afterwards(store: Store) -> None:
    runs = await running(store)
    await ended(store, *runs[:2])
    erased = await store.privacy.erase(PERSON.id, NOW)
    assert (erased.emptied, len(erased.left)) == (0, 3)
    await ended(store, runs[2])
    await store.deliveries.complete((await claimed(store)).id, NOW)
    assert (await store.privacy.erase(PERSON.id, NOW)).emptied == 3
    assert {run.prompt for run in await store.runs.together(runs[0])} == {None}


async def test_one_is_deleted_and_then_the_rest(store: Store) -> None:
    runs = await running(store)
    await ended(store, *runs[:2])
    await store.runs.finish(runs[2].key, RunState.FAILED, NOW, code="run_failed")
    await store.reviews.delete(runs[0].key, PERSON.id, NOW)
    await store.reviews.delete_all(runs[0].key, PERSON.id, NOW)
    assert [run.deleted_at is not None for run in await store.runs.together(runs[0])] == [True, True, False]
    assert await purposes(store, runs) == [["o", "x"], ["x"], []]
    with pytest.raises(RefusedError, match="already_deleted"):
        await store.reviews.delete_all(runs[0].key, PERSON.id, NOW)
    assert (await owed(store, runs[0].key))[0]["state"] == DeliveryState.PENDING


async def test_a_refusal_that_a_smaller_number_would_meet_as_well_says_nothing_of_numbers(
    store: Store,
) -> None:
    def judge(*_: object) -> Decision:
        return Refused(RefusedError("paused", reason="x"))

    with pytest.raises(RefusedError) as refused:
        await taken(store, asked(3), judge)
    assert (refused.value.code, refused.value.params) == ("paused", {"reason": "x"})
