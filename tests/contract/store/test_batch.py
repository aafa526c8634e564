"""Batches are accepted, withdrawn and decided as a whole."""

from __future__ import annotations

from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.batches import asked, kinds_of_each
from tests.contract.store.rows import audit_log
from tests.contract.store.runs import NOW, PERSON, accept, accept_for_review


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
