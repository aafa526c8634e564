"""Approvals by today's roles, late results that have to be checked, and links between runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.runs import RunState
from bot.store import Store
from tests.contract.store.rows import GUILD, MOD, stored_rules
from tests.contract.store.runs import (
    NOW,
    PERSON,
    RULES,
    SOON,
    SUCCESS,
    accepted,
    at,
    awaiting_approval,
    claimed,
    columns,
    fetch,
    report,
    started,
    take,
)

pytestmark = pytest.mark.sqlite_only


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


@pytest.mark.parametrize("checked", [True, False])
async def test_what_a_late_success_made_has_to_be_checked(store: Store, checked: bool) -> None:
    run = await accepted(store, to_check=True)
    await started(store)
    part = report(RunState.TIMED_OUT, outputs=SUCCESS.outputs)
    await store.runs.record_report(run.key, part, NOW, SOON, asked=True)
    claim = await claimed(store)
    of_part = [replace(each, verdicts={"1": ("held", "explicit")}) for each in claim.shown]
    if checked:
        assert await store.messages.checked(claim, of_part, NOW, at(3600), GUILD + 1)
    await store.runs.record_report(run.key, SUCCESS, NOW, SOON)
    if not checked:  # the verdicts come after the outputs that they aren't about
        assert not await store.messages.checked(claim, of_part, NOW, at(3600), GUILD + 1)
    assert (await fetch(store, run.key)).verdicts is None
