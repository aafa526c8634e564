"""One deployment with an input of every kind, and ways to give it values."""

from __future__ import annotations

from typing import Any

import pytest

from bot.deployments.inputs import AttachedFile
from bot.deployments.merge import Merged, merge
from bot.deployments.model import Deployment
from bot.domain.errors import InputError
from tests.unit.deployments.made import deployment, node

FLUX = deployment(
    node("prompt", "Text", default="a fox"),
    node("negative", "Text", default="blurry"),
    node("steps", "NumberSliderInt", default=20, minimum=1, maximum=50),
    node("cfg", "NumberSlider", default=7.5, minimum=0, maximum=30),
    node("hires", "Boolean", default=False),
    node("sampler", "Enum", default="euler", choices=("euler", "DDIM")),
    node("seed", "NumberSliderInt", minimum=1, maximum=4294967295, default=-1),
    node("image", "Image"),
    node("images", "ImageBatch"),
    node("video", "Video"),
    node("audio", "Audio"),
    node("file", "File"),
    node("width", "NumberInt", default=512),
    node("lora", "Lora"),
    inputs={
        "prompt": {"min_length": 3, "max_length": 100},
        **{key: {"required": False} for key in ("image", "images", "video", "audio", "file")},
        "width": {"choices": [512, 1024]},
        "lora": {"choices": [{"name": "Ink", "value": "https://example.com/ink.safetensors"}]},
        "quality": {"fixed": "best"},
        "bare": {"kind": "text", "default": "ours"},
    },
)


def drawn(low: int, high: int) -> int:
    return min(high, max(low, 4242))


def take(made: Deployment = FLUX, /, **values: Any) -> Merged:
    return merge(made, {"prompt": "a red fox", **values}, draw_seed=drawn)


def refused(made: Deployment = FLUX, /, **values: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        take(made, **values)
    return caught.value


def file(name: str = "a.png", content_type: str | None = "image/png", size: int = 1000) -> AttachedFile:
    return AttachedFile(f"https://cdn.discordapp.com/{name}", name, content_type, size)
