"""Run keys, and what a request refuses to be."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from bot.messages.buttons import PATTERN, Action, custom_id
from bot.runs.request import GenerationRequest, Origin, new_key

ORIGIN = Origin(
    guild_id=1,
    channel_id=2,
    application_id=3,
    interaction_token="hush",
    interaction_expires_at=datetime(2026, 5, 4, tzinfo=UTC),
    upload_limit=1,
)


def request(**more: Any) -> GenerationRequest:
    return GenerationRequest(
        **{"requester_id": 4, "origin": ORIGIN, "deployment": "d", "deployment_id": "i", "inputs": {}, **more}
    )


def test_keys_are_sixteen_characters_and_never_the_same() -> None:
    keys = {new_key() for _ in range(2000)}
    assert len(keys) == 2000
    assert all(re.fullmatch(r"[a-z2-7]{16}", key) for key in keys)


def test_a_key_leaves_room_for_the_rest_of_a_nonce() -> None:
    """`{key}-{purpose}{rung}{part}`: Discord takes 25 characters, a result may have 40 files and texts."""
    assert len(f"{new_key()}-l399") <= 25


@pytest.mark.parametrize("action", Action)
def test_a_custom_id_is_found_again(action: Action) -> None:
    key = new_key()
    found = PATTERN.fullmatch(custom_id(key, action))
    assert found is not None
    assert (found["key"], found["action"]) == (key, action)


@pytest.mark.parametrize("key", ["", "A", "a-b", "a/b", "a" * 21, "é", "a\n", "a b"])
def test_a_key_that_would_not_survive_a_url_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        request(key=key)


def test_a_request_does_not_change_and_does_not_show_its_token() -> None:
    made = request()
    with pytest.raises(ValidationError):
        made.gpu = "T4"  # type: ignore[misc]  # the point of the test
    assert "hush" not in repr(made)


@pytest.mark.parametrize(("field", "value"), [("deadline_seconds", 0), ("requester_id", "someone")])
def test_impossible_values_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        request(**{field: value})
