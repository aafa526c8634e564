"""Moderators' decisions: each is made once, by one moderator, in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.messages.records import Claim, Kind, MessageRef
from bot.domain.moderation import Report
from bot.domain.picture_check import Verdict, decision_by
from bot.domain.requests import ChannelState
from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.rows import GUILD, MOD, audit_log, stored_rules
from tests.contract.store.runs import (
    APPROVAL_ENDS,
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
    claim_if_any,
    claimed,
    columns,
    fetch,
    is_pending,
    kinds,
    owed,
    posted,
    refusals,
    release,
    report,
    started,
    take,
)

RITA = MOD + 1


async def test_the_answer_releases_the_card_and_keeps_the_expiry(store: Store) -> None:
    run = await awaiting_approval(store)
    assert (await columns(store, run.key))["due_at"] == APPROVAL_ENDS
    assert [row["due_at"] for row in await owed(store, run.key)] == [NOW]
    assert (await claimed(store)).key == run.key


async def test_an_approved_request_starts_at_once(store: Store) -> None:
    run = await awaiting_approval(store)
    assert await take(store, at(3600)) is None
    await store.reviews.approve(run.key, MOD, at(60))
    approved = await fetch(store, run.key)
    assert (approved.state, approved.decided_by, approved.decided_at) == (RunState.WAITING, MOD, at(60))
    assert not approved.hidden_from_channel
    assert await kinds(store, run.key) == ["review"]
    assert (await started(store, at(60))).key == run.key


async def test_an_approval_during_a_pause_changes_nothing(store: Store) -> None:
    run = await awaiting_approval(store)
    await store.pause.pause("moving", by=1, now=at(1))
    refused = await store.reviews.approve(run.key, MOD, at(2))
    assert isinstance(refused, RefusedForNow)
    assert refused.code == "paused"
    assert await fetch(store, run.key) == run
    assert await kinds(store, run.key) == ["review"]
    await store.pause.resume(by=1, now=at(3))
    assert await store.reviews.approve(run.key, MOD, at(4)) is None
    assert await take(store, at(4)) is not None


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        (ChannelState(exists=False), "channel_gone"),
        (ChannelState(missing=("Attach Files",)), "missing_permissions"),
    ],
    ids=["channel deleted", "permission missing"],
)
async def test_approving_for_an_unusable_channel_ends_it(
    store: Store, channel: ChannelState, code: str
) -> None:
    run = await awaiting_approval(store)
    assert await store.reviews.approve(run.key, MOD, at(2), channel=channel) is not None
    ended = await fetch(store, run.key)
    assert (ended.state, ended.failure_code) == (RunState.REFUSED, code)
    assert (ended.decided_by, ended.hidden_from_channel) == (None, True)
    assert sorted(await kinds(store, run.key)) == ["outcome", "review"]
    with pytest.raises(RefusedError, match="review_over"):
        await store.reviews.approve(run.key, MOD, at(3))


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


async def test_one_decision_wins_and_the_others_name_the_winner(store: Store, other: Store) -> None:
    for _ in range(5):
        run = await awaiting_approval(store)
        losers = refusals(
            await at_once(
                store.reviews.approve(run.key, MOD, at(1)),
                other.reviews.reject(run.key, RITA, "no", at(1)),
                other.reviews.approve(run.key, RITA, at(1)),
                store.reviews.reject(run.key, MOD, "no", at(1)),
            )
        )
        winner = (await fetch(store, run.key)).decided_by
        told = [(error.code, error.params["person"]) for error in losers]
        assert told == [("already_decided", winner)] * 3
        decisions = [line for line in await audit_log(store) if line.run_key == run.key]
        assert sum(line.action in ("approve", "reject") for line in decisions) == 1


async def test_a_concurrent_decision_and_expiry_have_one_winner(store: Store, other: Store) -> None:
    for _ in range(5):
        run = await awaiting_approval(store)
        decided, ended = await at_once(
            store.reviews.approve(run.key, MOD, at(1)),
            other.runs.finish(run.key, RunState.EXPIRED, at(1), code="expired"),
        )
        found = await fetch(store, run.key)
        if isinstance(decided, RefusedError):
            assert decided.code == "review_over"
            assert found.state is RunState.EXPIRED
        else:
            assert not ended
            assert found.state is RunState.WAITING


@pytest.mark.sqlite_only
async def test_nobody_decides_about_their_own_request(store: Store) -> None:
    run = await awaiting_approval(store)
    with pytest.raises(RefusedError, match="own_request"):
        await store.reviews.approve(run.key, PERSON.id, NOW)
    with pytest.raises(RefusedError, match="own_request"):
        await store.reviews.reject(run.key, PERSON.id, "", NOW)
    assert await fetch(store, run.key) == run


@pytest.mark.sqlite_only
@pytest.mark.parametrize("state", [RunState.WAITING, RunState.RUNNING, RunState.SUCCEEDED])
async def test_only_a_request_that_awaits_approval_is_decided(store: Store, state: RunState) -> None:
    run = await brought_to(store, state)
    with pytest.raises(RefusedError, match="review_over"):
        await store.reviews.approve(run.key, MOD, NOW)


@pytest.mark.sqlite_only
async def test_no_report_of_comfydeploy_approves_a_request(store: Store) -> None:
    run = await awaiting_approval(store)
    for state in RunState:
        await store.runs.record_report(run.key, report(state), at(1), SOON)
    assert (await fetch(store, run.key)).state is RunState.AWAITING_APPROVAL


async def test_a_request_is_claimed_for_expiry_once_it_is_due(store: Store) -> None:
    run = await awaiting_approval(store)
    pause = timedelta(minutes=1)
    assert await store.claims.claim_checks(APPROVAL_ENDS - timedelta(seconds=1), pause, 9) == []
    assert [due.key for due in await store.claims.claim_checks(APPROVAL_ENDS, pause, 9)] == [run.key]


async def test_a_result_is_deleted_once_and_its_row_stays(store: Store, other: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    deletions = [each.reviews.delete(run.key, MOD, NOW) for each in (store, other)]
    assert [error.code for error in refusals(await at_once(*deletions))] == ["already_deleted"]
    (row,) = await owed(store, run.key)
    assert row["wanted_rev"] == 2
    assert await fetch(store, run.key) == replace(run, deleted_at=NOW, deleted_by=MOD)


async def test_concurrent_deletions_of_a_failure_are_one_removal(store: Store, other: Store) -> None:
    run = await brought_to(store, RunState.FAILED)
    await asyncio.gather(
        store.reviews.discard(run.key, MOD, NOW),
        other.reviews.discard(run.key, PERSON.id, NOW),
    )
    (row,) = await owed(store, run.key)
    assert row["deleted_by"] in (MOD, PERSON.id)
    assert await fetch(store, run.key) == run
    assert [line.action for line in await audit_log(store)][-2:] == ["discard", "discard"]


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


async def test_an_outcome_is_pending_until_it_is_shown(store: Store) -> None:
    await brought_to(store, RunState.SUCCEEDED)
    claim = await claimed(store)
    assert await store.messages.pending() == 1
    await release(store, claim, NOW, shown=True)
    assert await store.messages.pending() == 0


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


async def test_after_a_dismissal_another_report_creates_a_card(store: Store, other: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    await store.reviews.report(run.key, Report(5, "?"), 90, NOW)
    for _ in range(2):
        await posted(store, MessageRef(90, 1234))
    await store.reviews.dismiss(run.key, MOD, NOW)
    assert not await store.reviews.report(run.key, Report(5, "?"), 90, NOW)
    assert (await posted(store)).message.kind is Kind.REPORT  # the closed card
    assert await claim_if_any(store) is None
    told = await asyncio.gather(
        store.reviews.report(run.key, Report(6, "?"), 91, NOW),
        other.reviews.report(run.key, Report(7, "?"), 92, NOW),
    )
    assert told == [True, True]
    again = await claimed(store)
    assert (again.message.kind, again.message.refs, again.message.attempt) == (Kind.REPORT, [], None)
    assert again.run.report_channel_id in (91, 92)
    assert await claim_if_any(store) is None


HELD = {"1": ("held", "explicit")}


async def looked_at(store: Store, claim: Claim, **verdicts: Any) -> bool:
    """Store the verdicts on the outputs of a claimed message."""
    checked = [replace(run, verdicts=verdicts) for run in claim.shown]
    return await store.reviews.checked(claim, checked, NOW, at(3600), GUILD + 1)


async def test_verdicts_on_outputs_that_a_report_has_replaced_are_not_stored(store: Store) -> None:
    run = await accepted(store, to_check=True)
    await started(store)
    part = report(RunState.TIMED_OUT, outputs=SUCCESS.outputs)
    await store.runs.record_report(run.key, part, NOW, SOON, asked=True)
    claim = await claimed(store)
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    assert not await looked_at(store, claim)
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
