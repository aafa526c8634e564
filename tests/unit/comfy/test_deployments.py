"""Deployments as ComfyDeploy describes them, oddities included."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfy.wire import DeploymentInfo, InputType, WireError, parse_deployment, parse_deployments
from tests.unit.comfy.samples import answer


def test_what_is_kept_survives_the_store() -> None:
    found = parse_deployments(answer("deployments_list")[1])
    assert found
    assert [DeploymentInfo.model_validate_json(info.model_dump_json()) for info in found] == list(found)


def test_raw_node_fields_and_the_workflow_are_dropped() -> None:
    body = {
        "id": "d",
        "workflow": {"name": "w", "cover_url": "leak-1"},
        "version": {"workflow_api": "leak-2"},
        "input_types": [{"input_id": "lora", "class_type": "L", "bearer_token": "leak-3"}],
    }
    info = parse_deployment(json.dumps(body).encode())
    assert info.inputs[0].class_type == "L"
    assert "leak" not in info.model_dump_json() + repr(info)


@pytest.mark.parametrize(
    ("given_options", "options", "raw"),
    [
        (["a", "b", "a"], ("a", "b"), None),
        (["a", 2, None, True], ("a", "2"), None),
        ('["a", "b"]', ("a", "b"), None),
        ("a, b ,c", ("a", "b", "c"), None),
        ("a b\nc, d\n", ("a b", "c, d"), None),
        ('{"a": 1}', (), '{"a": 1}'),
        ('["a", ', (), '["a", '),
        ("", (), None),
        (None, (), None),
        (5, (), None),
    ],
)
def test_enum_options_are_words_or_else_the_raw_text(
    given_options: Any, options: Any, raw: str | None
) -> None:
    item = InputType.model_validate({"input_id": "x", "enum_options": given_options})
    assert (item.enum_options, item.enum_raw) == (options, raw)
    assert InputType.model_validate_json(item.model_dump_json()) == item


@pytest.mark.parametrize(
    ("given_default", "kept"),
    [
        (False, False),
        (1, 1),
        (1.5, 1.5),
        ("1", "1"),
        (["70", 0], ("70", 0)),
        (2**64 - 1, 2**64 - 1),
        (10**400, None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_a_default_is_kept_as_given(given_default: Any, kept: Any) -> None:
    item = InputType.model_validate({"input_id": "x", "default_value": given_default})
    assert item.default_value == kept
    assert type(item.default_value) is type(kept)


def test_limits_are_finite_numbers_or_absent() -> None:
    item = InputType.model_validate(
        {"input_id": "x", "min_value": "0.5", "max_value": ["3", 0], "step": 10**400}
    )
    assert (item.min_value, item.max_value, item.step) == (0.5, None, None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 5}', b"null"])
def test_a_body_that_is_no_deployment_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError):
        parse_deployment(body)


def test_one_unreadable_entry_does_not_hide_the_others() -> None:
    body = json.dumps(
        [{"id": None}, 5, {"id": "good", "input_types": [None, {"input_id": ""}, {"input_id": "a"}]}]
    )
    (info,) = parse_deployments(body.encode())
    assert (info.id, [item.input_id for item in info.inputs]) == ("good", ["a"])


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.lists(st.integers() | st.text())
)
input_types = st.dictionaries(st.sampled_from(sorted(InputType.model_fields)), values)
fields = ["id", "description", "environment", "gpu", "concurrency_limit", "run_timeout", "workflow"]


@given(st.dictionaries(st.sampled_from(fields), values), st.lists(input_types) | values)
def test_any_deployment_is_read_and_round_trips_or_is_a_wire_error(data: dict[str, Any], inputs: Any) -> None:
    try:
        info = parse_deployment(json.dumps({**data, "input_types": inputs}).encode())
    except WireError:
        return
    assert DeploymentInfo.model_validate_json(info.model_dump_json()) == info
