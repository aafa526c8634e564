"""Deployments and their inputs as ComfyDeploy describes them, oddities included."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.comfydeploy.deployments import MAX_COUNT, input_class, parse_deployment
from bot.domain.backend import DeploymentDescription, InputClass, InputDescription, InputKind
from bot.domain.errors import BackendBadReply

DESCRIPTION = TypeAdapter(DeploymentDescription)


def cached(info: DeploymentDescription) -> DeploymentDescription:
    """Return the description as it comes back from the catalogue's cache."""
    return DESCRIPTION.validate_json(DESCRIPTION.dump_json(info))


def parsed_input(**fields: Any) -> InputDescription:
    body = json.dumps({"id": "d", "input_types": [{"input_id": "x", **fields}]})
    (found,) = parse_deployment(body.encode()).inputs
    return found


def test_raw_node_fields_and_the_workflow_are_dropped() -> None:
    body = {
        "id": "d",
        "workflow": {"name": "w", "cover_url": "leak-1"},
        "version": {"workflow_api": "leak-2"},
        "input_types": [{"input_id": "lora", "class_type": "L", "bearer_token": "leak-3"}],
    }
    info = parse_deployment(json.dumps(body).encode())
    assert info.inputs[0].input_class.name == "L"
    assert "leak" not in repr(info)


NO_NUMBERS: tuple[Any, ...] = (None, "x", [3], True)
COUNTS = [
    *((number, None) for number in (*NO_NUMBERS, -1, 0, 0.5, "0", 1e300)),
    *((number, 3) for number in (3, 3.0, 3.9, "3")),
    (2**53 - 1, MAX_COUNT),  # JavaScript's largest integer: no limit
]


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        *((field, "words", "words") for field in ("description", "gpu")),
        *(("description", odd, "") for odd in (1, None, ["words"])),
        *(("gpu", odd, None) for odd in (1, None, ["T4"], "")),
        *((field, *count) for field in ("concurrency_limit", "run_timeout") for count in COUNTS),
    ],
)
def test_a_field_of_a_deployment_is_read_or_absent(field: str, sent: object, kept: object) -> None:
    """A limit is positive, and small enough to compute with."""
    assert getattr(parse_deployment(json.dumps({"id": "d", field: sent}).encode()), field) == kept


@pytest.mark.parametrize(
    ("field", "sent", "attribute", "kept"),
    [
        ("enum_options", ["a", "b", "a"], "choices", ("a", "b")),
        ("enum_options", ["a", 2, None, True], "choices", ("a", "2")),
        ("enum_options", '["a", "b"]', "choices", ("a", "b")),
        ("enum_options", "a, b ,c", "choices", ("a", "b", "c")),
        ("enum_options", "a b\nc, d\n", "choices", ("a b", "c, d")),
        ("enum_options", "NaN", "choices", ("NaN",)),
        *(("enum_options", odd, "choices", ()) for odd in ('["a", ', ' ["a", ', '{"a": ', "[1, NaN]")),
        *(("enum_options", odd, "choices", ()) for odd in ('{"a": 1}', "", None, 5)),
        *(("default_value", each, "default", each) for each in (False, 1, 1.5, "1", 2**64 - 1)),
        *(("default_value", odd, "default", None) for odd in (2**64, 10**400, {"a": 1}, None)),
        *(("min_value", each, "minimum", each) for each in (3, 2**53, -(2**53))),
        *(("min_value", odd, "minimum", None) for odd in (*NO_NUMBERS, 2**53 + 1, 10**400)),
        ("min_value", "0.5", "minimum", 0.5),
        ("max_value", "0.5", "maximum", 0.5),
        ("max_value", 2**53 + 1, "maximum", None),
    ],
)
def test_a_field_of_an_input_is_read_or_absent(field: str, sent: Any, attribute: str, kept: Any) -> None:
    item = parsed_input(**{field: sent})
    found = getattr(item, attribute)
    assert (found, type(found), item.has_hidden_default) == (kept, type(kept), False)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON: .* at line 1 column 0"),
        (b"[]", "the deployment is not an object"),
        (b"null", "the deployment is not an object"),
        (b"{}", "the deployment has no id"),
        (b'{"id": 5}', "the deployment has no id"),
    ],
)
def test_an_unreadable_deployment_is_a_wire_error_that_says_why(body: bytes, told: str) -> None:
    with pytest.raises(BackendBadReply, match=f"^{told}$"):
        parse_deployment(body)


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.lists(st.integers() | st.text())
)
INPUT_FIELDS = [
    *("type", "class_type", "input_id", "display_name", "description", "default_value"),
    *("min_value", "max_value", "step", "enum_options"),
]
input_types = st.dictionaries(st.sampled_from(INPUT_FIELDS), values)
fields = ["id", "description", "gpu", "concurrency_limit", "run_timeout", "workflow"]


@given(st.dictionaries(st.sampled_from(fields), values), st.lists(input_types) | values)
def test_any_deployment_is_read_and_round_trips_or_is_a_wire_error(data: dict[str, Any], inputs: Any) -> None:
    try:
        info = parse_deployment(json.dumps({**data, "input_types": inputs}).encode())
    except BackendBadReply:
        return
    assert cached(info) == info


K = InputKind
KINDS = {
    K.TEXT: ("Text", "TextAny", "TextSingleLine"),
    K.FLOAT: ("Number", "NumberSlider"),
    K.INTEGER: ("NumberInt", "NumberSliderInt", "Seed"),
    K.BOOLEAN: ("Boolean",),
    K.CHOICE: ("Enum",),
    K.IMAGE: ("Image", "ImageAlpha"),
    K.IMAGES: ("ImageBatch",),
    K.VIDEO: ("Video",),
    K.AUDIO: ("Audio",),
    K.FILE: ("File", "EXR"),
    K.WEIGHTS: ("Lora", "Checkpoint"),
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for kind, names in KINDS.items() for name in names])
def test_a_class_decides_the_kind_whatever_the_type(name: str, kind: InputKind) -> None:
    full = f"ComfyUIDeployExternal{name}"
    assert input_class(full, "binary") == InputClass(full, kind, multi_line=name in ("Text", "TextAny"))
    assert input_class(name).kind is kind


WEIGHTS = ("lora", "Checkpoint", "CKPT", "Model", "unet", "VAE", "ControlNet", "Embedding")
BY_TYPE = {
    "string": K.TEXT,
    "integer": K.INTEGER,
    "float": K.FLOAT,
    "boolean": K.BOOLEAN,
    "binary": None,
    "": None,
}


def test_an_unknown_class_has_the_kind_of_its_type_unless_it_loads_weights() -> None:
    unknown = "ComfyUIDeployExternalNew"
    assert {type: input_class(unknown, type).kind for type in BY_TYPE} == BY_TYPE
    assert {input_class(f"{unknown}{word}", "string").kind for word in WEIGHTS} == {K.WEIGHTS}


def test_a_default_that_is_a_wire_to_another_node_is_hidden() -> None:
    item = parsed_input(default_value=["70", 0])
    assert (item.default, item.has_hidden_default) == (None, True)


def test_one_unreadable_input_does_not_hide_the_others() -> None:
    body = json.dumps({"id": "good", "input_types": [None, {"input_id": ""}, {"input_id": "a"}]})
    assert [item.key for item in parse_deployment(body.encode()).inputs] == ["a"]
