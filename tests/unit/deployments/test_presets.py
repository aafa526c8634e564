"""The layers of a request: what is typed, then a named preset, then default presets."""

from __future__ import annotations

from typing import Any

import pytest

from bot.deployments.merge import GPU, Merged, Stored, merge
from bot.domain.errors import InputErrors
from bot.domain.requests import Holder
from tests.unit.deployments.flux import FLUX, drawn
from tests.unit.factories import made_preset

assert FLUX.prompt is not None
LONGEST = FLUX.prompt.max_length or 0


def preset(gpu: str | None = None, **inputs: Any) -> Stored:
    return Stored(inputs, gpu, made_preset("noir", holder=Holder.SERVER, inputs=inputs))


def merged(typed: dict[str, Any], *layers: Stored) -> Merged:
    return merge(FLUX, [typed], layers, draw_seed=drawn)


def mistake(typed: dict[str, Any], *layers: Stored) -> Any:
    with pytest.raises(InputErrors) as refused:
        merged(typed, *layers)
    (only,) = refused.value.errors
    return only


def test_the_first_layer_with_a_value_decides_and_is_named() -> None:
    named, own = preset(prompt="an owl", steps=3), preset("L4", steps=4, cfg=2)
    found = merged({"sampler": "ddim"}, named, own)
    values = {key: found.inputs[key] for key in ("prompt", "steps", "cfg", "sampler")}
    assert values == {"prompt": "an owl", "steps": 3, "cfg": 2, "sampler": "DDIM"}
    assert found.sources == {"prompt": named, "steps": named, "cfg": own, GPU: own}
    typed = merged({"prompt": "a wolf", "steps": 9}, named)
    assert (typed.inputs["steps"], typed.sources) == (9, {})


def test_a_typed_prompt_fills_every_gap_of_the_first_preset_with_a_prompt() -> None:
    noir = preset(prompt="{prompt}, once more: {prompt}")
    found = merged({"prompt": "a fox"}, preset(steps=3), noir, preset(prompt="{prompt} at home"))
    assert found.inputs["prompt"] == "a fox, once more: a fox"
    assert found.sources["prompt"] == noir
    assert mistake({}, noir).code == "preset_needs_prompt"
    # An earlier run's prompt is no preset's.
    assert merged({"prompt": "a fox"}, Stored({"prompt": "{prompt}"})).inputs["prompt"] == "a fox"


def test_many_gaps_and_a_long_prompt_are_refused_before_they_are_joined() -> None:
    refused = mistake({"prompt": "x" * LONGEST}, preset(prompt="{prompt}" * 500))
    assert (refused.code, refused.params["length"]) == ("input_too_long", 500 * LONGEST)


@pytest.mark.parametrize(("typed", "fits"), [(10, True), (11, False)])
def test_the_limit_is_that_of_the_prompt(typed: int, fits: bool) -> None:
    layer = preset(prompt="y" * (LONGEST - 10) + "{prompt}")
    if fits:
        assert len(str(merged({"prompt": "x" * typed}, layer).inputs["prompt"])) == LONGEST
    else:
        assert mistake({"prompt": "x" * typed}, layer).code == "input_too_long"
