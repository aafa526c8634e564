"""A stored run that today's deployment no longer takes is refused; whatever still fits starts."""

from __future__ import annotations

from typing import Any

import pytest

from bot.deployments.choices import input_of
from bot.deployments.merge import removed_since
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from tests.unit.deployments.made import choice, offering
from tests.unit.factories import made_run

WIDTH, HEIGHT = (
    input_of(key=key, option=key, kind=InputKind.INTEGER, minimum=256, maximum=1024)
    for key in ("width", "height")
)
STYLE = input_of(key="style", option="style", kind=InputKind.TEXT, choices=(choice("Ink", "ink-v1"),))
SIZE = input_of(
    key="size",
    option="size",
    kind=InputKind.TEXT,
    choices=(choice("small", "small"),),
    parts=(WIDTH, HEIGHT),
    sent={"small": {"width": 512, "height": 512}},
)
STEPS = input_of(key="steps", option="steps", kind=InputKind.INTEGER, minimum=1, maximum=30)
PICTURES = input_of(key="pictures", option="picture", kind=InputKind.IMAGES, max_count=2)
FIXED = input_of(key="cfg", option="cfg", kind=InputKind.INTEGER, fixed=7)
HIDDEN = input_of(key="sampler", option="sampler", kind=InputKind.TEXT, hidden=True)
NEW = input_of(key="mood", option="mood", kind=InputKind.TEXT, required=True)
TODAY = offering(
    *(STYLE, SIZE, STEPS, PICTURES, FIXED, HIDDEN, NEW),
    gpus=("A10G",),
    default_gpu="T4",
)


def refused(deployment: Deployment = TODAY, gpu: str | None = None, **inputs: Any) -> str | None:
    refusal = removed_since(deployment, made_run(inputs=inputs, gpu=gpu))
    return refusal.code if refusal is not None else None


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"style": "ink-v1", "steps": 30, "cfg": 7},
        # A size is stored as its numbers, so another name or list of choices changes nothing.
        {"width": 512, "height": 512},
        {"width": 640, "height": 1024},
        {"width": 640},
        {"pictures": ["https://a.example/a.png", "https://a.example/b.png"]},
    ],
)
def test_what_still_fits_starts(inputs: dict[str, Any]) -> None:
    assert refused(**inputs) is None
    assert (
        refused(offering(*reversed(TODAY.inputs.values()), gpus=TODAY.gpus, default_gpu="T4"), **inputs)
        is None
    )


@pytest.mark.parametrize(
    "inputs",
    [
        {"style": "neon"},
        {"steps": 31},
        {"width": 2048, "height": 512},
        {"cfg": 8},
        {"sampler": "euler"},
        {"loras": "x"},
        {"pictures": ["https://a.example/a.png"] * 3},
        {"style": ["ink-v1"]},
    ],
)
def test_a_value_that_is_no_longer_taken_is_refused(inputs: dict[str, Any]) -> None:
    assert refused(**inputs) == "value_removed"


@pytest.mark.parametrize(
    ("gpu", "pinned", "code"),
    [
        (None, None, None),
        ("A10G", None, None),
        ("T4", None, None),
        ("H100", None, "gpu_removed"),
        ("H100", "L4", None),
    ],
)
def test_a_gpu_is_refused_once_it_is_not_offered(
    gpu: str | None, pinned: str | None, code: str | None
) -> None:
    assert refused(TODAY.model_copy(update={"pinned_gpu": pinned}), gpu) == code
