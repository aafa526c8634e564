"""Whether a file is what an input takes: what Discord says about it, and what its first bytes show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.deployments.files import check_content, check_file, needs_content
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from tests.unit.deployments.flux import file

K = InputKind
UNKNOWN = "application/octet-stream"
WRONG, STRANGE = "input_file_type", "input_file_unknown"


@pytest.mark.parametrize(
    ("kind", "name", "content_type", "found", "expected"),
    [
        # Discord and the content agree, or are both pictures.
        (K.IMAGE, "a.png", "image/png", "image/jpeg", None),
        (K.IMAGES, "a.webp", "image/webp; x=1", "image/webp", None),
        # Discord knows that it is no picture.
        (K.IMAGE, "a.png", "text/plain", "image/png", WRONG),
        (K.IMAGE, "a.svg", "image/svg+xml", "text/plain", WRONG),
        # Discord judges by the name, which the content contradicts.
        *(
            (K.IMAGE, "a.png", "image/png", found, WRONG)
            for found in ("text/plain", "video/mp4", "image/x-icon")
        ),
        (K.VIDEO, "a.mp4", "video/mp4", "image/png", WRONG),
        (K.AUDIO, "a.mp3", "audio/mpeg", "image/gif", WRONG),
        (K.AUDIO, "a.mp3", "audio/mpeg", "application/zip", WRONG),
        # Animated pictures are videos to many workflows, and a container holds both sound and pictures.
        (K.VIDEO, "a.gif", "image/gif", "image/gif", None),
        (K.VIDEO, "a.ogv", "video/ogg", "audio/ogg", None),
        (K.AUDIO, "a.m4a", "audio/mp4", "video/mp4", None),
        # The content is of no known type.
        (K.IMAGE, "a.png", "image/png", UNKNOWN, STRANGE),
        (K.IMAGE, "a.tga", "image/x-tga", UNKNOWN, None),
        (K.IMAGE, "a.heic", None, UNKNOWN, None),
        (K.AUDIO, "a.mp3", "audio/mpeg", UNKNOWN, None),
        (K.IMAGE, "a", None, UNKNOWN, STRANGE),
        # The content can't be read.
        (K.IMAGE, "a.png", UNKNOWN, None, None),
        (K.IMAGE, "a", UNKNOWN, None, STRANGE),
        # Discord doesn't know, and the content tells.
        (K.IMAGE, "a", None, "image/png", None),
        (K.IMAGE, "a", UNKNOWN, "text/plain", WRONG),
        # Inputs that take any file.
        (K.FILE, "a.exe", "application/x-msdownload", "application/x-msdownload", None),
    ],
)
def test_what_discord_says_and_what_the_content_shows_decide(
    kind: InputKind, name: str, content_type: str | None, found: str | None, expected: str | None
) -> None:
    given, code = file(name, content_type), None
    try:
        check_file(kind, "image", given)
        if needs_content(kind, given):
            check_content(kind, "image", given, found)
    except InputError as error:
        code = error.code
    assert code == expected


def test_the_content_is_needed_unless_discord_has_read_the_file() -> None:
    given = file("a.png", "image/png")
    assert needs_content(K.IMAGE, given)
    assert not needs_content(K.IMAGE, replace(given, measured=True))
    assert needs_content(K.IMAGE, replace(given, content_type=None, filename="a", measured=True))
    assert not needs_content(K.FILE, given)
