"""Sizes: what the file and ComfyDeploy allow, and the way from a choice to two inputs and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.deployments.command_plan import plan_commands
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
        node("height", "NumberInt", **fields),
        sizes={"choices": CHOICES, **(sizes or {})},
        **more,
    )


SIZED = sized()


def size_of(made: Deployment) -> Input:
    return next(item for item in made.inputs.values() if item.parts)


def kept(made: Deployment, stored: dict[str, InputValue], **typed: str) -> Merged:
    return merge(made, typed, [Stored({"prompt": "a fox", **stored})], draw_seed=lambda *_: 1)


def sent(made: Deployment = SIZED, /, **options: Any) -> dict[str, InputValue]:
    return {key: value for key, value in kept(made, {}, **options).inputs.items() if key != "prompt"}


@pytest.mark.parametrize(
    ("made", "default", "values"),
    [
        (SIZED, "square", {}),
        (sized({"default": "wide"}), "wide", {"width": 1216, "height": 512}),
        (sized({"default": "wide"}, side={}), "wide", {"width": 1216, "height": 512}),
        # A default of one input in the file is sent with the other.
        (sized(inputs={"width": {"default": 512}}), "512 × 768", {"width": 512, "height": 768}),
    ],
)
def test_a_size_that_is_left_out_is_the_default(
    made: Deployment, default: str, values: dict[str, int]
) -> None:
    assert sent(made) == values
    assert size_of(made).hint.endswith(f"(default {default})")
    assert not size_of(made).required


def test_a_size_is_required_without_defaults_and_replaces_its_two_inputs() -> None:
    with pytest.raises(InputError, match="input_required"):
        sent(sized(side={}, inputs={"width": {"default": 512}}))
    with pytest.raises(InputError, match="input_unknown"):
        sent(more="width=512")


def test_a_choice_shows_its_shape_and_sides() -> None:
    choices = {"portrait": [832, 1216], "A 16:9 picture": [1344, 768], "odd": [1000, 300]}
    (command,) = plan_commands([sized({"choices": choices})]).commands
    (shown,) = (option.choices for option in command.options if option.name == "size")
    assert [*shown] == [
        ("Portrait 2:3 · 832 × 1216", "portrait"),
        ("A 16:9 picture · 1344 × 768", "A 16:9 picture"),
        ("Odd · 1000 × 300", "odd"),
    ]


@given(st.integers(256, 1536), st.integers(256, 1536))
def test_any_size_within_the_limits_is_kept(width: int, height: int) -> None:
    stored = {"prompt": "a fox", "width": width, "height": height}
    found = kept(SIZED, stored)
    assert (found.inputs, found.dropped) == (stored, [])
    found = kept(SIZED, {**stored, "width": "wide"})
    assert (found.inputs, found.dropped) == ({"prompt": "a fox"}, ["size"])


def test_the_sides_choices_are_limits_too() -> None:
    sides = {key: {"choices": [512, "1,024"]} for key in ("width", "height")}
    made = sized({"choices": CHOICES | {"tall": [512, 1024]}}, side={"default": 1024}, inputs=sides)
    assert [choice.name for choice in size_of(made).choices] == ["tall"]


W = node("w", "NumberInt", display_name="width", default=512, maximum=1536)
HEIGHT = node("height", "NumberInt", default=512)
SEED = node("seed", "NumberInt")
NO_SIDE = "must be a number that is offered, and no seed"


@pytest.mark.parametrize(
    ("nodes", "settings", "reason"),
    [
        ([W], {}, "there is no input 'height'"),
        ([node("width", "Text"), HEIGHT], {}, f"input 'width' {NO_SIDE}"),
        ([W, HEIGHT], {"inputs": {"w": {"hidden": True}}}, f"input 'w' {NO_SIDE}"),
        ([W, HEIGHT], {"inputs": {"w": {"fixed": 512}}}, f"input 'w' {NO_SIDE}"),
        ([SEED, HEIGHT], {"sizes": {"width": "seed", "choices": CHOICES}}, f"input 'seed' {NO_SIDE}"),
        ([W], {"sizes": {"height": "w", "choices": CHOICES}}, "width and height are both the input 'w'"),
        ([W, HEIGHT], {"sizes": {"choices": {"huge": [4096, 4096]}}}, "none of them fits"),
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
