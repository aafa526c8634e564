"""Deployments as ComfyDeploy describes them, oddities included."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfydeploy.deployments import DeploymentInfo, InputType, parse_deployment, parse_deployments
from bot.comfydeploy.wire import WireError
from tests.unit.comfy.samples import answer


def test_a_parsed_deployment_round_trips_through_json() -> None:
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
        (' ["a", ', (), ' ["a", '),
        ('{"a": ', (), '{"a": '),
        ("NaN", ("NaN",), None),
        ("[1, NaN]", (), "[1, NaN]"),
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
        (2**64, None),
        (10**400, None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_a_default_is_kept_as_given(given_default: Any, kept: Any) -> None:
    item = InputType.model_validate({"input_id": "x", "default_value": given_default})
    assert item.default_value == kept
    assert type(item.default_value) is type(kept)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (3, 3),
        ("0.5", 0.5),
        ("half", None),
        (True, None),
        (["3", 0], None),
        (2**53, 2**53),
        (-(2**53), -(2**53)),
        (2**53 + 1, None),
        (10**400, None),
    ],
)
def test_a_limit_is_a_number_within_2_to_the_53rd_or_absent(limit: Any, kept: float | None) -> None:
    item = InputType.model_validate({"input_id": "x", "min_value": limit, "max_value": limit, "step": limit})
    assert (item.min_value, item.max_value, item.step) == (kept, kept, kept)


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        *((field, "words", "words") for field in ("description", "environment", "gpu")),
        *((field, odd, "") for field in ("description", "environment") for odd in (1, None, ["words"])),
        *(("gpu", odd, None) for odd in (1, None, ["T4"], "")),
        *((field, sent, 3) for field in ("concurrency_limit", "run_timeout") for sent in (3, 3.0, "3")),
        *((field, odd, None) for field in ("concurrency_limit", "run_timeout") for odd in ("x", [3], True)),
    ],
)
def test_a_field_of_the_wrong_type_reads_as_absent(field: str, sent: object, kept: object) -> None:
    assert getattr(parse_deployment(json.dumps({"id": "d", field: sent}).encode()), field) == kept


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON: .* at line 1 column 0"),
        (b"[]", "the deployment is not an object"),
        (b"null", "the deployment is not an object"),
        (b"{}", "the deployment can't be read: 1 faults"),
        (b'{"id": 5}', "the deployment can't be read: 1 faults"),
    ],
)
def test_an_unreadable_deployment_is_a_wire_error_that_says_why(body: bytes, told: str) -> None:
    with pytest.raises(WireError, match=f"^{told}$"):
        parse_deployment(body)


def test_deployments_in_no_list_are_a_wire_error_that_says_why() -> None:
    with pytest.raises(WireError, match=r"^the list of deployments is not a list$"):
        parse_deployments(b"{}")


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
