"""Where a result may be shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.budgets import Usage
from bot.domain.policy import OperatorRules, check_posting
from bot.domain.requests import ChannelState
from bot.domain.results import is_marked_now, is_restricted_now
from bot.domain.runs import Run
from tests.unit.domain.policy_cases import USAGE, origin_of, refused, request
from tests.unit.factories import made_block, made_run


@pytest.mark.parametrize(
    ("asked", "usage", "operator", "expected"),
    [
        (request(), USAGE, {}, None),
        (request(), replace(USAGE, paused="moving"), {}, "paused"),
        (request(), replace(USAGE, block=made_block("spam", None)), {}, "blocked"),
        (request(), USAGE, {"allowed_guild_ids": frozenset({8})}, "guild_not_allowed"),
        (request(None, user_install=True), USAGE, {}, "user_installs_off"),
        # What is paid for is posted where no new request would be allowed.
        (request(None), USAGE, {}, None),
        (request(), replace(USAGE, gpu_seconds_today=100), {"daily_gpu_seconds": 1}, None),
    ],
)
def test_a_paid_result_may_be_posted_wherever_the_bot_may_be(
    asked: Run, usage: Usage, operator: dict[str, Any], expected: str | None
) -> None:
    assert refused(lambda: check_posting(origin_of(asked), usage, OperatorRules(**operator))) == expected


MARKED, UNMARKED = ChannelState(age_restricted=True), ChannelState()


@pytest.mark.parametrize(
    ("stored", "deployments", "channel", "restricted", "marked"),
    [
        ({}, (), None, False, False),
        ({}, (UNMARKED,), UNMARKED, False, False),
        ({"age_restricted": True}, (UNMARKED,), UNMARKED, True, True),
        ({}, (UNMARKED, MARKED), None, True, True),
        ({"channel_age_restricted": True}, (), None, True, False),
        ({}, (UNMARKED,), MARKED, True, False),
    ],
)
def test_a_result_is_age_restricted_by_any_mark_of_then_or_now(
    stored: dict[str, bool],
    deployments: tuple[ChannelState, ...],
    channel: ChannelState | None,
    restricted: bool,
    marked: bool,
) -> None:
    run = made_run(**stored)
    assert is_restricted_now(run, deployments, channel) is restricted
    assert is_marked_now(run, deployments) is marked
