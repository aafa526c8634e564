"""Sizes: what the file and ComfyDeploy allow, and the way from a choice to two inputs and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.deployments.command_plan import plan_commands
from bot.deployments.draft import Draft, changed
from bot.deployments.input_text import command_line, displayed_inputs
from bot.deployments.inputs import Input
from bot.deployments.merge import Merged, Stored, merge
from bot.deployments.model import Deployment
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from tests.unit.deployments.made import deployment, node

LIMITS = {"minimum": 256, "maximum": 1536}
CHOICES = {"square": [768, 768], "portrait": [624, 912], "wide": [1216, 512]}


def sized(
    sizes: dict[str, Any] | None = None, *, side: dict[str, Any] | None = None, **more: Any
) -> Deployment:
    """Return a deployment with sizes; `side` describes its inputs width and height."""
    fields = {"default": 768, **LIMITS} if side is None else side
    return deployment(
        node("prompt", "Text", default="a fox"),
        node("width", "NumberSliderInt", **fields),
        node("steps", "NumberInt", default=20),
        node("height", "NumberInt", **fields),
        sizes={"choices": CHOICES} if sizes is None else sizes,
        **more,
    )


SIZED = sized()


def size_of(made: Deployment) -> Input:
    return next(item for item in made.inputs.values() if item.parts)


def sent(made: Deployment = SIZED, /, **options: Any) -> dict[str, InputValue]:
    taken = merge(made, [{"prompt": "a fox", **options}], draw_seed=boom).inputs
    return {key: value for key, value in taken.items() if key in ("width", "height")}


def kept(made: Deployment, stored: dict[str, InputValue], **typed: str) -> Merged:
    return merge(made, [typed], [Stored(stored)], draw_seed=boom)


def boom(_: Input) -> int:
    raise AssertionError("no seed was to be drawn")


@pytest.mark.parametrize(
    ("typed", "width", "height"),
    [("square", 768, 768), ("portrait", 624, 912), ("WIDE", 1216, 512), (" portrait ", 624, 912)],
)
def test_a_choice_is_sent_as_two_numbers(typed: str, width: int, height: int) -> None:
    assert sent(size=typed) == {"width": width, "height": height}


def test_left_out_nothing_is_sent_unless_the_file_has_a_default() -> None:
    assert sent() == {}
    assert size_of(SIZED).hint.endswith("(default square)")
    preferred = sized({"choices": CHOICES, "default": "wide"})
    assert sent(preferred) == {"width": 1216, "height": 512}
    assert size_of(preferred).hint.endswith("(default wide)")


def test_a_default_of_one_input_in_the_file_is_sent_with_the_other() -> None:
    made = sized(inputs={"width": {"default": 512}})
    assert sent(made) == {"width": 512, "height": 768}
    assert size_of(made).hint.endswith("(default 512 × 768)")


def refused(made: Deployment = SIZED, /, **options: Any) -> tuple[str, Any]:
    with pytest.raises(InputError) as caught:
        sent(made, **options)
    return caught.value.code, caught.value.params["option"]


def test_without_defaults_a_size_is_required() -> None:
    made = sized(side={})
    assert size_of(made).required
    assert refused(made) == ("input_required", "size")
    assert not size_of(sized({"choices": CHOICES, "default": "wide"}, side={})).required


@pytest.mark.parametrize(
    ("name", "sides", "label"),
    [
        ("portrait", [832, 1216], "Portrait 2:3 · 832 × 1216"),
        ("landscape", [1216, 832], "Landscape 3:2 · 1216 × 832"),
        ("A 16:9 picture", [1344, 768], "A 16:9 picture · 1344 × 768"),
        ("odd", [1000, 300], "Odd · 1000 × 300"),
    ],
)
def test_a_choice_shows_its_shape_and_sides(name: str, sides: list[int], label: str) -> None:
    made = sized({"choices": {name: sides}})
    (option,) = (each for each in plan_commands([made]).commands[0].options if each.name == "size")
    assert [(each.name, each.value) for each in option.choices] == [(label, name)]


def test_the_two_inputs_are_no_options_any_more() -> None:
    for side in ("width", "height"):
        assert refused(more=f"{side}=512") == ("input_unknown", side)
    assert sent(more="size=wide") == {"width": 1216, "height": 512}


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"width": 624, "height": 912}, "portrait"),
        ({"width": 624.0, "height": 912.0}, "portrait"),
        ({"width": "624", "height": "912"}, "portrait"),
        ({"width": 900, "height": 700}, "900 × 700"),
        ({"width": 900}, "900 × 768"),
        ({"height": 768}, "square"),
        ({}, None),
    ],
)
def test_two_numbers_are_shown_as_a_choice(stored: dict[str, InputValue], shown: str | None) -> None:
    values = dict(displayed_inputs(SIZED, {"prompt": "a fox", **stored}).values)
    assert values == {"prompt": "a fox"} | ({"size": shown} if shown else {})


def test_a_side_that_is_no_number_is_dropped_by_name() -> None:
    found = kept(SIZED, {"prompt": "a fox", "width": "wide", "height": 512})
    assert (found.inputs, found.dropped) == ({"prompt": "a fox"}, ("size",))


@given(st.integers(256, 1536), st.integers(256, 1536))
def test_any_size_within_the_limits_is_kept(width: int, height: int) -> None:
    stored = {"prompt": "a fox", "steps": 9, "width": width, "height": height}
    found = kept(SIZED, stored)
    assert (found.inputs, found.dropped) == (stored, ())


def test_the_command_to_copy_has_the_choice_or_leaves_it_to_the_user() -> None:
    def line(made: Deployment, **inputs: Any) -> str:
        return command_line(plan_commands([made]), made, inputs, None)

    assert line(SIZED, prompt="a fox", width=1216, height=512) == (
        "/generate prompt:a fox size:Wide 21:9 · 1216 × 512"
    )
    assert line(SIZED, prompt="a fox", width=900, height=700) == "/generate prompt:a fox size:"
    crowded = sized(inputs={f"k{n:02}": {"kind": "text", "required": True} for n in range(26)})
    assert line(crowded, width=1216, height=512) == "/generate more:size=wide"
    assert line(crowded, width=900, height=512) == "/generate"


def test_a_form_preselects_the_size_and_keeps_one_that_is_no_choice() -> None:
    def field(inputs: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        (found,) = (
            each
            for each in Draft(deployment=SIZED, stored=[Stored(inputs)]).fields({})
            if each.name == "size"
        )
        return found.value, tuple(option.value for option in found.options)

    assert field({"width": 1216, "height": 512}) == ("wide", tuple(CHOICES))
    stored = {"prompt": "a fox", "width": 900, "height": 700}
    assert field(stored) == ("900 × 700", (*CHOICES, "900 × 700"))
    assert changed(Draft(deployment=SIZED, stored=[Stored(stored)]).fields({}), {"size": "900 × 700"}) == {}
    assert kept(SIZED, stored, size="portrait").inputs == {"prompt": "a fox", "width": 624, "height": 912}


@pytest.mark.parametrize("large", [1024, "1,024", "1 024"])
def test_the_sides_choices_are_limits_too(large: int | str) -> None:
    sides = {"width": {"choices": [512, large]}, "height": {"choices": [512, large]}}
    made = sized({"choices": CHOICES | {"tall": [512, 1024]}}, side={"default": 1024}, inputs=sides)
    assert [choice.name for choice in size_of(made).choices] == ["tall"]
    assert len(made.warnings) == 3


def test_keys_and_the_option_can_be_others() -> None:
    made = deployment(
        node("w1", "NumberInt", display_name="Width", default=512),
        node("hoehe", "NumberInt", default=512),
        node("size", "Text"),
        sizes={"height": "hoehe", "option": "format", "choices": CHOICES},
    )
    assert [item.option for item in made.offered] == ["format", "size"]
    assert [part.key for part in size_of(made).parts] == ["w1", "hoehe"]
    nodes = node("size", "Text", default="x"), node("width", "NumberInt"), node("height", "NumberInt")
    made = deployment(*nodes, sizes={"choices": CHOICES})
    assert {item.key: item.option for item in made.offered} == {"width, height": "size", "size": "size_2"}


WIDTH, HEIGHT = node("width", "NumberInt"), node("height", "NumberInt")
W = node("w", "NumberInt", display_name="width")


@pytest.mark.parametrize(
    ("nodes", "settings", "reason"),
    [
        ([WIDTH], {}, "there is no input 'height'"),
        ([node("width", "Text"), HEIGHT], {}, "input 'width' is of kind 'text', not a number"),
        ([W, HEIGHT], {"inputs": {"w": {"hidden": True}}}, "input 'w' is hidden"),
        ([W, HEIGHT], {"inputs": {"w": {"fixed": 512}}}, "input 'w' is fixed"),
        (
            [node("seed", "NumberInt"), HEIGHT],
            {"sizes": {"width": "seed", "choices": CHOICES}},
            "input 'seed' is a seed",
        ),
        (
            [W, HEIGHT],
            {"sizes": {"height": "w", "choices": CHOICES}},
            "width and height are both the input 'w'",
        ),
    ],
)
def test_sizes_that_do_not_fit_the_workflow_are_told_and_the_inputs_stay(
    nodes: list[Any], settings: dict[str, Any], reason: str
) -> None:
    made = deployment(*nodes, **{"sizes": {"choices": CHOICES}, **settings})
    assert not any(item.parts for item in made.inputs.values())
    assert f"deployment 'flux': sizes are not offered: {reason}" in made.warnings
    assert set(made.inputs) == {each.key for each in nodes}


def test_a_size_outside_comfydeploys_limits_is_told_and_left_out() -> None:
    made = sized({"choices": {**CHOICES, "huge": [4096, 128]}, "default": "huge"})
    assert [choice.name for choice in size_of(made).choices] == list(CHOICES)
    assert made.warnings == (
        "deployment 'flux': size 'huge' is left out: height doesn't take it",
        "deployment 'flux': the default size 'huge' is left out",
    )
    assert size_of(made).default_values == {"width": 768, "height": 768}
    made = sized({"choices": {"huge": [4096, 4096]}})
    assert [item.option for item in made.offered] == ["prompt", "width", "steps", "height"]
    assert made.warnings[-1] == "deployment 'flux': sizes are not offered: none of them fits"
