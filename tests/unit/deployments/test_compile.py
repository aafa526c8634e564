from __future__ import annotations

import json

import pytest

from bot.comfydeploy.deployments import GPUS, parse_deployment
from bot.deployments.options import describe
from bot.domain.backend import InputKind
from tests.unit.deployments.made import (
    PREFIX,
    UUID,
    by_key,
    compiled,
    config,
    deployment,
    info,
    node,
    recorded,
    recorded_list,
)


def test_every_recorded_class_has_its_kind() -> None:
    kinds = {item.key: item.kind for item in compiled(config(), recorded()).inputs}
    assert kinds == {
        "prompt": InputKind.TEXT,
        "negative": InputKind.TEXT,
        "style": InputKind.TEXT,
        "image": InputKind.IMAGE,
        "mask": InputKind.IMAGE,
        "steps": InputKind.INTEGER,
        "cfg": InputKind.FLOAT,
        "lora": InputKind.WEIGHTS,
        "ckpt": InputKind.WEIGHTS,
        "images": InputKind.IMAGES,
        "video": InputKind.VIDEO,
        "hires": InputKind.BOOLEAN,
        "strength": InputKind.FLOAT,
        "width": InputKind.INTEGER,
        "sampler": InputKind.CHOICE,
        "exr": InputKind.FILE,
        "audio": InputKind.AUDIO,
        "file": InputKind.FILE,
    }


def test_the_recorded_limits_defaults_and_choices_arrive() -> None:
    made = compiled(config(), recorded())
    inputs = by_key(made)
    assert (made.title, made.concurrency_limit, made.run_timeout) == ("SDXL fox", 2, 300)
    assert (inputs["width"].minimum, inputs["width"].maximum, inputs["width"].default) == (512, 2048, 1024)
    assert inputs["hires"].default is False
    assert [choice.value for choice in inputs["sampler"].choices] == ["euler", "dpmpp_2m", "ddim"]


def test_required_is_what_has_no_usable_default_and_the_prompt() -> None:
    inputs = by_key(compiled(config(), recorded()))
    assert inputs["prompt"].is_prompt
    assert inputs["prompt"].required
    assert not inputs["negative"].required
    assert inputs["video"].required
    assert not inputs["hires"].required


def test_a_default_wired_to_another_node_lets_the_input_be_left_out_but_is_not_shown() -> None:
    image = by_key(compiled(config(), recorded()))["image"]
    assert not image.required
    assert image.default is None


def test_weights_are_offered_only_with_configured_choices() -> None:
    url = "https://example.com/ink.safetensors"
    made = compiled(config(inputs={"lora": {"choices": [{"name": "Ink", "value": url}]}}), recorded())
    inputs = by_key(made)
    assert inputs["lora"].offered
    assert not inputs["lora"].required
    assert not inputs["ckpt"].offered
    assert any("'ckpt' loads weights" in warning for warning in made.warnings)


def test_an_unknown_class_that_loads_weights_is_not_offered_as_text() -> None:
    made = deployment(node("face", "FaceModel", wire_type="string"))
    assert not made.offered


def test_the_oddities_of_the_recorded_list_are_survived() -> None:
    made = compiled(config(), recorded_list()["odd inputs"])
    inputs = by_key(made)
    assert inputs["ws"].hidden
    assert any("'ws'" in warning for warning in made.warnings)
    assert [item.key for item in made.inputs].count("dup") == 1
    assert inputs["n"].default is None, "it is wired to another node, which can't be shown"


def test_repeated_keys_keep_the_narrowest_range() -> None:
    made = deployment(
        node("steps", "NumberSliderInt", minimum=1, maximum=50, default=70),
        node("steps", "NumberSliderInt", minimum=10, maximum=100, default=20),
    )
    (steps,) = made.inputs
    assert (steps.minimum, steps.maximum, steps.default) == (10, 50, 20)


def test_a_default_outside_the_configured_range_is_dropped() -> None:
    made = deployment(node("steps", "NumberInt", default=80), inputs={"steps": {"max": 40}})
    assert by_key(made)["steps"].default is None
    assert by_key(made)["steps"].required


