"""Compiling a deployment from deployments.toml and ComfyDeploy's description."""

from __future__ import annotations

from typing import Any

import pytest

from bot.comfydeploy.deployments import GPUS
from tests.unit.deployments.made import compiled, config, deployment, info, node, recorded, recorded_list

# The kind, whether an input is required, and its default. The prompt is required although it has a default;
# the default of an input wired to another node isn't shown, but the input may be left out.
RECORDED = {
    "prompt": ("text", True, "a red fox in the snow\nhighly detailed"),
    "negative": ("text", False, "blurry, lowres"),
    "style": ("text", False, "oil painting"),
    "image": ("image", False, None),
    "mask": ("image", False, None),
    "steps": ("integer", False, 20),
    "cfg": ("float", False, 7.5),
    "lora": ("weights", False, None),
    "ckpt": ("weights", False, "sd_xl_base_1.0.safetensors"),
    "images": ("images", True, None),
    "video": ("video", True, None),
    "hires": ("boolean", False, False),
    "strength": ("float", False, 0.65),
    "width": ("integer", False, 1024),
    "sampler": ("choice", False, "euler"),
    "exr": ("file", True, None),
    "audio": ("audio", True, None),
    "file": ("file", True, None),
}


def test_the_recorded_deployment_is_compiled() -> None:
    weights = {"choices": [{"name": "Ink", "value": "https://example.com/ink.safetensors"}]}
    made = compiled(config(inputs={"lora": weights}), recorded())
    inputs = made.inputs
    assert (made.title, made.concurrency_limit, made.run_timeout) == ("SDXL fox", 2, 300)
    found = {item.key: (item.kind, item.required, item.default) for item in inputs.values()}
    assert found == RECORDED
    assert [item.key for item in inputs.values() if item.is_prompt] == ["prompt"]
    assert (inputs["width"].minimum, inputs["width"].maximum) == (512, 2048)
    assert [choice.value for choice in inputs["sampler"].choices] == ["euler", "dpmpp_2m", "ddim"]
    # Weights are offered only with choices in the file.
    assert (inputs["lora"].offered, inputs["ckpt"].offered) == (True, False)
    assert any("'ckpt' loads weights" in warning for warning in made.warnings)


def test_the_oddities_of_the_recorded_list_are_survived() -> None:
    made = compiled(config(inputs={"stepz": {"max": 20}}), recorded_list()["odd inputs"])
    for key in ("ws", "stepz"):  # of no known kind, or not described
        assert made.inputs[key].hidden
        assert any(f"'{key}'" in warning for warning in made.warnings)
    assert [*made.inputs].count("dup") == 1
    assert made.inputs["n"].default is None, "it is wired to another node, which can't be shown"


def test_a_default_of_the_file_is_sent_where_it_differs_and_dropped_out_of_range() -> None:
    nodes = [node(key, "NumberInt", default=20, maximum=50) for key in ("a", "b", "c", "d")]
    described = {"a": {"default": 20}, "b": {"default": 30}, "c": {"max": 10}, "d": {"default": 99}}
    made = deployment(*nodes, inputs=described)
    assert [made.inputs[key].send_default for key in ("a", "b")] == [False, True]
    assert (made.inputs["c"].default, made.inputs["c"].required) == (None, True)
    assert made.warnings == ("deployment 'flux': input 'd' doesn't take the default 99: it is left out",)


@pytest.mark.parametrize(
    ("key", "class_type", "settings", "is_seed"),
    [
        *((key, "NumberInt", {}, True) for key in ("noise_seed", "Seed", "seed-2")),
        ("seed", "Text", {}, False),
        ("seedling", "NumberInt", {}, False),
        ("seed", "NumberInt", {"seed": {"seed": False}}, False),
        ("x", "NumberInt", {"x": {"seed": True}}, True),
    ],
)
def test_an_integer_named_like_a_seed_is_one_and_may_be_left_out(
    key: str, class_type: str, settings: dict[str, Any], is_seed: bool
) -> None:
    (item,) = deployment(node(key, class_type), inputs=settings).inputs.values()
    assert (item.is_seed, item.required) == (is_seed, not is_seed)


LINE = "TextSingleLine"


