"""Run keys, requests, and the requests of a batch."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from bot.domain.requests import GenerationRequest, Origin, batch_requests, new_key

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


def test_keys_are_unique_and_sixteen_base32_characters() -> None:
    keys = {new_key() for _ in range(2000)}
    assert len(keys) == 2000
    assert all(re.fullmatch(r"[a-z2-7]{16}", key) for key in keys)


def test_a_key_fits_into_a_nonce_with_its_suffix() -> None:
    """Allow for `{key}-{purpose}{route}{part}`, since Discord takes 25 characters."""
    assert len(f"{new_key()}-l399") <= 25


@pytest.mark.parametrize("key", ["", "A", "a-b", "a/b", "a" * 21, "é", "a\n", "a b"])
def test_a_key_that_is_not_safe_in_a_url_is_invalid(key: str) -> None:
    with pytest.raises(ValidationError):
        request(key=key)


def test_a_request_is_frozen_and_hides_its_token() -> None:
    made = request()
    with pytest.raises(ValidationError):
        made.gpu = "T4"  # type: ignore[misc]  # the point of the test
    assert "hush" not in repr(made)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requester_id", "someone"),
        ("batch_index", -1),
        ("batch_size", 0),
        ("deadline_seconds", 0),
    ],
)
def test_impossible_values_are_invalid(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        request(**{field: value})


def test_a_batch_of_one_is_the_request_itself() -> None:
    asked = request(inputs={"prompt": "a fox"})
    assert batch_requests(asked, [({"prompt": "a fox"}, None)]) == [asked]


@pytest.mark.parametrize("count", [2, 3, 20])
def test_a_batch_differs_in_key_inputs_seed_and_index(count: int) -> None:
    asked = request(prompt="a fox", gpu="T4", parent_key="p")
    wanted = [({"n": n}, None if n == 1 else n) for n in range(count)]
    made = batch_requests(asked, wanted)
    assert [(each.inputs, each.seed) for each in made] == wanted
    assert [(each.batch_index, each.batch_size) for each in made] == [(n, count) for n in range(count)]
    own = {"key", "inputs", "seed", "batch_key", "batch_index", "batch_size"}
    assert all(each.model_dump(exclude=own) == asked.model_dump(exclude=own) for each in made)


def test_the_keys_of_a_batch_rise_and_the_first_leads() -> None:
    made = batch_requests(request(), [({}, None)] * 20)
    keys = [each.key for each in made]
    assert keys == sorted(set(keys))
    assert {each.batch_key for each in made} == {keys[0]}
