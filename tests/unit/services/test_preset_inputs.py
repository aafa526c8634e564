"""The inputs that a preset gives to a request."""

from __future__ import annotations

import pytest

from bot.deployments.model import Input
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.services.presets.inputs import apply_preset, left_to_type, replaced_inputs
from tests.unit.deployments.flux import FLUX
from tests.unit.factories import made_preset

PROMPT = next(item for item in FLUX.offered if item.is_prompt)


def test_a_typed_prompt_fills_every_gap() -> None:
    preset = made_preset(inputs={PROMPT.key: "{prompt}, once more: {prompt}"})
    assert (
        apply_preset(FLUX, preset, {PROMPT.option: "a fox"}).options[PROMPT.option]
        == "a fox, once more: a fox"
    )


def test_many_gaps_and_a_long_prompt_are_refused_before_they_are_joined() -> None:
    assert PROMPT.max_length is not None
    preset = made_preset(inputs={PROMPT.key: "{prompt}" * 500})
    with pytest.raises(InputError) as refused:
        apply_preset(FLUX, preset, {PROMPT.option: "x" * PROMPT.max_length})
    assert refused.value.code == "input_too_long"
    assert refused.value.params["length"] == 500 * PROMPT.max_length


@pytest.mark.parametrize(
    ("prompt", "required", "replaced"),
    [
        ("an owl", True, [PROMPT]),
        ("an owl", False, []),
        ("{prompt} in ink", True, []),
    ],
)
def test_a_required_input_is_always_replaced_except_a_prompt_with_a_gap(
    prompt: str, required: bool, replaced: list[Input]
) -> None:
    preset = made_preset(inputs={PROMPT.key: prompt})
    assert replaced_inputs(FLUX, preset, {PROMPT.option} if required else ()) == replaced


@pytest.mark.parametrize(("typed", "fits"), [(10, True), (11, False)])
def test_the_limit_is_that_of_the_prompt(typed: int, fits: bool) -> None:
    assert PROMPT.max_length is not None
    stored = "y" * (PROMPT.max_length - 10) + "{prompt}"
    preset = made_preset(inputs={PROMPT.key: stored})
    if fits:
        filled = apply_preset(FLUX, preset, {PROMPT.option: "x" * typed}).options[PROMPT.option]
        assert len(str(filled)) == PROMPT.max_length
    else:
        with pytest.raises(InputError):
            apply_preset(FLUX, preset, {PROMPT.option: "x" * typed})


STEPS = next(item for item in FLUX.offered if item.option == "steps")


@pytest.mark.parametrize(
    ("saved", "typed"),
    [
        ({PROMPT.key: "{prompt} in ink, {prompt}"}, {PROMPT.key: "a fox", STEPS.key: 30}),
        ({PROMPT.key: "{prompt} in ink, {prompt}", STEPS.key: 30}, {PROMPT.key: "a fox"}),
        ({STEPS.key: 30}, {PROMPT.key: "a fox in ink, a fox"}),
        ({PROMPT.key: "an owl", STEPS.key: 20}, {PROMPT.key: "a fox in ink, a fox", STEPS.key: 30}),
        # The preset can't give these inputs.
        ({PROMPT.key: "{prompt} in oil"}, None),
        ({PROMPT.key: "{prompt} in ink, {prompt}" + " " * 40}, None),
        ({STEPS.key: 30, "negative": "blurry"}, None),
    ],
)
def test_only_what_a_preset_does_not_give_is_left_to_type(
    saved: dict[str, InputValue], typed: dict[str, InputValue] | None
) -> None:
    inputs = {PROMPT.key: "a fox in ink, a fox", STEPS.key: 30}
    found = left_to_type(FLUX, made_preset(inputs=saved), inputs, None, {PROMPT.option})
    assert (found and found[0]) == typed


@pytest.mark.parametrize(
    ("gpu", "of_preset", "left"), [("L4", "L4", None), ("L4", "A100", "L4"), ("L4", None, "L4")]
)
def test_the_gpu_is_typed_unless_the_preset_gives_it(
    gpu: str, of_preset: str | None, left: str | None
) -> None:
    preset = made_preset(gpu=of_preset)
    assert left_to_type(FLUX, preset, {PROMPT.key: "a fox"}, gpu, ()) == ({PROMPT.key: "a fox"}, left)
