"""Moderators' decisions: each is made once, by one moderator, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.domain.messages.records import Claim, Kind
from bot.domain.moderation import Report
from bot.domain.picture_check import Verdict, decision_by
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.rows import GUILD, MOD, audit_log, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    SUCCESS,
    accepted,
    at,
    at_once,
    awaiting_approval,
    brought_to,
    claimed,
    columns,
    fetch,
    is_pending,
    kinds,
    owed,
    refusals,
    release,
    report,
    started,
    take,
)

RITA = MOD + 1


async def test_an_approval_uses_the_requesters_current_roles(store: Store) -> None:
    run, other = await awaiting_approval(store), await awaiting_approval(store)
    assert run.requester_roles == ()
    limits = {"person": {"at_once": 1}, "roles": {"5": {"at_once": 4}}}
    await stored_rules(store, GUILD, RULES | {"budgets": limits, "deployment_roles": {"flux": [5]}})
    member = replace(PERSON, role_ids=frozenset({5}))
    assert await store.reviews.approve(run.key, MOD, at(2), person=member) is None
    assert (await fetch(store, run.key)).requester_roles == (5,)
    assert (await columns(store, run.key))["user_limit"] == 4
    assert await take(store, at(2)) is not None
    refused = await store.reviews.approve(other.key, MOD, at(3), person=PERSON)
    assert refused is not None
    assert refused.code == "deployment_role_none"


@pytest.mark.sqlite_only
async def test_no_report_of_comfydeploy_approves_a_request(store: Store) -> None:
    run = await awaiting_approval(store)
    for state in RunState:
        await store.runs.record_report(run.key, report(state), at(1), SOON)
    assert (await fetch(store, run.key)).state is RunState.AWAITING_APPROVAL


async def test_discarding_a_placeholder_keeps_the_result(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    await store.reviews.discard(run.key, MOD, NOW)
    assert [row["deleted_by"] for row in await owed(store, run.key)] == [None]
    assert await fetch(store, run.key) == run


async def test_a_late_result_can_be_deleted_after_its_verdict(store: Store) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    await store.reviews.discard(run.key, PERSON.id, NOW)
    await store.runs.record_report(run.key, SUCCESS, at(60), at(120))
    await store.reviews.delete(run.key, PERSON.id, at(61))
    (row,) = await owed(store, run.key)
    assert (is_pending(row), row["due_at"]) == (True, at(61))
    deleted = await fetch(store, run.key)
    assert (deleted.state, deleted.deleted_at) == (RunState.SUCCEEDED, at(61))


HELD = {"1": ("held", "explicit")}


async def looked_at(store: Store, claim: Claim, **verdicts: Any) -> bool:
    """Store the verdicts on the outputs of a claimed message."""
    checked = [replace(run, verdicts=verdicts) for run in claim.shown]
    return await store.messages.checked(claim, checked, NOW, at(3600), GUILD + 1)


async def test_verdicts_on_outputs_that_a_report_has_replaced_are_not_stored(store: Store) -> None:
    run = await accepted(store, to_check=True)
    await started(store)
    part = report(RunState.TIMED_OUT, outputs=SUCCESS.outputs)
    await store.runs.record_report(run.key, part, NOW, SOON, asked=True)
    claim = await claimed(store)
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    assert not await looked_at(store, claim)
    assert (await fetch(store, run.key)).verdicts is None


async def test_what_a_late_success_made_has_to_be_checked(store: Store) -> None:
    run = await accepted(store, to_check=True)
    await started(store)
    part = report(RunState.TIMED_OUT, outputs=SUCCESS.outputs)
    await store.runs.record_report(run.key, part, NOW, SOON, asked=True)
    assert await looked_at(store, await claimed(store), **HELD)
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    assert (await fetch(store, run.key)).verdicts is None


async def test_moderators_decide_only_about_what_their_card_shows(store: Store) -> None:
    run = await accepted(store, to_check=True)
    await started(store)
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    claim = await claimed(store)
    assert await looked_at(store, claim, **HELD)
    await release(store, claim, NOW, shown=True)
    decision = decision_by(MOD, Verdict.SHOW)
    with pytest.raises(RefusedError, match="pictures_more"):
        await store.reviews.decide_pictures(run.key, decision, NOW)
    card = await claimed(store)
    assert card.message.kind is Kind.PICTURES
    await release(store, card, NOW, shown=True)
    await store.reviews.decide_pictures(run.key, decision, NOW)
    assert (await fetch(store, run.key)).verdicts == {"1": ["show", "explicit"]}


async def test_a_moderator_may_repeat_a_rejection(store: Store) -> None:
    run = await awaiting_approval(store)
    for _ in range(2):
        await store.reviews.reject(run.key, MOD, "no", NOW)
    with pytest.raises(RefusedError, match="already_decided"):
        await store.reviews.reject(run.key, RITA, "no", NOW)
    assert [line.action for line in await audit_log(store)].count("reject") == 1


async def test_several_reports_share_one_card_and_one_dismissal(store: Store, other: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    for reporter, where in ((5, 90), (6, 91), (5, 92)):
        assert await store.reviews.report(run.key, Report(reporter, "?"), where, NOW)
    assert (await kinds(store, run.key)).count("report") == 1
    assert (await fetch(store, run.key)).report_channel_id == 90
    reports = [line for line in await audit_log(store) if line.action == "report"]
    assert [line.actor_id for line in reports] == [5, 6]
    dismissals = [each.reviews.dismiss(run.key, MOD, NOW) for each in (store, other)]
    assert [error.code for error in refusals(await at_once(*dismissals))] == ["report_over"]
    assert [line.action for line in await audit_log(store)].count("dismiss") == 1


async def test_a_rejection_creates_an_outcome_and_changes_the_card(store: Store) -> None:
    run = await awaiting_approval(store)
    await store.reviews.reject(run.key, MOD, "not here", at(60))
    rejected = await fetch(store, run.key)
    assert (rejected.state, rejected.decided_by) == (RunState.REJECTED, MOD)
    assert rejected.failure_params == {"reason": "not here"}
    assert sorted(await kinds(store, run.key)) == ["outcome", "review"]
    line = (await audit_log(store))[-1]
    assert (line.action, line.actor_id, line.subject_id) == ("reject", MOD, PERSON.id)
    assert line.details == {"reason": "not here"}
