"""Validate values and files. Discord's checks don't suffice, since an autocomplete option takes any text."""

from __future__ import annotations

import math
import mimetypes
from dataclasses import dataclass

from bot.deployments.compile.inputs import number
from bot.deployments.model import Choice, Input, OfferedValue, Size
from bot.deployments.schema.field_types import LARGEST
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.text import escape_line, in_code, strip_invisible
from bot.domain.text.numbers import shown_number, typed_integer, typed_number
from bot.strings import say

Plain = str | int | float | bool
_YES = frozenset({"yes", "y", "true", "on", "1"})
_NO = frozenset({"no", "n", "false", "off", "0"})
_SHOWN_CHOICES = 10


def check_value(item: Input, value: Plain | Size) -> OfferedValue:
    """Validate a value and convert it to the input's type. The name of a choice becomes its value.

    Raises an InputError that names the option.

    A `Size` comes from an earlier run or a preset. Such a size need not be among the current choices, but
    must be within the limits of its inputs.
    """
    if isinstance(value, Size):
        return _check_size(item, value)
    if item.choices:
        return _check_choice(item, value)
    match item.kind:
        case InputKind.INTEGER:
            return _check_range(item, _integer(item, value))
        case InputKind.FLOAT:
            return _check_range(item, _float(item, value))
        case InputKind.BOOLEAN:
            return _boolean(item, value)
        case InputKind.TEXT:
            return _text(item, value)
    raise InputError("input_not_a_file", option=item.option)


def takes_value(item: Input, value: Plain | Size) -> bool:
    """Return whether `check_value` accepts the value."""
    try:
        check_value(item, value)
    except InputError:
        return False
    return True


def _check_size(item: Input, size: Size) -> Size:
    for part, value in zip(item.parts, size.values, strict=True):
        if value is not None:
            check_value(part, value)
    return size


def _check_choice(item: Input, value: Plain) -> OfferedValue:
    choice = find_choice(item.choices, value)
    if choice is None:
        names = ", ".join(choice.name for choice in item.choices[:_SHOWN_CHOICES])
        if len(item.choices) > _SHOWN_CHOICES:
            names += ", …"
        raise InputError("input_choice", option=item.option, value=_excerpt(value), choices=names)
    if item.sizes:
        return item.sizes[item.choices.index(choice)]
    as_number = number(choice.value, item.kind) if item.kind in (InputKind.INTEGER, InputKind.FLOAT) else None
    return choice.value if as_number is None else as_number


def find_choice(choices: tuple[Choice, ...], value: Plain) -> Choice | None:
    """Return the choice whose name or value matches, or None. Exact matches take precedence over matches in
    any case, and these over equal numbers (`512.0` is `512`).
    """
    text = f"{value:.15g}" if isinstance(value, float) else str(value).strip()
    folded, as_number = text.casefold(), typed_number(text)
    tests = (
        lambda choice: choice.name == text,
        lambda choice: choice.value == text,
        lambda choice: folded in (choice.name.casefold(), choice.value.casefold()),
        lambda choice: as_number is not None and typed_number(choice.value) == as_number,
    )
    return next((choice for test in tests for choice in choices if test(choice)), None)


def _integer(item: Input, value: Plain) -> int:
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := typed_integer(value)) is not None:
        return found
    raise InputError("input_not_integer", option=item.option, value=_excerpt(value))


def _float(item: Input, value: Plain) -> int | float:
    if isinstance(value, str) and (found := typed_number(value)) is not None:
        value = found
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise InputError("input_not_number", option=item.option, value=_excerpt(value))


def _check_range(item: Input, value: int | float) -> int | float:
    low = -LARGEST if item.minimum is None else item.minimum
    high = LARGEST if item.maximum is None else item.maximum
    if value < low:
        raise InputError("input_too_small", option=item.option, value=shown_number(value), minimum=low)
    if value > high:
        raise InputError("input_too_large", option=item.option, value=shown_number(value), maximum=high)
    return value