@pytest.mark.parametrize("key", ["seed", "noise_seed", "Seed", "seed-2"])
def test_an_integer_named_like_a_seed_is_one_and_may_be_left_out(key: str) -> None:
    (seed,) = deployment(node(key, "NumberInt")).inputs
    assert seed.is_seed
    assert not seed.required


@pytest.mark.parametrize(("key", "class_type"), [("seed", "Text"), ("seedling", "NumberInt")])
def test_other_inputs_are_no_seeds(key: str, class_type: str) -> None:
    assert not deployment(node(key, class_type)).inputs[0].is_seed


def test_the_file_decides_about_seeds() -> None:
    made = deployment(
        node("seed", "NumberInt"),
        node("x", "NumberInt"),
        inputs={"seed": {"seed": False}, "x": {"seed": True}},
    )
    assert [item.is_seed for item in made.inputs] == [False, True]


@pytest.mark.parametrize(
    ("nodes", "prompt"),
    [
        ([node("negative_prompt", "Text"), node("prompt", "Text")], "prompt"),
        ([node("a", "TextSingleLine"), node("b", "Text", display_name="Positive prompt")], "b"),
        ([node("style", "TextSingleLine"), node("neg", "Text"), node("words", "Text")], "words"),
        ([node("title", "TextSingleLine"), node("my_prompt", "TextSingleLine")], "my_prompt"),
        ([node("negative", "Text")], None),
        ([node("style", "TextSingleLine")], None),
    ],
)
def test_the_prompt_is_found_by_its_name_or_its_lines(nodes: list, prompt: str | None) -> None:
    made = deployment(*nodes)
    assert next((item.key for item in made.inputs if item.is_prompt), None) == prompt


def test_the_prompt_is_not_required_where_the_file_says_so() -> None:
    made = deployment(node("prompt", "Text", default="a fox"), inputs={"prompt": {"required": False}})
    assert made.inputs[0].is_prompt
    assert not made.inputs[0].required


def test_options_readable_from_raw_text_are_choices_and_unreadable_ones_text() -> None:
    options = {"a": '["x", "y"]', "b": "[not json"}
    nodes = [
        {"input_id": key, "class_type": f"{PREFIX}Enum", "enum_options": text}
        for key, text in options.items()
    ]
    described = parse_deployment(json.dumps({"id": UUID, "input_types": nodes}).encode())
    made = by_key(compiled(config(), described))
    assert [choice.name for choice in made["a"].choices] == ["x", "y"]
    assert made["b"].kind is InputKind.TEXT


def test_names_are_acceptable_unique_and_none_of_the_bots_own() -> None:
    made = deployment(
        node("My Prompt", "Text"),
        node("my prompt", "Text"),
        node("gpu", "Text"),
        node("***", "Text"),
        node("Größe 2", "Text"),
    )
    assert [item.option for item in made.inputs] == [
        "my_prompt",
        "my_prompt_2",
        "gpu_input",
        "input",
        "größe_2",
    ]
    assert made.inputs[0].key == "My Prompt"


def test_a_batch_gets_numbered_names_beside_a_single_image() -> None:
    made = deployment(node("image", "Image"), node("image2", "Image"), node("images", "ImageBatch"))
    names = [name for item in made.inputs for name in item.option_names]
    assert len(names) == len(set(names)) == 6


def test_the_files_inputs_stand_first_in_its_order_and_then_the_prompt() -> None:
    made = deployment(node("a", "NumberInt"), node("prompt", "Text"), node("b", "Text"), inputs={"b": {}})
    assert [item.key for item in made.inputs] == ["b", "prompt", "a"]


def test_only_listed_inputs_hides_the_others() -> None:
    made = deployment(node("a", "Text"), node("b", "Text"), inputs={"b": {}}, only_listed_inputs=True)
    assert [item.key for item in made.offered] == ["b"]


def test_the_file_alone_describes_a_deployment() -> None:
    described = {
        "prompt": {"kind": "text", "prompt": True},
        "steps": {"class_type": "ComfyUIDeployExternalNumberSliderInt", "min": 1, "max": 50, "default": 20},
        "seed": {"seed": True},
        "negative": {"fixed": "blurry"},
    }
    made = by_key(compiled(config(inputs=described), None))
    assert made["prompt"].required
    assert made["steps"].send_default
    assert made["seed"].kind is InputKind.INTEGER
    assert made["negative"].fixed == "blurry"


