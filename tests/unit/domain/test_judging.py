"""Judging a stored run before its start: refusals, how long they last, and the channel of its result."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.budgets import Spending, Usage
from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.policy import OperatorRules, judge
from bot.domain.requests import ChannelState, Member
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.strings import SENTENCES, explain
from tests.unit.domain.policy_cases import ARTISTS, DAY_END, NOW, PERSON, STAFF, USAGE
from tests.unit.factories import made_block, made_run

RULES = {
    "budgets": {"person": {"runs_a_day": 3, "gpu_seconds_a_day": 200}, "server": {"runs_a_day": 9}},
    "deployment_roles": {"wan": [STAFF]},
    "gpu_roles": {"H100": [STAFF]},
}
OPERATOR: dict[str, Any] = {"daily_gpu_seconds": 600, "allowed_guild_ids": frozenset({7})}
PAUSED = {"paused": "moving"}


def stored(**more: Any) -> Run:
    """Return a run that was accepted with Staff's role."""
    accepted = {"guild_id": 7, "deployment": "wan", "gpu": "H100", "requester_roles": (STAFF,)}
    return made_run(RunState.WAITING, **{**accepted, **more})


def refusal_of(
    run: Run,
    usage: Usage,
    operator: OperatorRules,
    rules: ServerRules,
    person: Member | None = None,
    channel: ChannelState | None = None,
) -> RefusedError | None:
    try:
        judge(run, usage, operator, rules, person=person, channel=channel)
    except RefusedError as refused:
        return refused
    return None


def reason(
    run: Run | None = None,
    *,
    usage: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    operator: dict[str, Any] | None = None,
    person: Member | None = None,
    channel: ChannelState | None = None,
) -> tuple[str, str] | None:
    """Return the code of the refusal and how long it lasts, or None if the run may start."""
    refused = refusal_of(
        run or stored(),
        replace(USAGE, **(usage or {})),
        OperatorRules(**(OPERATOR if operator is None else operator)),
        ServerRules.model_validate(RULES if rules is None else rules),
        person,
        channel,
    )
    if refused is None:
        return None
    assert explain(refused) not in (SENTENCES["internal"], refused.code)
    if not isinstance(refused, RefusedForNow):
        return refused.code, "for ever"
    assert refused.again_at is None or refused.again_at > NOW
    return refused.code, {None: "until it ends", DAY_END: "until tomorrow"}[refused.again_at]


def test_a_run_that_was_accepted_may_start() -> None:
    assert reason() is None
    assert reason(channel=ChannelState()) is None
    assert reason(stored(age_restricted=True), channel=ChannelState(age_restricted=True)) is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (PAUSED, ("paused", "until it ends")),
        ({"gpu_seconds_today": 540}, None),
        ({"gpu_seconds_today": 541}, ("daily_limit", "until tomorrow")),
        ({"person": Spending(runs=2)}, None),
        ({"person": Spending(runs=3)}, ("budget_runs", "until tomorrow")),
        ({"person": Spending(gpu_seconds=141)}, ("budget_gpu", "until tomorrow")),
        ({"server": Spending(runs=9)}, ("server_budget_runs", "until tomorrow")),
        ({"block": made_block("spam", None)}, ("blocked", "for ever")),
        ({"block": made_block("spam", NOW + timedelta(days=1))}, ("blocked_until", "for ever")),
        # What never may start doesn't wait for the end of a pause.
        ({"block": made_block("spam", None), **PAUSED}, ("blocked", "for ever")),
    ],
)
def test_a_pause_and_a_budget_end_and_a_block_does_not(
    usage: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    assert reason(usage=usage) == expected


@pytest.mark.parametrize(
    ("run", "rules", "expected"),
    [
        (stored(private=True), {}, ("private_off", "for ever")),
        (stored(private=True), {"private_results": True}, None),
        (stored(private=True, guild_id=None, user_install=True), {}, ("private_server_only", "for ever")),
        (stored(), {}, None),
    ],
)
def test_a_private_result_needs_a_server_that_allows_it(
    run: Run, rules: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    assert reason(run, rules=rules, operator={"allow_user_installs": True}) == expected


@pytest.mark.parametrize("roles", [(), (ARTISTS,)])
def test_the_roles_of_the_request_count_unless_discord_was_asked(roles: tuple[int, ...]) -> None:
    run, refused = stored(requester_roles=roles), ("deployment_role_none", "for ever")
    assert reason(run) == refused
    assert reason(run, person=replace(PERSON, role_ids=frozenset({STAFF}))) is None
    assert reason(person=replace(PERSON, role_ids=frozenset(roles))) == refused
    # A run older than stored roles.
    assert reason(stored(requester_roles=None)) is None
    assert reason(stored(requester_roles=None), person=PERSON) == refused


def test_a_run_that_is_charged_today_is_judged_by_the_operators_ceiling_only() -> None:
    usage = replace(USAGE, person=Spending(runs=3, gpu_seconds=200), server=Spending(runs=9))
    rules = ServerRules.model_validate(RULES)
    run = stored(charged_on=NOW.date())
    assert refusal_of(run, usage, OperatorRules(**OPERATOR), rules) is None
    refused = refusal_of(run, replace(usage, gpu_seconds_today=541), OperatorRules(**OPERATOR), rules)
    assert refused is not None
    assert refused.code == "daily_limit"


@pytest.mark.parametrize(
    ("usage", "code"),
    [
        ({}, None),
        ({"person": Spending(runs=1)}, "budget_runs"),
        ({"person": Spending(gpu_seconds=21)}, "budget_gpu"),
        ({"server": Spending(runs=7)}, "server_budget_runs"),
        ({"gpu_seconds_today": 421}, "daily_limit"),
    ],
)
def test_the_runs_of_a_batch_are_judged_together(usage: dict[str, Any], code: str | None) -> None:
    rules = ServerRules.model_validate(RULES)
    used, batch = replace(USAGE, **usage), replace(stored(count=3), state=RunState.AWAITING_APPROVAL)
    refused = refusal_of(batch, used, OperatorRules(**OPERATOR), rules)
    assert (refused and refused.code) == code


def test_ages_are_judged_only_with_what_discord_says_now() -> None:
    rules = {"people": {"account_days": 101, "member_days": 3650}}
    assert reason(rules=rules) is None
    refused = refusal_of(stored(), USAGE, OperatorRules(), ServerRules.model_validate(rules), PERSON)
    assert isinstance(refused, RefusedForNow)
    assert (refused.code, refused.again_at) == ("account_too_young", NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("channel", "restricted", "expected"),
    [
        (ChannelState(exists=False), False, "channel_gone"),
        (ChannelState(locked=True), False, "thread_locked"),
        (ChannelState(missing=("Attach Files", "Send Messages")), False, "missing_permissions"),
        (ChannelState(), True, "age_restricted"),
        (ChannelState(age_restricted=True), True, None),
        (ChannelState(age_restricted=True), False, None),
    ],
)
def test_a_channel_in_which_nothing_can_be_shown_is_final(
    channel: ChannelState, restricted: bool, expected: str | None
) -> None:
    found = reason(stored(age_restricted=restricted), usage=PAUSED if expected else {}, channel=channel)
    assert found == (expected and (expected, "for ever"))
