"""Names and descriptions that Discord accepts, made from ones that it might not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from bot.deployments.model import InputKind

NAME_LENGTH = 32
DESCRIPTION_LENGTH = 100
# Options that the bot itself puts beside a deployment's inputs, now or in a later version.
RESERVED = frozenset({"gpu", "more", "count", "preset"})
# Discord's pattern takes letters, numbers, `-` and `_`, and of the combining marks only the Thai and
# Devanagari ones; these are the ranges that discord.py checks for.
_THAI = "\u0e31-\u0e3a\u0e47-\u0e4e"
_DEVANAGARI = "\u0900-\u0903\u093a-\u093c\u093e\u093f\u0940-\u094f\u0955-\u0957\u0962\u0963"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REFUSED = re.compile(rf"[^-_\w{_THAI}{_DEVANAGARI}]+")


def slug(text: str, fallback: str = "input") -> str:
    """`text` as a name that Discord takes: lower case, words joined by `_`, 1 to 32 characters."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    return _REFUSED.sub("_", lowered).strip("_")[:NAME_LENGTH].strip("_") or fallback


def acceptable(name: str) -> bool:
    """Whether Discord takes it as it stands, as the name of an option or a subcommand."""
    return 0 < len(name) <= NAME_LENGTH and name == name.lower() and not _REFUSED.search(name)


def unique(name: str, taken: Collection[str], *, room: int = 0) -> str:
    """`name`, or with a number behind it when it is taken; leaves `room` characters for an ending."""
    length = NAME_LENGTH - room
    candidate, number = name[:length], 2
    while candidate in taken:
        ending = f"_{number}"
        candidate, number = name[: length - len(ending)] + ending, number + 1
    return candidate


def one_line(text: str) -> str:
    """Descriptions come with line breaks; Discord shows one line. Empty where nothing of it can be seen,
    which Discord might refuse, and with it the whole command."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if any(char.isprintable() and not char.isspace() for char in line) else ""


def shorten(text: str, length: int) -> str:
    """`text` in at most `length` characters, with an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


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
