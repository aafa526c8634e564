"""The classes of ComfyDeploy's input nodes."""

from __future__ import annotations

import re

from bot.domain.backend import InputClass, InputKind

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
# Classes of later versions that load weights: a plain text option would let any user choose the download.
_LOADS_WEIGHTS = re.compile(r"lora|checkpoint|ckpt|model|unet|vae|controlnet|embedding", re.IGNORECASE)
_MULTI_LINE = frozenset({"Text", "TextAny"})


def input_class(class_type: str, wire_type: str = "") -> InputClass:
    """Return the class of a node. An unknown class is WEIGHTS if its name suggests it; otherwise its kind is
    derived from `wire_type`.
    """
    name = class_type.removeprefix(_PREFIX)
    kind = _CLASSES.get(name)
    if kind is None:
        kind = InputKind.WEIGHTS if _LOADS_WEIGHTS.search(class_type) else _TYPES.get(wire_type)
    return InputClass(class_type, kind, multi_line=name in _MULTI_LINE)
