"""On which terms an allowed request runs: after an approval, hidden behind a click."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.rules import Approval, ServerRules
from bot.runs.policy import Allowed, Decision, is_spoiler
from tests.unit.deciding import ARTISTS, NOW, STAFF, code, having, judge, request


def terms(decision: Decision) -> Allowed:
    assert isinstance(decision, Allowed)
    return decision


def approval(**more: Any) -> ServerRules:
    return ServerRules(approval=Approval.model_validate({"review_channel_id": 99, "hours": 6, **more}))


@pytest.mark.parametrize(
    ("rules", "asked", "roles", "waits"),
    [
        ({"mode": "off"}, {}, (), False),
        ({"mode": "everybody"}, {}, (ARTISTS,), True),
        ({"mode": "without_roles", "exempt_roles": [ARTISTS]}, {}, (ARTISTS, STAFF), False),
        ({"mode": "without_roles", "exempt_roles": [ARTISTS]}, {}, (STAFF,), True),
        ({"mode": "without_roles"}, {}, (STAFF,), True),
        ({"mode": "selected", "deployments": ["flux"]}, {}, (), True),
        ({"mode": "selected", "deployments": ["wan"], "gpus": ["H100"]}, {}, (), False),
        ({"mode": "selected", "deployments": ["wan"], "gpus": ["H100"]}, {"gpu": "H100"}, (), True),
        ({"mode": "selected", "gpus": ["H100"]}, {"gpu": "L4"}, (), False),
        ({"mode": "selected"}, {}, (), False),
    ],
)
def test_who_waits_for_a_moderator(
    rules: dict[str, Any], asked: dict[str, Any], roles: tuple[int, ...], waits: bool
) -> None:
    found = terms(judge(request(**asked), having(*roles), rules=approval(**rules)))
    assert found.review_channel_id == (99 if waits else None)
    assert found.approval_ends == (NOW + timedelta(hours=6) if waits else None)


def test_without_a_review_channel_what_needs_approval_is_refused_and_never_let_through() -> None:
    rules = approval(mode="everybody", review_channel_id=None)
    assert code(judge(rules=rules)) == "review_unreachable"
    assert code(judge(rules=approval(mode="off", review_channel_id=None))) is None


def test_moderators_wait_as_well_since_nobody_approves_their_own() -> None:
    found = judge(person=having(manages_server=True), rules=approval(mode="everybody"))
    assert terms(found).review_channel_id == 99


def test_direct_messages_have_no_moderators() -> None:
    found = judge(request(None), rules=approval(mode="everybody"), allow_direct_messages=True)
    assert terms(found).review_channel_id is None


@pytest.mark.parametrize(
    ("mode", "restricted", "hidden"),
    [
        ("never", False, False),
        ("never", True, False),
        ("always", False, True),
        ("always", True, True),
        ("not_age_restricted", False, True),
        ("not_age_restricted", True, False),
    ],
)
def test_which_results_hide_behind_a_click(mode: str, restricted: bool, hidden: bool) -> None:
    rules = ServerRules.model_validate({"spoiler": mode})
    assert is_spoiler(rules, age_restricted=restricted) is hidden
    assert terms(judge(request(age_restricted=restricted), rules=rules)).spoiler is hidden
