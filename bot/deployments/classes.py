"""ComfyDeploy's input classes, and what can be told from an input's name."""

from __future__ import annotations

import re

from bot.deployments.model import InputKind

_PREFIX = "ComfyUIDeployExternal"
_CLASSES = {
    "Text": InputKind.TEXT,
    "TextAny": InputKind.TEXT,
    "TextSingleLine": InputKind.TEXT,
    "Number": InputKind.FLOAT,
    "NumberSlider": InputKind.FLOAT,
    "NumberInt": InputKind.INTEGER,
    "NumberSliderInt": InputKind.INTEGER,
    "Seed": InputKind.INTEGER,
    "Boolean": InputKind.BOOLEAN,
    "Enum": InputKind.CHOICE,
    "Image": InputKind.IMAGE,
    "ImageAlpha": InputKind.IMAGE,
    "ImageBatch": InputKind.IMAGES,
    "Video": InputKind.VIDEO,
    "Audio": InputKind.AUDIO,
    "File": InputKind.FILE,
    "EXR": InputKind.FILE,
    "Lora": InputKind.WEIGHTS,
    "Checkpoint": InputKind.WEIGHTS,
}
_TYPES = {
    "string": InputKind.TEXT,
    "integer": InputKind.INTEGER,
    "float": InputKind.FLOAT,
    "boolean": InputKind.BOOLEAN,
}
# Classes of later versions that load weights: a plain text option would let a stranger choose the download.
_LOADS_WEIGHTS = re.compile(r"lora|checkpoint|ckpt|model|unet|vae|controlnet|embedding", re.IGNORECASE)
_MULTI_LINE = frozenset({"Text", "TextAny"})
_SEED = re.compile(r"(^|[^a-z])seed($|[^a-z])")
_NEGATIVE = re.compile(r"(^|[^a-z])neg(ative)?($|[^a-z])")


def kind_of(class_type: str, wire_type: str = "") -> InputKind | None:
    """The kind of a class; an unknown class goes by its wire type. None: nothing a person can give."""
    if kind := _CLASSES.get(class_type.removeprefix(_PREFIX)):
        return kind
    if _LOADS_WEIGHTS.search(class_type):
        return InputKind.WEIGHTS
    return _TYPES.get(wire_type)


def is_multi_line(class_type: str) -> bool:
    return class_type.removeprefix(_PREFIX) in _MULTI_LINE


def names_seed(*names: str) -> bool:
    return any(_SEED.search(name.lower()) for name in names)


def prompt_rank(names: tuple[str, ...], class_type: str) -> int | None:
    """How surely a text input is the prompt, 0 being surest; None when it is not one.

    Named `prompt` or `positive…` first, then any name with `prompt` in it, then any text of several lines;
    a negative prompt is none.
    """
    lowered = [name.lower().strip() for name in names]
    if any(_NEGATIVE.search(name) for name in lowered):
        return None
    if any(name == "prompt" or name.startswith("positive") for name in lowered):
        return 0
    if any("prompt" in name for name in lowered):
        return 1
    return 2 if is_multi_line(class_type) else None
