"""The values of a request's runs, the seeds of a batch, and whether a stored run is still taken."""

from __future__ import annotations

from typing import Any

import pytest

from bot.comfydeploy.deployments import GPUS
from bot.deployments.choices import input_of
from bot.deployments.inputs import Input
from bot.deployments.merge import GPU, Merged, Stored, merge, removed_since
from bot.domain.backend import InputKind
from bot.domain.errors import InputErrors
from bot.domain.requests import Holder
from tests.unit.deployments.flux import FLUX, drawn
from tests.unit.deployments.made import but, choice, offering
from tests.unit.factories import made_preset, made_run

assert FLUX.prompt is not None
LONGEST = FLUX.prompt.max_length or 0


def preset(gpu: str | None = None, **inputs: Any) -> Stored:
    return Stored(inputs, gpu, made_preset("noir", holder=Holder.SERVER, inputs=inputs))


def merged(typed: dict[str, Any], *layers: Stored) -> Merged:
    return merge(FLUX, typed, layers, draw_seed=drawn)


def test_the_first_layer_with_a_value_decides_and_is_named() -> None:
    named, own = preset(prompt="an owl", steps=3), preset("L4", steps=4, cfg=2)
    found = merged({"sampler": "ddim"}, named, own)
    values = {key: found.inputs[key] for key in ("prompt", "steps", "cfg", "sampler")}
    assert values == {"prompt": "an owl", "steps": 3, "cfg": 2, "sampler": "DDIM"}
    assert found.sources == {"prompt": named, "steps": named, "cfg": own, GPU: own}
    typed = merged({"prompt": "a wolf", "steps": 9}, named)
    assert (typed.inputs["steps"], typed.sources) == (9, {})
    # An emptied GPU is the default again.
    emptied = merged({"prompt": "a wolf", GPU: ""}, own)
    assert (emptied.gpu, emptied.sources.get(GPU)) == (FLUX.default_gpu, None)


def test_a_typed_prompt_fills_every_gap_of_the_first_preset_with_a_prompt() -> None:
    noir = preset(prompt="{prompt}, once more: {prompt}")
    found = merged({"prompt": "a fox"}, preset(steps=3), noir, preset(prompt="{prompt} at home"))
    assert (found.inputs["prompt"], found.sources["prompt"]) == ("a fox, once more: a fox", noir)
    # An earlier run's prompt is no preset's, and a prompt without gaps hides those of later presets.
    for first in (Stored({"prompt": "{prompt}"}), preset(prompt="an owl")):
        assert merged({"prompt": "a fox"}, first, noir).inputs["prompt"] == "a fox"
    fits = preset(prompt="y" * (LONGEST - 10) + "{prompt}")
    assert len(str(merged({"prompt": "x" * 10}, fits).inputs["prompt"])) == LONGEST


def test_a_gap_needs_a_prompt_that_fits() -> None:
    def mistake(layer: str, **typed: str) -> tuple[str, Any]:
        with pytest.raises(InputErrors) as refused:
            merged(typed, preset(prompt=layer))
        (error,) = refused.value.errors
        return error.code, error.params.get("length")

    assert mistake("a {prompt}") == ("preset_needs_prompt", None)
    too_long = mistake("y" * (LONGEST - 10) + "{prompt}", prompt="x" * 11)
    assert too_long == ("input_too_long", LONGEST + 1)
    # Many gaps and a long prompt are refused before they are joined.
    assert mistake("{prompt}" * 500, prompt="x" * LONGEST) == ("input_too_long", 500 * LONGEST)


SEED = input_of(key="s", option="seed", kind=InputKind.INTEGER, is_seed=True)
NARROW = but(SEED, minimum=0.0, maximum=5.0)
DEFAULT_SEED = but(SEED, default=7, send_default=True)


def seeds(item: Input, count: Any, **given: Any) -> list[Any]:
    numbers, made = iter(range(1000, 2000)), offering(item, gpus=GPUS, max_count=10)
    return [
        seed for _, seed in merge(made, {**given, "count": count}, draw_seed=lambda *_: next(numbers)).runs
    ]


