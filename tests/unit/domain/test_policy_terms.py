"""The terms of an allowed request: reserve, approval and spoiler, and who moderates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.domain.policy import check_moderator
from bot.domain.results import is_spoiler
from bot.domain.runs import Run
from bot.domain.settings.rules_and_defaults import Approval, ServerRules
from tests.unit.domain.policy_cases import (
    ARTISTS,
    CLOSED,
    PERSON,
    REVIEWERS,
    STAFF,
    code,
    having,
    judge,
    refused,
    request,
)


def terms(decision: Run | RefusedError) -> Run:
    assert isinstance(decision, Run)
    return decision


def approval(**more: Any) -> ServerRules:
    return ServerRules(approval=Approval.model_validate({"review_channel_id": 99, "hours": 6, **more}))


WITHOUT = {"mode": "without_roles", "exempt_roles": [ARTISTS]}
WAN_OR_H100 = {"mode": "selected", "deployments": ["wan"], "gpus": ["H100"]}


@pytest.mark.parametrize(
    ("rules", "gpu", "roles", "waits"),
    [
        ({"mode": "off"}, None, (), False),
        ({"mode": "everybody"}, None, (ARTISTS,), True),
        (WITHOUT, None, (ARTISTS, STAFF), False),
        (WITHOUT, None, (STAFF,), True),
        ({"mode": "without_roles"}, None, (STAFF,), True),
        ({"mode": "selected", "deployments": ["flux"]}, None, (), True),
        (WAN_OR_H100, "L4", (), False),
        # The GPU that the machine takes by itself may be the selected one.
        (WAN_OR_H100, None, (), True),
        (WAN_OR_H100, "H100", (), True),
        ({"mode": "selected", "deployments": ["wan"]}, None, (), False),
        ({"mode": "selected", "gpus": ["H100"]}, "L4", (), False),
        ({"mode": "selected"}, None, (), False),
    ],
)
def test_the_mode_decides_who_waits_for_a_moderator(
    rules: dict[str, Any], gpu: str | None, roles: tuple[int, ...], waits: bool
) -> None:
    found = terms(judge(request(gpu=gpu), having(*roles), rules=approval(**rules)))
    assert found.review_channel_id == (99 if waits else None)
    assert (found.charged_on is None) is waits


@pytest.mark.parametrize("channel_id", [None, CLOSED], ids=["no channel", "closed to the bot"])
def test_a_request_that_needs_approval_is_refused_where_its_card_cannot_be_posted(
    channel_id: int | None,
) -> None:
    rules = approval(mode="everybody", review_channel_id=channel_id)
    assert code(judge(rules=rules)) == "review_unreachable"
    assert code(judge(rules=approval(mode="off", review_channel_id=channel_id))) is None


def test_moderators_need_approval_too_and_direct_messages_none() -> None:
    rules = approval(mode="everybody")
    assert terms(judge(person=having(manages_server=True), rules=rules)).review_channel_id == 99
    found = judge(request(None), rules=rules, allow_direct_messages=True)
    assert terms(found).review_channel_id is None


@pytest.mark.parametrize(
    ("mode", "hidden", "hidden_where_restricted"),
    [("never", False, False), ("always", True, True), ("not_age_restricted", True, False)],
)
def test_the_channel_and_the_mode_decide_about_a_spoiler(
    mode: str, hidden: bool, hidden_where_restricted: bool
) -> None:
    rules = ServerRules.model_validate({"spoiler": mode})
    for restricted, expected in ((False, hidden), (True, hidden_where_restricted)):
        assert is_spoiler(rules, age_restricted=restricted) is expected
        assert terms(judge(request(restricted_channel=restricted), rules=rules)).spoiler is expected


def test_the_weight_of_the_gpu_multiplies_what_is_charged() -> None:
    rules = ServerRules.model_validate({"budgets": {"gpu_weights": {"H100": 4}}})
    found = terms(judge(request(gpu="H100"), rules=rules))
    assert (found.weight, found.reserved_seconds, found.charged_seconds) == (4, 60, 240)


@pytest.mark.parametrize(
    ("guild_id", "changes", "expected"),
    [
        (7, {"manages_server": True}, None),
        (7, {"role_ids": frozenset({REVIEWERS})}, None),
        (7, {}, "not_a_moderator"),
        (7, {"role_ids": frozenset({ARTISTS})}, "not_a_moderator"),
        (None, {"manages_server": True}, "server_only"),
    ],
)
def test_a_moderator_manages_the_server_or_has_the_reviewer_role(
    guild_id: int | None, changes: dict[str, Any], expected: str | None
) -> None:
    def check() -> None:
        rules = ServerRules(reviewer_role_id=REVIEWERS)
        assert check_moderator(guild_id, replace(PERSON, **changes), rules) == guild_id

    assert refused(check) == expected
