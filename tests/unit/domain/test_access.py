"""Who may use the bot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.policy import check_moderator
from bot.domain.settings.rules_and_defaults import ServerRules
from tests.unit.domain.policy_cases import ARTISTS, PERSON, REVIEWERS, refused


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
