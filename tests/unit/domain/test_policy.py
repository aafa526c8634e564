"""Each rule's refusals, with the code and the values of the sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.budgets import EXPECTED_SECONDS, Spending
from bot.domain.errors import RefusedError
from bot.domain.moderation import Block
from bot.domain.policy import LIMITS
from bot.domain.requests import Member
from bot.domain.runs import Run
from bot.domain.settings.rules_and_defaults import Budget, Budgets, People, ServerRules
from bot.strings import explain
from tests.unit.domain.policy_cases import (
    ARTISTS,
    DAY_END,
    NOW,
    PERSON,
    REVIEWERS,
    STAFF,
    USAGE,
    code,
    having,
    judge,
    refusal,
    request,
    stamp,
)
from tests.unit.factories import made_block

DIRECT = request(None)
AWAY = request(None, user_install=True)
PAUSED = replace(USAGE, paused="moving")
ELSEWHERE: dict[str, Any] = {"allowed_guild_ids": frozenset({8})}


@pytest.mark.parametrize(
    ("asked", "operator", "expected"),
    [
        (request(), {}, None),
        (request(), {"allowed_guild_ids": frozenset({7, 8})}, None),
        (request(), {"allowed_guild_ids": frozenset()}, "guild_not_allowed"),
        (request(), ELSEWHERE, "guild_not_allowed"),
        (request(), {"allow_user_installs": True, **ELSEWHERE}, "guild_not_allowed"),
        (DIRECT, {}, "direct_messages_off"),
        (DIRECT, {"allow_direct_messages": True, **ELSEWHERE}, None),
        (DIRECT, {"allow_user_installs": True}, None),
        (AWAY, {"allow_direct_messages": True}, "user_installs_off"),
        (AWAY, {"allow_user_installs": True, **ELSEWHERE}, None),
    ],
)
def test_the_operator_decides_where_the_bot_runs(
    asked: Run, operator: dict[str, Any], expected: str | None
) -> None:
    assert code(judge(asked, **operator)) == expected
    over = replace(USAGE, gpu_seconds_today=100)
    assert code(judge(asked, usage=over, daily_gpu_seconds=1, **operator)) == (expected or "daily_limit")
    # A final refusal comes before a temporary one.
    paused = refusal(judge(asked, usage=PAUSED, **operator))
    assert paused == (("paused", {"reason": "moving"}) if expected is None else (expected, {}))


@pytest.mark.parametrize(
    ("spent", "ceiling", "allowed"),
    [
        (0, None, True),
        (10**9, None, True),
        (0, EXPECTED_SECONDS, True),
        (0.5, EXPECTED_SECONDS, False),
        (1000, 1000, False),
        (0, 0, False),
    ],
)
def test_the_expected_seconds_must_fit_under_the_operators_ceiling(
    spent: float, ceiling: float | None, allowed: bool
) -> None:
    rules = ServerRules(budgets=Budgets.model_validate({"roles": {ARTISTS: {"unlimited": True}}}))
    usage = replace(USAGE, gpu_seconds_today=spent)
    decision = judge(person=having(ARTISTS), usage=usage, rules=rules, daily_gpu_seconds=ceiling)
    assert refusal(decision) == (None if allowed else ("daily_limit", {"until": stamp(DAY_END)}))


@pytest.mark.parametrize(
    ("deployment", "channel", "expected"),
    [(True, False, "age_restricted"), (True, True, None), (False, True, None), (False, False, None)],
)
def test_a_restricted_deployment_needs_a_restricted_channel(
    deployment: bool, channel: bool, expected: str | None
) -> None:
    assert code(judge(request(age_restricted=deployment, restricted_channel=channel))) == expected


UNTIL = NOW + timedelta(days=3)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (made_block("spam", UNTIL), ("blocked_until", {"reason": "spam", "until": stamp(UNTIL)})),
        (made_block("*spam*", None), ("blocked", {"reason": r"\*spam\*", "until": 0})),
        (made_block(None, None), ("blocked", {"reason": r"\-", "until": 0})),
    ],
)
def test_a_block_shows_its_reason_and_its_end(block: Block, expected: tuple[str, dict[str, Any]]) -> None:
    assert refusal(judge(usage=replace(USAGE, block=block))) == expected


@pytest.mark.parametrize(
    ("person", "people", "expected"),
    [
        (PERSON, People(), None),
        (PERSON, People(account_days=100, member_days=10), None),
        (PERSON, People(account_days=101), ("account_too_young", 101)),
        (PERSON, People(member_days=11), ("member_too_young", 11)),
        (PERSON, People(account_days=101, member_days=11), ("account_too_young", 101)),
        (having(joined_at=None), People(member_days=1), ("member_too_young", 1)),
        (having(STAFF), People(account_days=101), ("account_too_young", 101)),
        # Moderators are not asked for their age.
        (having(REVIEWERS), People(account_days=3650, member_days=3650), None),
        (having(manages_server=True), People(account_days=3650, member_days=3650), None),
    ],
)
def test_accounts_and_members_must_be_old_enough(
    person: Member, people: People, expected: tuple[str, int] | None
) -> None:
    found = refusal(judge(person=person, rules=ServerRules(reviewer_role_id=REVIEWERS, people=people)))
    tomorrow = stamp(NOW + timedelta(days=1))
    assert found == (expected and (expected[0], {"days": expected[1], "until": tomorrow}))


ROLES = ServerRules(
    deployment_roles={"flux": {STAFF}, "wan": {ARTISTS, STAFF}, "gone": set()},
    gpu_roles={"H100": {STAFF}, "A10G": {ARTISTS, STAFF}, "B200": set()},
)


WAN, SDXL = {"deployment": "wan"}, {"deployment": "sdxl"}


@pytest.mark.parametrize(
    ("asked", "roles", "expected"),
    [
        ({"gpu": "L4"}, [STAFF], None),
        (SDXL | {"gpu": "L4"}, [], None),
        ({}, [ARTISTS], ("deployment_role", {"allowed": "wan"})),
        ({}, [], ("deployment_role_none", {})),
        # The last role of this one was deleted: it is open to nobody.
        ({"deployment": "gone"}, [STAFF], ("deployment_role", {"allowed": "flux, wan"})),
        (WAN | {"gpu": "H100"}, [STAFF], None),
        (WAN | {"gpu": "L4"}, [ARTISTS], None),
        (WAN | {"gpu": "H100"}, [ARTISTS], ("gpu_role", {"gpu": "H100", "allowed": "A10G"})),
        (SDXL | {"gpu": "H100"}, [], ("gpu_role_none", {"gpu": "H100"})),
        (WAN | {"gpu": "B200"}, [STAFF], ("gpu_role", {"gpu": "B200", "allowed": "H100, A10G"})),
        # The pinned GPU counts, not the chosen one.
        (SDXL | {"gpu": "L4", "expected_gpu": "H100"}, [], ("gpu_role_none", {"gpu": "H100"})),
        (SDXL | {"gpu": "L4", "expected_gpu": "H100"}, [STAFF], None),
    ],
)
def test_a_role_refusal_names_the_choices_that_the_roles_include(
    asked: dict[str, str], roles: list[int], expected: tuple[str, dict[str, Any]] | None
) -> None:
    assert refusal(judge(request(**asked), having(*roles), rules=ROLES)) == expected


@pytest.mark.parametrize(
    ("roles_for", "roles", "expected"),
    [
        ({}, [], None),
        ({"H100": {STAFF}}, [], "gpu_role_all"),
        ({"H100": {STAFF}}, [STAFF], None),
        # It may be either of them.
        ({"H100": {STAFF}, "A10G": {ARTISTS}}, [STAFF], "gpu_role_all"),
        ({"H100": {STAFF}, "A10G": {ARTISTS}}, [STAFF, ARTISTS], None),
        ({"H100": set()}, [STAFF, ARTISTS], "gpu_role_all"),
    ],
)
def test_a_gpu_that_nobody_knows_may_be_any_restricted_one(
    roles_for: dict[str, set[int]], roles: list[int], expected: str | None
) -> None:
    rules = ServerRules.model_validate({"gpu_roles": roles_for})
    assert code(judge(request(), having(*roles), rules=rules)) == expected
    assert code(judge(request(gpu="L4"), having(*roles), rules=rules)) is None


LIMITED = Budget(waiting=10, runs_a_day=5, gpu_seconds_a_day=300)


def gpu_left(left: int) -> tuple[str, dict[str, int]]:
    return "gpu", {"limit": 300, "left": left, "needed": 240, "until": stamp(DAY_END)}


@pytest.mark.parametrize("whose", ["person", "server"])
@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        (Spending(), None),
        (Spending(waiting=9), None),
        (Spending(waiting=10), ("waiting", {"limit": 10})),
        (Spending(runs=4), None),
        (Spending(runs=5), ("runs", {"limit": 5, "until": stamp(DAY_END)})),
        (Spending(gpu_seconds=60), None),
        (Spending(gpu_seconds=60.5), gpu_left(239)),
        (Spending(gpu_seconds=299.5), gpu_left(0)),
        (Spending(gpu_seconds=5000), gpu_left(0)),
    ],
)
def test_a_budget_refusal_says_what_is_left_and_when_more_comes(
    whose: str, spent: Spending, expected: tuple[str, dict[str, int]] | None
) -> None:
    rules = ServerRules(budgets=Budgets.model_validate({whose: LIMITED, "gpu_weights": {"H100": 4}}))
    usage = replace(USAGE, **{whose: spent})
    prefix = "budget" if whose == "person" else "server_budget"
    found = refusal(judge(request(gpu="H100"), usage=usage, rules=rules))
    assert found == (expected and (f"{prefix}_{expected[0]}", expected[1]))
    if whose == "person" and spent.waiting == 10:
        assert code(judge(DIRECT, usage=usage, allow_direct_messages=True)) == "budget_waiting"


@pytest.mark.parametrize(
    ("asked", "waiting", "most", "refused"),
    [
        (request(), 4, 5, None),
        (request(), 5, 5, "server_budget_waiting"),
        (request(), 9, 5, "server_budget_waiting"),
        (request(), 9, None, None),
        (DIRECT, 9, 5, None),
    ],
)
def test_the_operator_caps_the_waiting_runs_of_a_server(
    asked: Run, waiting: int, most: int | None, refused: str | None
) -> None:
    usage = replace(USAGE, server=Spending(waiting=waiting))
    found = judge(asked, usage=usage, allow_direct_messages=True, max_waiting_per_server=most)
    assert code(found) == refused


@pytest.mark.parametrize("code", sorted(LIMITS))
def test_a_refused_batch_says_how_many_fit(code: str) -> None:
    told = RefusedError(f"{code}_count", limit=9, left=3, needed=60, until=1, possible=2, count=4)
    assert {"2", "4"} <= set(explain(told))
