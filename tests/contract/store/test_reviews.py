"""What moderators decide: once, by one of them, whole or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.requests import ChannelState
from bot.domain.runs import OUTCOME_PURPOSES, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import Store
from tests.contract.store.decisions import APPROVAL_ENDS, awaiting_approval
from tests.contract.store.rows import GUILD, MOD, audit_log, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    SUCCESS,
    accepted,
    at,
    brought_to,
    claimed,
    columns,
    fetch,
    owed,
    purposes,
    report,
    take,
)

RITA = MOD + 1


async def test_releasing_brings_the_card_out_and_leaves_the_end_where_it_is(store: Store) -> None:
    run = await awaiting_approval(store)
    assert (await columns(store, run.key))["due_at"] == APPROVAL_ENDS
    assert [row["due_at"] for row in await owed(store, run.key)] == [NOW]
    assert (await claimed(store)).run.key == run.key


async def test_an_approved_request_goes_out_at_once(store: Store) -> None:
    run = await awaiting_approval(store)
    assert await take(store, at(3600)) is None
    await store.reviews.approve(run.key, MOD, at(60))
    approved = await fetch(store, run.key)
    assert (approved.state, approved.decided_by, approved.decided_at) == (RunState.WAITING, MOD, at(60))
    assert not approved.hidden_from_channel
    assert await purposes(store, run.key) == ["r", "c"]
    taken = await take(store, at(60))
    assert taken is not None
    assert taken.key == run.key


async def test_an_approval_that_a_rule_forbids_for_now_changes_nothing(store: Store) -> None:
    run = await awaiting_approval(store)
    await store.pause.pause("moving", by=1, now=at(1))
    refused = await store.reviews.approve(run.key, MOD, at(2))
    assert isinstance(refused, RefusedForNow)
    assert refused.code == "paused"
    assert await fetch(store, run.key) == run
    assert await purposes(store, run.key) == ["r"]
    await store.pause.resume(by=1, now=at(3))
    assert await store.reviews.approve(run.key, MOD, at(4)) is None
    assert await take(store, at(4)) is not None


@pytest.mark.parametrize(
    ("channel", "code"),
    [(ChannelState(exists=False), "channel_gone"), (ChannelState(missing=("Attach Files",)), None)],
)
async def test_an_approval_for_a_channel_that_can_show_nothing_ends_the_request(
    store: Store, channel: ChannelState, code: str | None
) -> None:
    run = await awaiting_approval(store)
    refused = await store.reviews.approve(run.key, MOD, at(2), channel=channel)
    assert refused is not None
    ended = await fetch(store, run.key)
    assert (ended.state, ended.failure_code) == (RunState.REFUSED, code or "missing_permissions")
    assert (ended.decided_by, ended.hidden_from_channel) == (None, True)
    assert sorted(await purposes(store, run.key)) == ["c", "o", "r"]
    with pytest.raises(RefusedError, match="review_over"):
        await store.reviews.approve(run.key, MOD, at(3))


async def test_an_approval_counts_the_roles_of_that_moment(store: Store) -> None:
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


async def test_a_rejected_request_owes_outcome_card_and_letter_in_one_step(store: Store) -> None:
    run = await awaiting_approval(store)
    await store.reviews.reject(run.key, MOD, "not here", at(60))
    rejected = await fetch(store, run.key)
    assert (rejected.state, rejected.decided_by) == (RunState.REJECTED, MOD)
    assert rejected.failure_params == {"reason": "not here"}
    assert rejected.hidden_from_channel
    assert sorted(await purposes(store, run.key)) == ["c", "d", "o", "r"]
    line = (await audit_log(store))[-1]
    assert (line.action, line.actor_id, line.subject_id) == ("reject", MOD, PERSON.id)
    assert line.details == {"reason": "not here"}


async def test_of_many_decisions_at_once_one_wins_and_the_others_are_told_who(
    store: Store, other: Store
) -> None:
    for _ in range(5):
        run = await awaiting_approval(store)
        results = await asyncio.gather(
            store.reviews.approve(run.key, MOD, at(1)),
            other.reviews.reject(run.key, RITA, "no", at(1)),
            other.reviews.approve(run.key, RITA, at(1)),
            store.reviews.reject(run.key, MOD, "no", at(1)),
            return_exceptions=True,
        )
        losers = [result for result in results if isinstance(result, RefusedError)]
        assert len(losers) == 3
        decided = await fetch(store, run.key)
        assert {(error.code, error.params["person"]) for error in losers} == {
            ("already_decided", decided.decided_by)
        }
        decisions = [line for line in await audit_log(store) if line.run_key == run.key]
        assert sum(line.action in ("approve", "reject") for line in decisions) == 1


async def test_a_decision_and_an_end_at_once_have_one_winner(store: Store, other: Store) -> None:
    for _ in range(5):
        run = await awaiting_approval(store)
        decided, ended = await asyncio.gather(
            store.reviews.approve(run.key, MOD, at(1)),
            other.runs.finish(run.key, RunState.EXPIRED, at(1), code="expired"),
            return_exceptions=True,
        )
        found = await fetch(store, run.key)
        if isinstance(decided, RefusedError):
            assert decided.code == "review_over"
            assert found.state is RunState.EXPIRED
        else:
            assert ended is None
            assert found.state is RunState.WAITING


@pytest.mark.sqlite_only
async def test_nobody_decides_about_their_own(store: Store) -> None:
    run = await awaiting_approval(store)
    for decision in (
        store.reviews.approve(run.key, PERSON.id, NOW),
        store.reviews.reject(run.key, PERSON.id, "", NOW),
    ):
        with pytest.raises(RefusedError) as refused:
            await decision
        assert refused.value.code == "own_request"
    assert await fetch(store, run.key) == run


@pytest.mark.sqlite_only
@pytest.mark.parametrize("state", [RunState.WAITING, RunState.RUNNING, RunState.SUCCEEDED])
async def test_what_never_waited_is_not_decided(store: Store, state: RunState) -> None:
    run = await brought_to(store, state)
    with pytest.raises(RefusedError) as refused:
        await store.reviews.approve(run.key, MOD, NOW)
    assert refused.value.code == "review_over"


async def test_an_end_without_a_decision_owes_the_outcome_and_the_card(store: Store) -> None:
    for target in (RunState.EXPIRED, RunState.REFUSED):
        run = await awaiting_approval(store)
        assert await store.runs.finish(run.key, target, at(5), code="expired") is not None
        assert sorted(await purposes(store, run.key)) == ["c", "o", "r"]
        assert (await fetch(store, run.key)).hidden_from_channel


@pytest.mark.sqlite_only
async def test_nothing_that_comfydeploy_says_approves_a_request(store: Store) -> None:
    run = await awaiting_approval(store)
    for state in RunState:
        await store.runs.record_report(run.key, report(state), at(1), SOON)
    assert (await fetch(store, run.key)).state is RunState.AWAITING_APPROVAL


async def test_only_a_request_that_is_over_due_comes_up_to_expire(store: Store) -> None:
    run = await awaiting_approval(store)
    pause = timedelta(minutes=1)
    assert await store.claims.claim_checks(APPROVAL_ENDS - timedelta(seconds=1), pause, 9) == ()
    assert [due.key for due in await store.claims.claim_checks(APPROVAL_ENDS, pause, 9)] == [run.key]


async def test_the_card_is_known_once_it_is_posted(store: Store) -> None:
    run = await awaiting_approval(store)
    assert await store.reviews.card(run.key) is None
    delivery = await claimed(store)
    await store.deliveries.mark_sent(delivery.id, [(9, 1234)])
    assert await store.reviews.card(run.key) is None
    await store.deliveries.complete(delivery.id, NOW)
    assert await store.reviews.card(run.key) == (9, 1234)


async def test_a_result_is_deleted_once_and_its_row_stays(store: Store, other: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    results = await asyncio.gather(
        store.reviews.delete(run.key, MOD, NOW),
        other.reviews.delete(run.key, PERSON.id, NOW),
        return_exceptions=True,
    )
    (loser,) = [result for result in results if isinstance(result, RefusedError)]
    assert loser.code == "already_deleted"
    assert (await purposes(store, run.key)).count("x") == 1
    assert (await fetch(store, run.key)) == replace(run, deleted_at=NOW)


async def test_a_failures_message_is_deleted_at_the_same_time_twice_and_the_row_stays(
    store: Store, other: Store
) -> None:
    run = await brought_to(store, RunState.FAILED)
    await asyncio.gather(
        store.reviews.discard(run.key, MOD, NOW, remove=True),
        other.reviews.discard(run.key, PERSON.id, NOW, remove=True),
    )
    assert (await purposes(store, run.key)).count("x") == 1
    assert await fetch(store, run.key) == run
    assert [line.action for line in await audit_log(store)][-2:] == ["discard", "discard"]


async def test_what_stands_in_for_a_result_is_deleted_without_the_result(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    await store.reviews.discard(run.key, MOD, NOW, remove=False)
    assert "x" not in await purposes(store, run.key)
    assert await fetch(store, run.key) == run


async def test_a_late_result_is_deleted_after_its_verdict_was(store: Store) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    await store.reviews.discard(run.key, PERSON.id, NOW, remove=True)
    await store.runs.record_report(run.key, SUCCESS, at(60), at(120))
    await store.reviews.delete(run.key, PERSON.id, at(61))
    (removal,) = [row for row in await owed(store, run.key) if row["purpose"] == "x"]
    assert removal["due_at"] == at(61)
    deleted = await fetch(store, run.key)
    assert (deleted.state, deleted.deleted_at) == (RunState.SUCCEEDED, at(61))


async def test_a_result_that_is_still_being_posted_is_known_as_owed(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    assert await store.deliveries.is_pending(run.key, OUTCOME_PURPOSES)
    delivery = await claimed(store)
    assert await store.deliveries.is_pending(run.key, OUTCOME_PURPOSES)
    await store.deliveries.complete(delivery.id, NOW)
    assert not await store.deliveries.is_pending(run.key, OUTCOME_PURPOSES)


async def test_however_many_report_it_there_is_one_card(store: Store, other: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    for reporter, where in ((5, 90), (6, 91), (5, 92)):
        assert await store.reviews.report(run.key, reporter, where, NOW)
    assert (await purposes(store, run.key)).count("p") == 1
    assert (await fetch(store, run.key)).report_channel_id == 90
    reports = [line for line in await audit_log(store) if line.action == "report"]
    assert [line.actor_id for line in reports] == [5, 6]
    told = await asyncio.gather(
        store.reviews.dismiss(run.key, MOD, NOW),
        other.reviews.dismiss(run.key, MOD + 1, NOW),
        return_exceptions=True,
    )
    assert sorted(str(getattr(one, "code", one)) for one in told) == ["None", "report_over"]
    assert [line.action for line in await audit_log(store)].count("dismiss") == 1


async def test_a_report_after_a_dismissal_owes_one_card_more_unless_it_is_the_same_persons(
    store: Store, other: Store
) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    await store.reviews.report(run.key, 5, 90, NOW)
    for delivery in [await claimed(store), await claimed(store)]:
        await store.deliveries.mark_sent(delivery.id, [(90, 1234)])
        await store.deliveries.complete(delivery.id, NOW)
    await store.reviews.dismiss(run.key, MOD, NOW)
    assert not await store.reviews.report(run.key, 5, 90, NOW)
    assert await store.deliveries.claim("c", NOW, SOON) is None
    told = await asyncio.gather(
        store.reviews.report(run.key, 6, 91, NOW), other.reviews.report(run.key, 7, 92, NOW)
    )
    assert told == [True, True]
    again = await claimed(store)
    assert (again.purpose, again.messages, again.tries, again.attempted) == ("p", (), 1, False)
    assert again.run.report_channel_id in (91, 92)
    assert await store.deliveries.claim("c", NOW, SOON) is None
    assert await store.reviews.dismissals(run) == 1


@pytest.mark.sqlite_only
async def test_a_run_that_was_never_in_review_shows_what_was_asked(store: Store) -> None:
    assert not (await accepted(store)).hidden_from_channel


async def test_rules_read_together_are_each_servers_own_and_as_they_are_now(store: Store) -> None:
    await stored_rules(store, GUILD, {"reviewer_role_id": 1})
    await stored_rules(store, 5, {"budgets": "not budgets"})
    first = asyncio.create_task(store.rules.current(GUILD))
    await asyncio.sleep(0)
    asked = [store.rules.current(guild_id) for guild_id in (GUILD, 5, None, GUILD, 6)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    seen = [one.reviewer_role_id if isinstance(one, ServerRules) else type(one) for one in found]
    assert seen == [1, ValidationError, None, 1, None]
    await store.rules.change(
        GUILD, 1, lambda rules: rules.model_copy(update={"reviewer_role_id": 2}), NOW, "reviewers"
    )
    assert (await store.rules.current(GUILD)).reviewer_role_id == 2
    assert (await first).reviewer_role_id == 1