def test_an_input_that_nobody_describes_is_hidden_and_told() -> None:
    made = deployment(node("steps", "NumberInt"), inputs={"stepz": {"max": 20}})
    assert by_key(made)["stepz"].hidden
    assert any("'stepz'" in warning for warning in made.warnings)


def test_our_default_is_sent_only_where_it_differs() -> None:
    nodes = (node("a", "NumberInt", default=20), node("b", "NumberInt", default=20))
    made = by_key(deployment(*nodes, inputs={"a": {"default": 20}, "b": {"default": 30}}))
    assert (made["a"].send_default, made["b"].send_default) == (False, True)


def test_gpus_are_the_pages_seven_unless_told_otherwise() -> None:
    assert deployment().gpus == GPUS
    assert deployment(gpus=["T4", "B200"], default_gpu="B200").gpus == ("T4", "B200")
    assert deployment(gpus=["T4"]).default_gpu == "T4"


def test_a_pinned_gpu_leaves_no_choice_unless_the_file_gives_one() -> None:
    pinned = info(gpu="A10G")
    assert compiled(config(), pinned).gpus == ("A10G",)
    assert compiled(config(), pinned).default_gpu is None
    told = compiled(config(gpus=["T4", "H100"]), pinned)
    assert told.gpus == ("T4", "H100")
    assert "pins its GPU to A10G" in told.warnings[0]


def test_numbers_stay_within_what_discord_carries() -> None:
    (seed,) = deployment(node("seed", "NumberInt"), inputs={"seed": {"max": 2**53 - 1}}).inputs
    assert seed.maximum == 2**53 - 1
    (wide,) = deployment(node("n", "NumberSliderInt", minimum=-(2**53), maximum=2**53)).inputs
    assert (wide.minimum, wide.maximum) == (1 - 2**53, 2**53 - 1)


def test_choices_of_a_number_are_only_what_a_person_would_write() -> None:
    choices = ["1", "2.0", "1_0", "nan", " 3", "٣"]
    made = by_key(deployment(node("steps", "NumberInt"), inputs={"steps": {"choices": choices}}))
    assert [choice.value for choice in made["steps"].choices] == ["1", "2.0", "3"]


def test_a_description_or_choice_of_which_nothing_can_be_seen_is_replaced() -> None:
    hidden = "\u200b\u2060"
    made = by_key(deployment(node(hidden, "Enum", description=hidden, choices=("a", hidden, "b\x00c"))))
    assert describe(made[hidden]) == "input"
    assert [choice.name for choice in made[hidden].choices] == ["a", "(empty)", "b c"]


@pytest.mark.parametrize(
    ("low", "high", "made"),
    [(0.5, 9.5, (1, 9)), (-1.5, -0.5, (-1, -1)), (0.2, 0.8, (None, None)), (3, 1, (None, None))],
)
def test_the_limits_of_an_integer_are_the_next_ones_inside(low: float, high: float, made: tuple) -> None:
    steps = by_key(deployment(node("steps", "NumberInt", minimum=low, maximum=high)))["steps"]
    assert (steps.minimum, steps.maximum) == made


def test_a_name_from_the_file_goes_before_the_same_one_from_comfydeploy() -> None:
    made = by_key(deployment(node("x", "Text"), node("y", "Text"), inputs={"x": {}, "y": {"option": "x"}}))
    assert (made["y"].option, made["x"].option) == ("x", "x_2")


def test_a_default_that_comfydeploys_input_does_not_take_is_told() -> None:
    made = deployment(node("steps", "NumberInt", maximum=50), inputs={"steps": {"default": 99}})
    assert made.warnings == ("deployment 'flux': input 'steps' doesn't take the default 99: it is left out",)


def test_a_default_may_be_written_as_the_number_that_is_a_choice() -> None:
    described = {"kind": "choice", "choices": [512, 768], "default": 768}
    (made,) = deployment(inputs={"size": described}).inputs
    assert (made.default, made.required, made.send_default) == ("768", False, True)
