"""Batches are accepted, withdrawn and decided as a whole."""

from __future__ import annotations

import pytest

from bot.domain.errors import RefusedError
from bot.domain.runs import Run, RunState
from bot.store import Store
from tests.contract.store.batches import accepted, asked, kinds_of_each
from tests.contract.store.rows import GUILD, audit_log, run_keys, stored_rules
from tests.contract.store.runs import NOW, PERSON, accept, accept_for_review, at_once, columns, take


async def test_a_batch_is_stored_with_its_first_run_as_lead(store: Store) -> None:
    requests = asked(3)
    lead = await accept(store, *requests)
    runs = await store.runs.batch(lead)
    assert [run.key for run in runs] == [each.key for each in requests]
    for index, run in enumerate(runs):
        assert (run.request_key, run.index, run.count, run.seed) == (lead.key, index, 3, index)
    # The interaction is answered once.
    assert [run.interaction_token for run in runs] == ["an-interaction-token", None, None]
    assert [line.action for line in await audit_log(store)] == ["request"]


async def test_a_batch_larger_than_the_rest_of_the_budget_is_refused(store: Store) -> None:
    await stored_rules(store, GUILD, {"budgets": {"person": {"waiting": None, "runs_a_day": 3}}})
    await accept(store, *asked(1))
    with pytest.raises(RefusedError) as refused:
        await accept(store, *asked(4))
    assert refused.value.code == "budget_runs_count"
    assert refused.value.params.items() >= {"possible": 2, "count": 4, "limit": 3}.items()
    assert len(await run_keys(store)) == 1
    lines = await audit_log(store)
    assert [(line.action, line.outcome) for line in lines[1:]] == [("refusal", "budget_runs_count")]
    await accept(store, *asked(2))
    assert len(await run_keys(store)) == 3
    with pytest.raises(RefusedError, match="budget_runs "):
        await accept(store, *asked(2))


async def test_concurrent_batches_are_accepted_whole_or_not_at_all(store: Store, other: Store) -> None:
    await stored_rules(store, GUILD, {"budgets": {"person": {"waiting": None, "runs_a_day": 8}}})
    results = await at_once(*(accept(each, *asked(3)) for each in [store, other] * 3))
    assert sum(isinstance(result, Run) for result in results) == 2
    assert len(await run_keys(store)) == 6


async def test_an_interaction_that_two_processes_receive_is_accepted_once(store: Store, other: Store) -> None:
    results = await at_once(*(accept(each, *asked(3, interaction_id=1 << 62)) for each in (store, other)))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyTaken", "Run"]
    assert len(await run_keys(store)) == 3


async def test_every_run_may_start_and_the_first_has_the_answer(store: Store) -> None:
    runs = await accepted(store)
    assert [run.status_message_id for run in runs] == [77, None, None]
    going = [await take(store) for _ in range(4)]
    assert [run.key if run else None for run in going] == [*(run.key for run in runs), None]


async def test_one_card_decides_about_the_batch(store: Store) -> None:
    lead = await accept_for_review(store, *asked(3))
    runs = list(await store.runs.batch(lead))
    assert await kinds_of_each(store, runs) == [["review"], [], []]
    assert [(await columns(store, run.key))["due_at"] is None for run in runs] == [False, True, True]
    await store.reviews.approve(lead.key, 5, NOW)
    after = await store.runs.batch(lead)
    assert {(run.state, run.decided_by) for run in after} == {(RunState.WAITING, 5)}
    assert await kinds_of_each(store, runs) == [["review"], [], []]
    assert [line.action for line in await audit_log(store)].count("approve") == 1


async def test_an_unapproved_batch_ends_with_one_outcome(store: Store) -> None:
    for how in ("rejected", "expired", "cancelled", "refused"):
        lead = await accept_for_review(store, *asked(3))
        if how == "rejected":
            await store.reviews.reject(lead.key, 5, "no", NOW)
        elif how == "cancelled":
            await store.runs.request_cancel(lead.key, NOW, by=PERSON.id)
        else:
            assert await store.runs.finish(lead.key, RunState(how), NOW, code=how)
        runs = list(await store.runs.batch(lead))
        assert {(run.state, run.hidden_from_channel) for run in runs} == {(RunState(how), True)}
        first, *others = await kinds_of_each(store, runs)
        assert sorted(first) == ["outcome", "review"]
        assert others == [[], []]


@pytest.mark.sqlite_only
async def test_a_refusal_mentions_the_count_only_if_fewer_runs_were_accepted(store: Store) -> None:
    await store.pause.pause("x", by=1, now=NOW)
    with pytest.raises(RefusedError) as refused:
        await accept(store, *asked(3))
    assert (refused.value.code, refused.value.params) == ("paused", {"reason": "x"})
