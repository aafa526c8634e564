"""The operator's limits: the first that forbids a request names the way out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.policy import EXPECTED_SECONDS, Allowed, OperatorRules, Refused, Usage, decide
from bot.request import GenerationRequest, Origin
from bot.words import say

DAY_END = datetime(2026, 5, 5, tzinfo=UTC)


def request(guild_id: int | None = 7) -> GenerationRequest:
    origin = Origin(
        guild_id=guild_id,
        channel_id=2,
        application_id=3,
        interaction_token="hush",
        interaction_expires_at=DAY_END - timedelta(hours=1),
        upload_limit=1,
    )
    return GenerationRequest(requester_id=4, origin=origin, deployment="d", deployment_id="i", inputs={})


def code(asked: GenerationRequest, spent: float = 0, **rules: Any) -> str | None:
    """The refusal's code, None when allowed."""
    decision = decide(asked, Usage(gpu_seconds_today=spent, day_end=DAY_END), OperatorRules(**rules))
    if isinstance(decision, Allowed):
        return None
    assert isinstance(decision, Refused)
    return decision.reason.code


def test_without_limits_a_server_is_allowed_and_a_direct_message_is_not() -> None:
    assert code(request()) is None
    assert code(request(None)) == "direct_messages_off"


def test_direct_messages_can_be_allowed_also_where_servers_are_listed() -> None:
    assert code(request(None), allow_direct_messages=True) is None
    assert code(request(None), allow_direct_messages=True, allowed_guild_ids=frozenset({7})) is None


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
    assert code(request(), allowed_guild_ids=allowed) == expected


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
def test_the_reserve_for_the_next_run_has_to_fit_under_the_ceiling(
    spent: float, ceiling: float | None, expected: str | None
) -> None:
    assert code(request(), spent, daily_gpu_seconds=ceiling) == expected


def test_the_refusal_says_when_it_starts_afresh() -> None:
    decision = decide(
        request(), Usage(gpu_seconds_today=5, day_end=DAY_END), OperatorRules(daily_gpu_seconds=1)
    )
    assert isinstance(decision, Refused)
    shown = say(decision.reason.code, **decision.reason.params)
    assert f"<t:{int(DAY_END.timestamp())}:R>" in shown


@pytest.mark.parametrize("forbidden", ["guild_not_allowed", "direct_messages_off"])
def test_who_may_not_use_it_at_all_is_told_that_and_not_about_budgets(forbidden: str) -> None:
    asked = request(None if forbidden == "direct_messages_off" else 7)
    assert code(asked, 100, daily_gpu_seconds=1, allowed_guild_ids=frozenset({8})) == forbidden
