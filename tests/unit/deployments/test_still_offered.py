"""A stored run that today's deployment no longer takes is refused; whatever still fits starts."""

from __future__ import annotations

from typing import Any

import pytest

from bot.deployments.choices import input_of
from bot.deployments.merge import removed_since
from bot.domain.backend import InputKind
from tests.unit.deployments.made import choice, offering
from tests.unit.factories import made_run

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
    gpus=("A10G",),
    default_gpu="T4",
)
REVERSED = TODAY.model_copy(update={"inputs": dict(reversed(TODAY.inputs.items()))})


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({}, None),
        ({"style": "ink-v1", "steps": 30, "cfg": 7}, None),
        # A size is stored as its numbers, so another name or list of choices changes nothing.
        ({"width": 640, "height": 1024}, None),
        ({"width": 640}, None),
        ({"pictures": ["https://a.example/a.png"] * 2}, None),
        ({"style": "neon"}, "value_removed"),
        ({"style": ["ink-v1"]}, "value_removed"),
        ({"steps": 31}, "value_removed"),
        ({"width": 2048, "height": 512}, "value_removed"),
        ({"cfg": 8}, "value_removed"),
        ({"sampler": "euler"}, "value_removed"),
        ({"loras": "x"}, "value_removed"),
        ({"pictures": ["https://a.example/a.png"] * 3}, "value_removed"),
    ],
)
def test_a_run_starts_if_its_values_are_still_taken(inputs: dict[str, Any], code: str | None) -> None:
    for deployment in (TODAY, REVERSED):
        refusal = removed_since(deployment, made_run(inputs=inputs))
        assert (refusal and refusal.code) == code


@pytest.mark.parametrize(
    ("gpu", "pinned", "code"),
    [("A10G", None, None), ("T4", None, None), ("H100", None, "gpu_removed"), ("H100", "L4", None)],
)
def test_a_gpu_is_refused_once_it_is_not_offered(gpu: str, pinned: str | None, code: str | None) -> None:
    refusal = removed_since(TODAY.model_copy(update={"pinned_gpu": pinned}), made_run(gpu=gpu))
    assert (refusal and refusal.code) == code