@pytest.mark.parametrize(
    ("item", "count", "typed", "expected"),
    [
        (SEED, 4, {"seed": 7}, [7, 8, 9, 10]),
        (SEED, 3, {"more": "seed=5"}, [5, 6, 7]),
        (SEED, "4", {}, [1000, 1001, 1002, 1003]),
        *((SEED, none, {"seed": 7}, [7]) for none in (" ", 1)),
        # Past the end of the range it goes on at the beginning, and below the drawn ones it goes up to them.
        (NARROW, 4, {"seed": 4}, [4, 5, 0, 1]),
        (but(NARROW, minimum=-9), 2, {"seed": -3}, [-3, -2]),
        (but(SEED, choices=(choice("7", "7"),)), 2, {"seed": 7}, [7, 7]),
        (but(SEED, fixed=3), 2, {}, [3, 3]),
        # Again empties the seed, which keeps its default if it has choices.
        *((DEFAULT_SEED, 1, *each) for each in (({}, [7]), ({"seed": ""}, [1000]))),
        (but(DEFAULT_SEED, choices=(choice("7", "7"),)), 1, {"seed": ""}, [7]),
    ],
)
def test_a_given_seed_counts_on_and_others_are_drawn(
    item: Input, count: Any, typed: dict[str, Any], expected: list[int]
) -> None:
    assert seeds(item, count, **typed) == expected


K = InputKind
WIDTH, HEIGHT = (
    input_of(key=key, option=key, kind=K.INTEGER, minimum=256, maximum=1024) for key in ("width", "height")
)
SMALL = {"choices": (choice("small", "small"),), "sent": {"small": {"width": 512, "height": 512}}}
TODAY = offering(
    input_of(key="style", option="style", kind=K.TEXT, choices=(choice("Ink", "ink-v1"),)),
    input_of(key="size", option="size", kind=K.TEXT, parts=(WIDTH, HEIGHT), **SMALL),
    input_of(key="steps", option="steps", kind=K.INTEGER, minimum=1, maximum=30),
    input_of(key="pictures", option="picture", kind=K.IMAGES, max_count=2),
    input_of(key="cfg", option="cfg", kind=K.INTEGER, fixed=7),
    input_of(key="sampler", option="sampler", kind=K.TEXT, hidden=True),
    input_of(key="mood", option="mood", kind=K.TEXT, required=True),
    gpus=("A10G", "T4"),
)
REVERSED = TODAY.model_copy(update={"inputs": dict(reversed(TODAY.inputs.items()))})


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({}, None),
        ({"style": "INK-V1", "steps": 30, "cfg": 7}, None),
        # A size is stored as its numbers, so another name or list of choices changes nothing.
        ({"width": 640, "height": 1024}, None),
        ({"style": "neon"}, "value_removed"),
        ({"steps": 31}, "value_removed"),
        ({"width": 2048, "height": 512}, "value_removed"),
        ({"cfg": 8}, "value_removed"),
        ({"sampler": "euler"}, "value_removed"),
        ({"loras": "x"}, "value_removed"),
    ],
)
def test_a_run_starts_if_its_values_are_still_taken(inputs: dict[str, Any], code: str | None) -> None:
    for offered in (TODAY, REVERSED):
        refusal = removed_since(offered, made_run(inputs=inputs))
        assert (refusal and refusal.code) == code


def test_a_gpu_is_refused_once_it_is_not_offered() -> None:
    assert [removed_since(TODAY, made_run(gpu=gpu)) for gpu in ("A10G", "T4")] == [None, None]
    refusal = removed_since(TODAY, made_run(gpu="H100"))
    assert refusal is not None
    assert refusal.code == "gpu_removed"
    assert removed_since(TODAY.model_copy(update={"pinned_gpu": "L4"}), made_run(gpu="H100")) is None


def test_each_seed_counts_by_itself() -> None:
    offered, noise = offering(SEED, but(SEED, key="t", option="noise"), max_count=10), iter((50, 60))
    found = merge(offered, {"seed": 3, "count": 2}, draw_seed=lambda *_: next(noise))
    assert [inputs for inputs, _ in found.runs] == [{"s": 3, "t": 50}, {"s": 4, "t": 60}]


def test_the_gpu_of_a_preset_is_kept_if_it_is_offered() -> None:
    for gpu, dropped in (("T4", []), ("H100", ["gpu"])):
        found = merge(TODAY, {"mood": "calm"}, [Stored(gpu=gpu)], draw_seed=lambda *_: 1)
        assert (GPU in found.sources, found.dropped) == (not dropped, dropped)
