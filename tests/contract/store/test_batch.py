"""Several runs of one request taken in: all of them or none, by one decision."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.errors import AlreadyTaken, RefusedError
from bot.domain.runs import Run, RunState
from bot.store import Store
from tests.contract.store.batches import accepted, asked, purposes_of_each
from tests.contract.store.decisions import accept_for_review
from tests.contract.store.rows import GUILD, audit_log, run_keys, stored_rules
from tests.contract.store.runs import NOW, PERSON, accept, columns, request, take


async def test_all_are_stored_with_the_first_as_their_lead(store: Store) -> None:
    requests = asked(3)
    lead = await accept(store, *requests)
    runs = await store.runs.batch(lead)
    assert [run.key for run in runs] == [each.key for each in requests]
    assert [(run.batch_key, run.batch_index, run.batch_size) for run in runs] == [
        (lead.key, index, 3) for index in range(3)
    ]
    assert [run.seed for run in runs] == [0, 1, 2]
    # The interaction is answered once.
    assert [run.interaction_token for run in runs] == ["an-interaction-token", None, None]
    assert [line.action for line in await audit_log(store)] == ["request"] * 3


async def test_the_budget_has_room_for_all_or_none_is_taken(store: Store) -> None:
    await stored_rules(store, GUILD, {"budgets": {"person": {"waiting": None, "runs_a_day": 3}}})
    await accept(store, *asked(1))
    with pytest.raises(RefusedError) as refused:
        await accept(store, *asked(4))
    assert refused.value.code == "budget_runs_count"
    assert {name: refused.value.params[name] for name in ("possible", "count", "limit")} == {
        "possible": 2,
        "count": 4,
        "limit": 3,
    }
    assert len(await run_keys(store)) == 1
    lines = await audit_log(store)
    assert [(line.action, line.outcome) for line in lines[1:]] == [("refusal", "budget_runs_count")]
    await accept(store, *asked(2))
    assert len(await run_keys(store)) == 3
    with pytest.raises(RefusedError) as refused:
        await accept(store, *asked(2))
    assert refused.value.code == "budget_runs"


async def test_of_many_at_once_none_overdraws_and_none_is_taken_in_part(store: Store, other: Store) -> None:
    await stored_rules(store, GUILD, {"budgets": {"person": {"waiting": None, "runs_a_day": 8}}})
    results = await asyncio.gather(
        *(accept((store, other)[n % 2], *asked(3)) for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(result, Run) for result in results) == 2
    assert len(await run_keys(store)) == 6


async def test_an_interaction_taken_twice_is_taken_once_with_all_of_its_runs(
    store: Store, other: Store
) -> None:
    origin = request().origin.model_copy(update={"interaction_id": 1 << 62})
    results = await asyncio.gather(
        *(accept(each, *asked(3, origin=origin)) for each in (store, other)), return_exceptions=True
    )
    assert sorted(type(result) for result in results if not isinstance(result, Run)) == [AlreadyTaken]
    assert len(await run_keys(store)) == 3


async def test_an_answer_that_was_refused_takes_all_of_them_back(store: Store) -> None:
    lead = await accept(store, *asked(3))
    assert await store.runs.withdraw(lead.key)
    assert await run_keys(store) == set()
    runs = await accepted(store)
    assert await take(store) is not None
    assert not await store.runs.withdraw(runs[0].key)
    assert len(await run_keys(store)) == 3


async def test_the_answer_lets_all_of_them_go_out(store: Store) -> None:
    runs = await accepted(store)
    assert [run.status_message_id for run in runs] == [77, None, None]
    going = [await take(store) for _ in range(4)]
    assert [run.key if run else None for run in going] == [*(run.key for run in runs), None]


async def test_one_card_decides_about_all_of_them(store: Store) -> None:
    lead = await accept_for_review(store, *asked(3))
    runs = list(await store.runs.batch(lead))
    assert await purposes_of_each(store, runs) == [["r"], [], []]
    assert [(await columns(store, run.key))["due_at"] is None for run in runs] == [False, True, True]
    await store.reviews.approve(lead.key, 5, NOW)
    after = await store.runs.batch(lead)
    assert {(run.state, run.decided_by) for run in after} == {(RunState.WAITING, 5)}
    assert await purposes_of_each(store, runs) == [["r", "c"], [], []]
    assert [line.action for line in await audit_log(store)].count("approve") == 3


async def test_without_an_approval_all_of_them_end_with_one_outcome(store: Store) -> None:
    for how in ("rejected", "expired", "cancelled", "refused"):
        lead = await accept_for_review(store, *asked(3))
        if how == "rejected":
            await store.reviews.reject(lead.key, 5, "no", NOW)
        elif how == "cancelled":
            await store.runs.request_cancel(lead.key, NOW, by=PERSON.id)
        else:
            assert await store.runs.finish(lead.key, RunState(how), NOW, code=how) is not None
        runs = list(await store.runs.batch(lead))
        assert {run.state for run in runs} == {RunState(how)}
        first, *others = await purposes_of_each(store, runs)
        assert sorted(first) == sorted(["r", "c", "o", *(["d"] if how == "rejected" else [])])
        assert others == [[], []]


@pytest.mark.sqlite_only
async def test_a_refusal_that_a_smaller_number_would_meet_as_well_says_nothing_of_numbers(
    store: Store,
) -> None:
    await store.pause.pause("x", by=1, now=NOW)
    with pytest.raises(RefusedError) as refused:
        await accept(store, *asked(3))
    assert (refused.value.code, refused.value.params) == ("paused", {"reason": "x"})
