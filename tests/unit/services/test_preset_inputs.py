"""The inputs that a preset gives to a request."""

from __future__ import annotations

import pytest

from bot.deployments.model import Input
from bot.domain.errors import InputError
from bot.services.preset_inputs import apply_preset, replaced_inputs
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