def _boolean(item: Input, value: Plain) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise InputError("input_not_boolean", option=item.option, value=_excerpt(value))


def _text(item: Input, value: Plain) -> str:
    # PostgreSQL can't store NUL, and lone surrogates can't be encoded in UTF-8.
    text = str(value).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    length = len(text)
    if item.max_length is not None and length > item.max_length:  # before any work on the text
        raise InputError("input_too_long", option=item.option, length=length, maximum=item.max_length)
    if item.required and not strip_invisible(text):
        raise InputError("input_required", option=item.option)
    if item.min_length is not None and length < item.min_length:
        raise InputError("input_too_short", option=item.option, length=length, minimum=item.min_length)
    return text


def _excerpt(value: Plain) -> str:
    return escape_line(str(value), 60)


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
_TYPES_BY_EXTENSION = {
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".m4a": "audio/mp4",
}


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """An attachment as Discord describes it. `content_type` may be missing, and `size` is in bytes.

    `measured` means that Discord knows its width and height, so it could read the picture or video.
    """

    url: str
    filename: str
    content_type: str | None
    size: int
    measured: bool = False


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
    if content_type not in ("", UNKNOWN_TYPE) and not _fits(kind, content_type):
        raise _wrong_type(kind, option, file, content_type)
    return file.url


def is_kind(kind: InputKind, file: AttachedFile) -> bool:
    """Return whether a file is known to be of a type that inputs of this kind take."""
    try:
        check_file(kind, "", file)
    except InputError:
        return False
    return kind not in _FAMILIES or media_type(file) not in ("", UNKNOWN_TYPE)


def needs_content(kind: InputKind, file: AttachedFile) -> bool:
    """Return whether a file's type must be detected from its first bytes.

    This isn't necessary if Discord could read the picture or video, or if the input takes any file.
    """
    return kind in _FAMILIES and not (file.measured and is_kind(kind, file))


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
        name = escape_line(file.filename, _FILENAME_LENGTH)
        raise InputError("input_file_unknown", option=option, filename=name, expected=_expected(kind))
    family, is_container = found.partition("/")[0], _FAMILIES.get(kind) in _SAME_CONTAINERS
    if not _fits(kind, found) and not (is_container and family in _SAME_CONTAINERS):
        raise _wrong_type(kind, option, file, found)


def _fits(kind: InputKind, content_type: str) -> bool:
    family = _FAMILIES.get(kind)
    if family is None:
        return True
    fits = content_type.startswith(f"{family}/") or content_type in _ALSO_ACCEPTED.get(kind, ())
    return fits and content_type not in _UNSUPPORTED_IMAGES


def _wrong_type(kind: InputKind, option: str, file: AttachedFile, content_type: str) -> InputError:
    family = content_type.partition("/")[0]
    named = family in _NAMED_FAMILIES and content_type not in _UNSUPPORTED_IMAGES
    return InputError(
        "input_file_type",
        option=option,
        filename=escape_line(file.filename, _FILENAME_LENGTH),
        expected=_expected(kind),
        found=say(f"file_{family}") if named else say("file_other", type=in_code(content_type, 60)),
    )


def _expected(kind: InputKind) -> str:
    return say(f"file_{_FAMILIES[kind]}")


def media_type(file: AttachedFile) -> str:
    """Return the MIME type without parameters, or an empty string if it isn't known.

    If Discord names no type, or only `application/octet-stream`, it is guessed from the file's extension.
    """
    content_type = (file.content_type or "").partition(";")[0].strip().lower()
    if content_type and content_type != UNKNOWN_TYPE:
        return content_type
    name = file.filename.lower()
    for extension, guess in _TYPES_BY_EXTENSION.items():
        if name.endswith(extension):
            return guess
    return mimetypes.guess_type(name)[0] or content_type
