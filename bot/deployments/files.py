"""A file that a person attached, and whether an input takes it."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass

from bot.deployments.model import InputKind
from bot.domain.errors import InputError

# What ComfyDeploy's own upload takes; a larger file would fail on the machine, without a reason.
LARGEST_FILE = 250 * 1024 * 1024
_FAMILIES = {
    InputKind.IMAGE: "image",
    InputKind.IMAGES: "image",
    InputKind.VIDEO: "video",
    InputKind.AUDIO: "audio",
}
# Animated pictures are what many workflows call a video.
_ALSO = {InputKind.VIDEO: frozenset({"image/gif", "image/webp", "image/apng"})}
# No node reads these, though their type begins with `image/`.
_NO_PICTURES = frozenset({"image/svg+xml", "image/x-icon", "image/vnd.microsoft.icon"})
_KNOWN = {".webp": "image/webp", ".avif": "image/avif", ".heic": "image/heic", ".m4a": "audio/mp4"}


@dataclass(frozen=True, slots=True)
class GivenFile:
    """An attachment: `content_type` as Discord tells it (it can be missing), `size` in bytes."""

    url: str
    filename: str
    content_type: str | None
    size: int


def check_file(kind: InputKind, option: str, file: GivenFile) -> str:
    """The file's URL. InputError when it is of another kind than the input's, empty or too large."""
    if file.size <= 0:
        raise InputError("input_file_empty", option=option, filename=file.filename)
    if file.size > LARGEST_FILE:
        limit = LARGEST_FILE // 1024**2
        raise InputError("input_file_too_large", option=option, filename=file.filename, limit_mib=limit)
    family, found = _FAMILIES.get(kind), media_type(file)
    if family is None:
        return file.url
    fits = found.startswith(f"{family}/") or found in _ALSO.get(kind, ())
    if not fits or found in _NO_PICTURES:
        told = {"option": option, "filename": file.filename, "expected": family, "found": found or "unknown"}
        raise InputError("input_file_type", **told)
    return file.url


def media_type(file: GivenFile) -> str:
    """The type without its parameters; by the name's ending where Discord says nothing useful."""
    told = (file.content_type or "").partition(";")[0].strip().lower()
    if told and told != "application/octet-stream":
        return told
    name = file.filename.lower()
    for ending, guess in _KNOWN.items():
        if name.endswith(ending):
            return guess
    return mimetypes.guess_type(name)[0] or told
