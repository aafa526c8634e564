"""Inputs that take files. A file is checked by its description from Discord, then by its first bytes."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from typing import Any

import filetype

from bot.deployments.inputs import AttachedFile, Input, RawValue, Typed, Values
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.forms import FormField, Shape
from bot.domain.runs import InputValue
from bot.domain.text import escape_line, in_code
from bot.sentences import say

# The limit of ComfyDeploy's own upload; a larger file would fail on the machine without an explanation.
MAX_FILE_SIZE = 250 * 1024 * 1024
_FAMILIES = {
    InputKind.IMAGE: "image",
    InputKind.IMAGES: "image",
    InputKind.VIDEO: "video",
    InputKind.AUDIO: "audio",
}
# Many workflows take animated pictures as videos.
_ALSO_ACCEPTED = {InputKind.VIDEO: frozenset({"image/gif", "image/webp", "image/apng"})}
# Videos and sounds share containers such as MP4, Ogg and WebM, whose first bytes don't tell which it is.
_SAME_CONTAINERS = frozenset({"audio", "video"})
# No node reads these formats, despite their `image/` type.
_UNSUPPORTED_IMAGES = frozenset({"image/svg+xml", "image/x-icon", "image/vnd.microsoft.icon"})
# All files of these types begin with the same bytes, so a file that begins otherwise isn't one.
_RECOGNIZABLE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
UNKNOWN_TYPE = "application/octet-stream"
_NAMED_FAMILIES = frozenset({"image", "video", "audio", "text"})
_FILENAME_LENGTH = 60


class FilesInput(Input):
    takes_file = True

    def typed(self, layer: Typed) -> Sequence[tuple[str, RawValue]] | None:
        """Return the files with the names of their options, in order."""
        given = [(name, layer[name]) for name in self.option_names if layer.get(name) is not None]
        files = [(name, each) for name, raw in given for each in (raw if isinstance(raw, tuple) else (raw,))]
        return files or None

    def parse(self, raw: Sequence[tuple[str, RawValue]]) -> dict[str, InputValue]:
        urls = []
        for name, file in raw:
            if not isinstance(file, AttachedFile):
                raise InputError("input_not_a_file", option=name)
            urls.append(check_file(self.kind, name, file))
        return self.stored({self.key: urls})

    def stored(self, values: Values) -> dict[str, InputValue]:
        urls = links_of(values.get(self.key))[: self.max_count]
        # An `IMAGES` input takes a list even for one picture.
        return {self.key: urls if self.kind is InputKind.IMAGES else urls[0]} if urls else {}

    def show(self, values: Values) -> str:
        return " ".join(links_of(values.get(self.key)))

    def field(self, values: Values, raw: Any = None) -> FormField:
        has_file = bool(raw) or self.key in values
        changes = {"description": say("edit_keep_file")} if has_file else {}
        return self._field(
            name=self.option_names[0],
            shape=Shape.FILES,
            required=self.required and not has_file,
            most=min(self.max_count, 10) if self.kind is InputKind.IMAGES else 1,
            **changes,
        )


def links_of(value: InputValue | None) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [str(value)]


def linked_file(url: str, content_type: str | None = None) -> AttachedFile:
    """Describe the file behind a link. Its size isn't known, so `size` is only a placeholder."""
    return AttachedFile(url, url.partition("?")[0].rpartition("/")[2], content_type, 1)


def check_file(kind: InputKind, option: str, file: AttachedFile) -> str:
    """Return the file's URL. Raises InputError if the file is empty, too large or of the wrong type.

    A file whose type isn't known passes, because `check_content` judges it later.
    """
    name = escape_line(file.filename, _FILENAME_LENGTH)
    if file.size <= 0:
        raise InputError("input_file_empty", option=option, filename=name)
    if file.size > MAX_FILE_SIZE:
        limit = MAX_FILE_SIZE // 1024**2
        raise InputError("input_file_too_large", option=option, filename=name, limit_mib=limit)
    content_type = media_type(file)
    if content_type and not _fits(kind, content_type):
        raise _wrong_type(kind, option, file, content_type)
    return file.url


def is_kind(kind: InputKind, file: AttachedFile) -> bool:
    """Return whether a file is known to be of a type that inputs of this kind take."""
    return _fits(kind, media_type(file))


def needs_content(kind: InputKind, file: AttachedFile) -> bool:
    """Return whether a file's first bytes must tell its type, because Discord couldn't read it.

    Discord knows the width and height of every picture and video that it could read.
    """
    return kind in _FAMILIES and not (file.width and file.height and is_kind(kind, file))


def check_content(kind: InputKind, option: str, file: AttachedFile, found: str | None) -> None:
    """Raise InputError if a file is of the wrong type, or if nothing tells its type.

    `found` is the type that the file's first bytes show, or None if they couldn't be read. If `found` is None
    or unknown, the type that Discord or the file's extension claims is accepted. The exception is an unknown
    `found` for a format whose files all begin with the same bytes.
    """
    claimed = is_kind(kind, file)
    if found is None or found == UNKNOWN_TYPE:
        if claimed and (found is None or media_type(file) not in _RECOGNIZABLE):
            return
        name, expected = escape_line(file.filename, _FILENAME_LENGTH), say(f"file_{_FAMILIES[kind]}")
        raise InputError("input_file_unknown", option=option, filename=name, expected=expected)
    family, is_container = found.partition("/")[0], _FAMILIES.get(kind) in _SAME_CONTAINERS
    if not _fits(kind, found) and not (is_container and family in _SAME_CONTAINERS):
        raise _wrong_type(kind, option, file, found)


def _fits(kind: InputKind, content_type: str) -> bool:
    family = _FAMILIES.get(kind)
    is_of_family = content_type.partition("/")[0] == family and content_type not in _UNSUPPORTED_IMAGES
    return family is None or is_of_family or content_type in _ALSO_ACCEPTED.get(kind, ())


def _wrong_type(kind: InputKind, option: str, file: AttachedFile, content_type: str) -> InputError:
    family = content_type.partition("/")[0]
    named = family in _NAMED_FAMILIES and content_type not in _UNSUPPORTED_IMAGES
    return InputError(
        "input_file_type",
        option=option,
        filename=escape_line(file.filename, _FILENAME_LENGTH),
        expected=say(f"file_{_FAMILIES[kind]}"),
        found=say(f"file_{family}") if named else f"of the type `{in_code(content_type, 60)}`",
    )


def media_type(file: AttachedFile) -> str:
    """Return the MIME type without parameters, or an empty string if it isn't known.

    If Discord names no type, or only `application/octet-stream`, it is guessed from the file's extension.
    """
    content_type = (file.content_type or "").partition(";")[0].strip().lower()
    if content_type and content_type != UNKNOWN_TYPE:
        return content_type
    name = file.filename.lower()
    known = filetype.get_type(ext=name.rpartition(".")[2])  # has newer formats than Python
    return str(known.mime) if known is not None else mimetypes.guess_type(name)[0] or ""
