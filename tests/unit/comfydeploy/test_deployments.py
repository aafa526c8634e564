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


@pytest.mark.parametrize(
    ("number", "limit"),
    [
        *((number, None) for number in (-1, 0, 0.5, "0", None, "x", True, 1e300)),
        *((number, 3) for number in (3, 3.9, "3")),
        (2**53 - 1, MAX_COUNT),
    ],
)
def test_a_limit_is_positive_and_small_enough_to_compute_with(number: Any, limit: int | None) -> None:
    """2**53 - 1 is JavaScript's largest integer: no limit."""
    body = {"id": "d", "concurrency_limit": number, "run_timeout": number}
    info = parse_deployment(json.dumps(body).encode())
    assert (info.concurrency_limit, info.run_timeout) == (limit, limit)


@pytest.mark.parametrize(
    ("given_options", "options"),
    [
        (["a", "b", "a"], ("a", "b")),
        (["a", 2, None, True], ("a", "2")),
        ('["a", "b"]', ("a", "b")),
        ("a, b ,c", ("a", "b", "c")),
        ("a b\nc, d\n", ("a b", "c, d")),
        ('{"a": 1}', ()),
        ('["a", ', ()),
        (' ["a", ', ()),
        ('{"a": ', ()),
        ("NaN", ("NaN",)),
        ("[1, NaN]", ()),
        ("", ()),
        (None, ()),
        (5, ()),
    ],
)
def test_enum_options_are_words(given_options: Any, options: tuple[str, ...]) -> None:
    assert parsed_input(enum_options=given_options).choices == options


@pytest.mark.parametrize(
    ("given_default", "kept"),
    [
        (False, False),
        (1, 1),
        (1.5, 1.5),
        ("1", "1"),
        (2**64 - 1, 2**64 - 1),
        (2**64, None),
        (10**400, None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_a_default_is_kept_as_given(given_default: Any, kept: Any) -> None:
    item = parsed_input(default_value=given_default)
    assert (item.default, item.has_hidden_default) == (kept, False)
    assert type(item.default) is type(kept)


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
    item = parsed_input(min_value=limit, max_value=limit)
    assert (item.minimum, item.maximum) == (kept, kept)


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        *((field, "words", "words") for field in ("description", "gpu")),
        *(("description", odd, "") for odd in (1, None, ["words"])),
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


@pytest.mark.parametrize(
    ("wire_type", "kind"),
    [
        ("string", K.TEXT),
        ("integer", K.INTEGER),
        ("float", K.FLOAT),
        ("boolean", K.BOOLEAN),
        ("binary", None),
        ("", None),
    ],
)
def test_an_unknown_class_has_the_kind_of_its_type(wire_type: str, kind: InputKind | None) -> None:
    assert input_class("ComfyUIDeployExternalNew", wire_type).kind is kind


@pytest.mark.parametrize(
    "word", ["lora", "Checkpoint", "CKPT", "Model", "unet", "VAE", "ControlNet", "Embedding"]
)
def test_an_unknown_class_that_loads_weights_is_no_text(word: str) -> None:
    assert input_class(f"ComfyUIDeployExternalNew{word}", "string").kind is K.WEIGHTS


def test_a_default_that_is_a_wire_to_another_node_is_hidden() -> None:
    item = parsed_input(default_value=["70", 0])
    assert (item.default, item.has_hidden_default) == (None, True)


def test_one_unreadable_input_does_not_hide_the_others() -> None:
    body = json.dumps({"id": "good", "input_types": [None, {"input_id": ""}, {"input_id": "a"}]})
    assert [item.key for item in parse_deployment(body.encode()).inputs] == ["a"]
