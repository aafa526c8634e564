"""The inputs that a preset gives to a request."""

from __future__ import annotations

import pytest

from bot.domain.errors import InputError
from bot.services.preset_inputs import fill_gaps, own_texts
from tests.unit.deployments.flux import FLUX
from tests.unit.factories import made_preset

PROMPT = next(item for item in FLUX.offered if item.is_prompt)


def test_a_typed_prompt_fills_every_gap() -> None:
    preset = made_preset(inputs={PROMPT.key: "{prompt}, once more: {prompt}"})
    filled = fill_gaps(FLUX, preset, {PROMPT.option: "a fox", "steps": 3})
    assert filled == {PROMPT.option: "a fox, once more: a fox", "steps": 3}
    with pytest.raises(InputError, match="preset_needs_prompt"):
        fill_gaps(FLUX, preset, {})
    assert fill_gaps(FLUX, made_preset(inputs={PROMPT.key: "an owl"}), {}) == {}


def test_many_gaps_and_a_long_prompt_are_refused_before_they_are_joined() -> None:
    assert PROMPT.max_length is not None
    preset = made_preset(inputs={PROMPT.key: "{prompt}" * 500})
    with pytest.raises(InputError) as refused:
        fill_gaps(FLUX, preset, {PROMPT.option: "x" * PROMPT.max_length})
    assert refused.value.code == "input_too_long"
    assert refused.value.params["length"] == 500 * PROMPT.max_length


@pytest.mark.parametrize(("typed", "fits"), [(10, True), (11, False)])
def test_the_limit_is_that_of_the_prompt(typed: int, fits: bool) -> None:
    assert PROMPT.max_length is not None
    stored = "y" * (PROMPT.max_length - 10) + "{prompt}"
    preset = made_preset(inputs={PROMPT.key: stored})
    if fits:
        filled = fill_gaps(FLUX, preset, {PROMPT.option: "x" * typed})[PROMPT.option]
        assert len(str(filled)) == PROMPT.max_length
    else:
        with pytest.raises(InputError):
            fill_gaps(FLUX, preset, {PROMPT.option: "x" * typed})


def test_only_texts_that_nobody_typed_are_the_presets() -> None:
    preset = made_preset(inputs={PROMPT.key: "{prompt} in ink", "negative": "ugly", "steps": 3})
    own = {PROMPT.option: "  in ink", "negative": "ugly"}
    assert own_texts(FLUX, preset, {PROMPT.option: "a fox"}) == own
    for typed in ({"negative": "bad"}, {"more": "negative=bad"}):
        assert own_texts(FLUX, preset, {PROMPT.option: "a fox", **typed}) == {PROMPT.option: "  in ink"}
