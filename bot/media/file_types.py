"""Detect a file's type by its first bytes, whatever it claims to be, and choose its suffix."""

from __future__ import annotations

import mimetypes
import struct
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
        is_cut = error.start >= len(head) - 3 and len(head) >= SNIFF_BYTES - 3
        return TEXT if is_cut else UNKNOWN
    return TEXT


def is_visual(content_type: str) -> bool:
    """Return whether a file of this type is a picture, an animation or a video."""
    return content_type.startswith(("image/", "video/"))


def pixels_of(head: bytes) -> tuple[int, int] | None:
    """Return the width and height of a picture from its first bytes, or None if they don't tell it."""
    try:
        if head.startswith(b"\x89PNG"):
            return _pair(">II", head, 16)
        if head.startswith(b"GIF8"):
            return _pair("<HH", head, 6)
        if head.startswith(b"RIFF"):
            return _webp_pixels(head) if len(head) >= 30 else None
        return _jpeg_pixels(head) if head.startswith(b"\xff\xd8") else None
    except struct.error:
        return None


def _webp_pixels(head: bytes) -> tuple[int, int] | None:
    match head[8:16]:
        case b"WEBPVP8 ":
            return _pair("<HH", head, 26)
        case b"WEBPVP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"WEBPVP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    return None


def _jpeg_pixels(head: bytes) -> tuple[int, int] | None:
    """Return the size from the first frame's header, which comes after segments with their lengths."""
    at = 2
    while head[at : at + 1] == b"\xff" and len(head) > at + 4:
        kind, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = _pair(">HH", head, at + 5)
            return width, height
        at += 2 + length
    return None


def _pair(layout: str, head: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(layout, head, at)
    return first, second


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
