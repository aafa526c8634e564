"""Detect a file's type by its first bytes, whatever it claims to be, and choose its suffix."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Final

import filetype

SNIFF_BYTES: Final = 8192
UNKNOWN: Final = ("application/octet-stream", "bin")
TEXT: Final = ("text/plain", "txt")
_PLAIN_NAMES: Final[Mapping[str, str]] = {"audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac"}
# Types that workflows produce and `filetype` doesn't detect.
_SIGNATURES: Final = ((b"glTF", ("model/gltf-binary", "glb")), (b"v/1\x01", ("image/x-exr", "exr")))
# The more specific suffixes that a file of each detected type may keep. No program executes such files.
_ENDINGS: Final[Mapping[str, frozenset[str]]] = {
    "txt": frozenset({"csv", "json", "md", "srt", "vtt", "obj", "gltf", "yaml"}),
    "zip": frozenset({"usdz"}),
    "bin": frozenset({"fbx", "stl", "ply", "npy", "safetensors", "latent"}),
    "jpg": frozenset({"jpeg"}),
    "ogg": frozenset({"opus"}),
}
_RUNNABLE: Final = frozenset({"exe", "elf", "swf", "deb", "rpm", "crx", "nes", "wasm", "dex", "dey", "lnk"})


def sniff(head: bytes) -> tuple[str, str]:
    """Return the content type and extension of a file from its first `SNIFF_BYTES`.

    A file of no known type is `TEXT` if it is valid UTF-8, otherwise `UNKNOWN`.
    """
    kind = filetype.guess(head)
    if kind is not None:
        return _PLAIN_NAMES.get(kind.mime, kind.mime), kind.extension
    for signature, known in _SIGNATURES:
        if head.startswith(signature):
            return known
    if b"\0" in head:
        return UNKNOWN
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The end of the sample may cut its last character in two.
        is_cut = error.start >= len(head) - 3 and len(head) >= SNIFF_BYTES
        return TEXT if is_cut else UNKNOWN
    return TEXT


def is_visual(content_type: str) -> bool:
    """Return whether a file of this type is a picture, an animation or a video."""
    return content_type.startswith(("image/", "video/"))


def is_wrong_type(extension: str, expected_name: str) -> bool:
    """Return whether a file is a program, or is text although its name promises a picture, video or sound.

    SVG files are text, so they are accepted.
    """
    promised = mimetypes.guess_type(expected_name)[0] or ""
    is_media = promised.startswith(("image/", "video/", "audio/")) and promised != "image/svg+xml"
    return extension in _RUNNABLE or (is_media and extension == TEXT[1])


def suffix_for(name: str | None, extension: str) -> str:
    """Return the suffix for a file of this name, which fits its detected type."""
    ending = (name or "").rpartition(".")[2].lower()
    return ending if ending in _ENDINGS.get(extension, frozenset()) else extension
