"""What is known of an input by the class of its node."""

from __future__ import annotations

import pytest

from bot.comfydeploy.input_classes import input_class
from bot.domain.backend import InputClass, InputKind

K = InputKind
KINDS = {
    K.TEXT: ("Text", "TextAny", "TextSingleLine"),
    K.FLOAT: ("Number", "NumberSlider"),
    K.INTEGER: ("NumberInt", "NumberSliderInt", "Seed"),
    K.BOOLEAN: ("Boolean",),
    K.CHOICE: ("Enum",),
    K.IMAGE: ("Image", "ImageAlpha"),
    K.IMAGES: ("ImageBatch",),
    K.VIDEO: ("Video",),
    K.AUDIO: ("Audio",),
    K.FILE: ("File", "EXR"),
    K.WEIGHTS: ("Lora", "Checkpoint"),
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for kind, names in KINDS.items() for name in names])
def test_a_class_decides_the_kind_whatever_the_type(name: str, kind: InputKind) -> None:
    full = f"ComfyUIDeployExternal{name}"
    assert input_class(full, "binary") == InputClass(full, kind, multi_line=name in ("Text", "TextAny"))
    assert input_class(name).kind is kind


@pytest.mark.parametrize(
    ("wire_type", "kind"),
    [
        ("string", K.TEXT),
        ("integer", K.INTEGER),
        ("float", K.FLOAT),
        ("boolean", K.BOOLEAN),
        ("binary", None),
        ("", None),
    ],
)
def test_an_unknown_class_has_the_kind_of_its_type(wire_type: str, kind: InputKind | None) -> None:
    assert input_class("ComfyUIDeployExternalNew", wire_type).kind is kind


@pytest.mark.parametrize(
    "word", ["lora", "Checkpoint", "CKPT", "Model", "unet", "VAE", "ControlNet", "Embedding"]
)
def test_an_unknown_class_that_loads_weights_is_no_text(word: str) -> None:
    assert input_class(f"ComfyUIDeployExternalNew{word}", "string").kind is K.WEIGHTS
