"""The rules, one by one: what is refused, with which sentence, and on which terms the rest runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.errors import RefusedError
from bot.rules import Budget, Budgets, People, ServerRules
from bot.rules.budgets import EXPECTED_SECONDS
from bot.runs.policy import (
    LIMITS,
    Block,
    Spent,
    for_several,
)
from bot.words import SENTENCES, explain
from tests.unit.deciding import (
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
    request,
    told,
)

# the operator


def test_without_limits_a_server_is_allowed_and_a_direct_message_is_not() -> None:
    assert code(judge()) is None
    assert code(judge(request(None))) == "direct_messages_off"


def test_direct_messages_can_be_allowed_also_where_servers_are_listed() -> None:
    assert code(judge(request(None), allow_direct_messages=True)) is None
    assert code(judge(request(None), allow_direct_messages=True, allowed_guild_ids=frozenset({7}))) is None


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, None),
        (frozenset({7, 8}), None),
        (frozenset({8}), "guild_not_allowed"),
        (frozenset(), "guild_not_allowed"),
    ],
)
def test_only_listed_servers_may_use_it(allowed: frozenset[int] | None, expected: str | None) -> None:
    assert code(judge(allowed_guild_ids=allowed)) == expected


@pytest.mark.parametrize(
    ("spent", "ceiling", "expected"),
    [
        (0, None, None),
        (10**9, None, None),
        (0, EXPECTED_SECONDS, None),
        (0.5, EXPECTED_SECONDS, "daily_limit"),
        (1000, 1000, "daily_limit"),
        (0, 0, "daily_limit"),
    ],
)
def test_the_reserve_for_the_next_run_has_to_fit_under_the_operators_ceiling(
    spent: float, ceiling: float | None, expected: str | None
) -> None:
    decision = judge(usage=replace(USAGE, gpu_seconds_today=spent), daily_gpu_seconds=ceiling)
    assert code(decision) == expected
    if expected:
        assert f"<t:{int(DAY_END.timestamp())}:R>" in told(decision)


def test_an_unlimited_role_is_still_under_the_operators_ceiling() -> None:
    rules = ServerRules(budgets=Budgets.model_validate({"roles": {ARTISTS: {"unlimited": True}}}))
    spent = replace(USAGE, gpu_seconds_today=100)
    assert (
        code(judge(person=having(ARTISTS), usage=spent, rules=rules, daily_gpu_seconds=100)) == "daily_limit"
    )


def test_a_pause_is_told_before_anything_else() -> None:
    decision = judge(request(None), usage=replace(USAGE, paused="moving"), allowed_guild_ids=frozenset())
    assert told(decision) == "Generating is paused for the moment: moving"


def test_a_persons_own_account_needs_the_operators_word_and_stands_apart_from_servers() -> None:
    asked = request(None)
    away = asked.model_copy(update={"origin": asked.origin.model_copy(update={"user_install": True})})
    assert code(judge(away, allow_direct_messages=True)) == "user_installs_off"
    servers = frozenset({8})
    assert code(judge(away, allow_user_installs=True, allowed_guild_ids=servers)) is None
    assert code(judge(asked, allow_user_installs=True)) is None
    assert code(judge(request(7), allow_user_installs=True, allowed_guild_ids=servers)) == "guild_not_allowed"


@pytest.mark.parametrize("forbidden", ["guild_not_allowed", "direct_messages_off"])
def test_who_may_not_use_it_at_all_is_told_that_and_not_about_budgets(forbidden: str) -> None:
    asked = request(None if forbidden == "direct_messages_off" else 7)
    usage = replace(USAGE, gpu_seconds_today=100)
    assert code(judge(asked, usage=usage, daily_gpu_seconds=1, allowed_guild_ids=frozenset({8}))) == forbidden


# people


def test_a_block_is_told_with_its_reason_and_its_end() -> None:
    until = NOW + timedelta(days=3)
    decision = judge(usage=replace(USAGE, block=Block("spam", until)))
    assert code(decision) == "blocked_until"
    assert f"<t:{int(until.timestamp())}:f>: spam" in told(decision)
    assert told(judge(usage=replace(USAGE, block=Block("spam", None)))).endswith("on this server: spam")


@pytest.mark.parametrize(
    ("account", "member", "expected"),
    [
        (0, 0, None),
        (100, 10, None),
        (101, 0, "account_too_young"),
        (0, 11, "member_too_young"),
        (101, 11, "account_too_young"),
    ],
)
def test_accounts_and_members_have_to_be_old_enough(account: int, member: int, expected: str | None) -> None:
    rules = ServerRules(people=People(account_days=account, member_days=member))
    decision = judge(rules=rules)
    assert code(decision) == expected
    if expected:
        assert f"<t:{int((NOW + timedelta(days=1)).timestamp())}:R>" in told(decision)


def test_moderators_may_be_as_young_as_they_are() -> None:
    rules = ServerRules(reviewer_role_id=REVIEWERS, people=People(account_days=3650, member_days=3650))
    assert code(judge(person=having(manages_server=True), rules=rules)) is None
    assert code(judge(person=having(REVIEWERS), rules=rules)) is None
    assert code(judge(person=having(STAFF), rules=rules)) == "account_too_young"


def test_a_server_without_a_reviewer_role_has_no_reviewers_by_role() -> None:
    assert not having(ARTISTS).is_moderator(ServerRules())
    assert not PERSON.is_moderator(ServerRules())


# roles for deployments and GPUs


def test_what_is_open_to_some_roles_is_refused_to_others_and_says_what_they_may_use() -> None:
    only = frozenset({STAFF})
    rules = ServerRules(deployment_roles={"flux": only, "wan": frozenset({ARTISTS})})
    assert code(judge(person=having(STAFF), rules=rules)) is None
    decision = judge(person=having(ARTISTS), rules=rules)
    assert code(decision) == "deployment_role"
    assert told(decision).endswith("you may use: wan.")
    assert code(judge(request(deployment="sdxl"), rules=rules)) is None

    gpus = ServerRules(gpu_roles={"H100": only, "A10G": frozenset({ARTISTS})})
    decision = judge(request(gpu="H100"), having(ARTISTS), rules=gpus)
    assert code(decision) == "gpu_role"
    assert told(decision) == ("Your roles don't include H100. Of the restricted GPUs you may use: A10G.")
    assert code(judge(request(gpu="L4"), rules=gpus)) is None
    assert code(judge(request(gpu=None), rules=gpus)) is None


# budgets


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        (Spent(), None),
        (Spent(runs=4), None),
        (Spent(runs=5), "budget_runs"),
        (Spent(waiting=9), None),
        (Spent(waiting=10), "budget_waiting"),
        (Spent(gpu_seconds=300 - EXPECTED_SECONDS), None),
        (Spent(gpu_seconds=301 - EXPECTED_SECONDS), "budget_gpu"),
        (Spent(gpu_seconds=5000), "budget_gpu"),
    ],
)
def test_a_persons_budget_ends_where_it_is_set(spent: Spent, expected: str | None) -> None:
    rules = ServerRules(budgets=Budgets(person=Budget(runs_a_day=5, gpu_seconds_a_day=300)))
    assert code(judge(usage=replace(USAGE, person=spent), rules=rules)) == expected
    server = ServerRules(budgets=Budgets(server=Budget(waiting=10, runs_a_day=5, gpu_seconds_a_day=300)))
    decision = judge(usage=replace(USAGE, server=spent), rules=server)
    assert code(decision) == (f"server_{expected}" if expected else None)


def test_a_refusal_says_what_is_left_and_when_it_returns() -> None:
    returns = f"<t:{int(DAY_END.timestamp())}:R>"
    rules = ServerRules(
        budgets=Budgets(person=Budget(gpu_seconds_a_day=300), gpu_weights={"H100": 4}),
    )
    decision = judge(request(gpu="H100"), usage=replace(USAGE, person=Spent(gpu_seconds=100.4)), rules=rules)
    assert told(decision) == (
        f"This needs about 240 GPU seconds, and 199 of your 300 are left today. They return {returns}."
    )
    rules = ServerRules(budgets=Budgets(person=Budget(runs_a_day=2)))
    decision = judge(usage=replace(USAGE, person=Spent(runs=2)), rules=rules)
    assert told(decision) == f"You have used your 2 runs for today. They return {returns}."


def test_in_direct_messages_nobody_queues_without_end_either() -> None:
    usage = replace(USAGE, person=Spent(waiting=10))
    assert code(judge(request(None), usage=usage, allow_direct_messages=True)) == "budget_waiting"


@pytest.mark.parametrize("code", sorted(LIMITS))
def test_a_limit_says_how_many_of_several_there_is_room_for(code: str) -> None:
    reason = RefusedError(code, limit=9, left=3, needed=60, until=1)
    told = for_several(reason, 2, 4)
    assert explain(told) != SENTENCES["internal"]
    assert "2" in explain(told)
    assert "4" in explain(told)
    assert for_several(reason, 0, 4) is reason


def test_what_no_smaller_number_would_change_is_told_as_it_is() -> None:
    reason = RefusedError("paused", reason="maintenance")
    assert for_several(reason, 2, 4) is reason