@pytest.mark.parametrize(
    ("nodes", "prompt"),
    [
        ([node("negative_prompt", "Text"), node("prompt", "Text")], "prompt"),
        ([node("a", LINE), node("b", "Text", display_name="Positive prompt")], "b"),
        ([node("style", LINE), node("neg", "Text"), node("words", "Text")], "words"),
        ([node(key, LINE) for key in ("title", "no_prompt", "prompt_mood", "my_prompt")], "my_prompt"),
        ([node("negative", "Text"), node("style", LINE)], None),
    ],
)
def test_the_prompt_is_found_by_its_name_or_its_lines(nodes: list[Any], prompt: str | None) -> None:
    inputs = {"no_prompt": {"prompt": False}, "prompt_mood": {"choices": ["calm"]}}
    made = deployment(*nodes, inputs={each.key: inputs.get(each.key, {}) for each in nodes})
    assert next((item.key for item in made.inputs.values() if item.is_prompt), None) == prompt


def test_names_are_acceptable_unique_and_none_of_the_bots_own() -> None:
    def options(keys: str, **inputs: dict[str, str]) -> list[str]:
        made = deployment(*(node(key, "Text") for key in keys.split("|")), inputs=inputs)
        return [item.option for item in made.inputs.values()]

    assert options("My Prompt|my prompt") == ["my_prompt", "my_prompt_2"]
    assert options("gpu|***|Größe 2") == ["gpu_input", "input", "größe_2"]
    # A name from the file goes before the same one from ComfyDeploy.
    assert options("x|y", x={}, y={"option": "x"}) == ["x_2", "x"]


def test_the_files_inputs_stand_first_in_its_order_and_then_the_prompt() -> None:
    nodes = (node("a", "NumberInt"), node("prompt", "Text"), node("b", "Text"))
    assert [*deployment(*nodes, inputs={"b": {}}).inputs] == ["b", "prompt", "a"]
    made = deployment(*nodes, inputs={"b": {}}, only_listed_inputs=True)
    assert [item.key for item in made.offered] == ["b"]


@pytest.mark.parametrize(
    ("settings", "pinned", "gpus", "default"),
    [
        ({}, None, GPUS, None),
        ({"gpus": ["T4", "B200"], "default_gpu": "B200"}, None, ("T4", "B200"), "B200"),
        ({"gpus": ["T4"]}, None, ("T4",), "T4"),
        # A pinned GPU leaves no choice.
        ({}, "A10G", ("A10G",), None),
        ({"gpus": ["T4", "H100"]}, "A10G", ("A10G",), None),
    ],
)
def test_gpus_are_the_pages_seven_unless_told_otherwise(
    settings: dict[str, Any], pinned: str | None, gpus: tuple[str, ...], default: str | None
) -> None:
    made = compiled(config(**settings), info(gpu=pinned))
    assert (made.gpus, made.default_gpu) == (gpus, default)
    is_told = any("pins its GPU to A10G" in warning for warning in made.warnings)
    assert is_told is bool(settings and pinned)


def test_the_limits_of_an_integer() -> None:
    def limits(low: float, high: float) -> tuple[float | None, float | None]:
        steps = deployment(node("steps", "NumberInt", minimum=low, maximum=high)).inputs["steps"]
        return steps.minimum, steps.maximum

    # The next ones inside.
    assert [limits(0.5, 9.5), limits(-1.5, -0.5)] == [(1, 9), (-1, -1)]
    assert [limits(0.2, 0.8), limits(3, 1)] == [(None, None), (None, None)]
    # That of deployments.toml, also if it is 0.
    zero = deployment(node("steps", "NumberInt", minimum=-5), inputs={"steps": {"min": 0}}).inputs["steps"]
    assert zero.minimum == 0
    # What Discord carries.
    assert limits(-(2**53), 2**53) == (1 - 2**53, 2**53 - 1)


def test_choices_of_a_number_are_only_what_a_person_would_write() -> None:
    choices = ["1", "2.0", "1_0", "nan", " 3", str(2**53)]
    made = deployment(node("steps", "NumberInt"), inputs={"steps": {"choices": choices}}).inputs
    assert [choice.value for choice in made["steps"].choices] == ["1", "2.0", "3"]


def test_a_description_or_choice_of_which_nothing_can_be_seen_is_replaced() -> None:
    hidden = "\u200b\u2060"
    made = deployment(node(hidden, "Enum", description=hidden, choices=("a", hidden))).inputs
    assert made[hidden].hint == "input"
    assert [choice.name for choice in made[hidden].choices] == ["a", "(empty)"]
