"""Deployments and their inputs as ComfyDeploy describes them, oddities included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.comfydeploy import deployments
from bot.comfydeploy.deployments import MAX_COUNT, kind_of, parse_deployment
from bot.domain.backend import DeploymentDescription, InputDescription, InputKind
from bot.domain.errors import BackendBadReply


def parsed(*inputs: Any, **fields: Any) -> DeploymentDescription:
    return parse_deployment(json.dumps({"id": "d", "input_types": inputs, **fields}).encode())


def parsed_input(**fields: Any) -> InputDescription:
    (found,) = parsed({"input_id": "x", **fields}).inputs
    return found


def test_raw_node_fields_and_the_workflow_are_dropped() -> None:
    info = parsed(
        {"input_id": "lora", "class_type": "L", "bearer_token": "leak-1"},
        workflow={"name": "w", "cover_url": "leak-2"},
        version={"workflow_api": "leak-3"},
    )
    assert (info.id, info.name, info.inputs[0].class_name) == ("d", "w", "L")
    assert "leak" not in repr(info)


NO_NUMBERS: tuple[Any, ...] = (None, "x", [3], True)
COUNTS = [
    *((number, None) for number in (*NO_NUMBERS, -1, 0, 0.5, "3", 1e300)),
    *((number, int(number)) for number in (1, 3.0, 3.9)),
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
    assert getattr(parsed(**{field: sent}), field) == kept


@pytest.mark.parametrize(
    ("field", "sent", "attribute", "kept"),
    [
        ("enum_options", ["a", 2, "a", None, True], "choices", ("a", "2")),
        *(("enum_options", odd, "choices", ()) for odd in ("a, b", {"a": 1}, "", 5)),
        *(("default_value", each, "default", each) for each in (False, 1, 1.5, "1" * 4000, 2**64 - 1)),
        *(("default_value", odd, "default", None) for odd in (2**64, 10**400, {"a": 1}, None)),
        *(("min_value", each, "minimum", each) for each in (3, 2**53, -(2**53))),
        *(("min_value", odd, "minimum", None) for odd in (*NO_NUMBERS, 2**53 + 1, 10**400)),
        ("max_value", 0.5, "maximum", 0.5),
    ],
)
def test_a_field_of_an_input_is_read_or_absent(field: str, sent: Any, attribute: str, kept: Any) -> None:
    item = parsed_input(**{field: sent})
    found = getattr(item, attribute)
    assert (found, type(found), item.has_hidden_default) == (kept, type(kept), False)


def test_a_description_is_cut_to_what_can_be_offered() -> None:
    assert (
        len(parsed(*({"input_id": f"{number}"} for number in range(1000))).inputs) == deployments.MAX_INPUTS
    )
    keys = ["k" * size for size in (deployments.MAX_KEY, deployments.MAX_KEY + 1)]
    assert [each.key for each in parsed(*({"input_id": key} for key in keys)).inputs] == keys[:1]
    long, longest = "x" * 10_000, "x" * deployments.MAX_OPTION
    one = parsed_input(display_name=long, description=long, enum_options=[long, longest])
    assert (len(one.display_name), len(one.description)) == (deployments.MAX_TEXT,) * 2
    assert one.choices == (longest,)
    options = [str(number) for number in range(5000)]
    assert len(parsed_input(enum_options=options).choices) == deployments.MAX_OPTIONS


@pytest.mark.parametrize("sent", [["70", 0], "x" * 4001], ids=["another node's", "too long"])
def test_a_default_that_cannot_be_shown_is_hidden(sent: Any) -> None:
    item = parsed_input(default_value=sent)
    assert (item.default, item.has_hidden_default) == (None, True)


def test_one_unreadable_input_does_not_hide_the_others() -> None:
    found = parsed(None, {"input_id": ""}, {"input_id": 5}, {"input_id": "a"})
    assert [item.key for item in found.inputs] == ["a"]
    odd = parse_deployment(b'{"id": "d", "input_types": {"a": 1}, "workflow": "w"}')
    assert (odd.inputs, odd.name) == ((), "")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON: .* at line 1 column 0"),
        (b"[]", "not a JSON object"),
        (b'{"id": 5}', "the deployment has no id"),
    ],
)
def test_an_unreadable_deployment_is_a_wire_error_that_says_why(body: bytes, told: str) -> None:
    with pytest.raises(BackendBadReply, match=f"^{told}$"):
        parse_deployment(body)


K = InputKind
BY_TYPE = {
    "string": K.TEXT,
    "integer": K.INTEGER,
    "float": K.FLOAT,
    "boolean": K.BOOLEAN,
    "binary": None,
    "": None,
}
WEIGHTS = ("lora", "Checkpoint", "CKPT", "Model", "unet", "VAE", "ControlNet", "Embedding")


def test_an_unknown_class_has_the_kind_of_its_type_unless_it_loads_weights() -> None:
    """The recorded deployment in `test_compile.py` has a node of every known class."""
    unknown = "ComfyUIDeployExternalNew"
    assert {type: parsed_input(class_type=unknown, type=type).kind for type in BY_TYPE} == BY_TYPE
    assert {kind_of(f"{unknown}{word}", "string") for word in WEIGHTS} == {K.WEIGHTS}
    assert parsed_input(class_type="ComfyUIDeployExternalText").multi_line
    assert kind_of("Image", "string") is K.IMAGE
    assert kind_of("Seed", "string") is K.INTEGER
