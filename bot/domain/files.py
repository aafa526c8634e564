"""Files of results that are ready to be posted, and how clients show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from typing import IO

# Longer texts that a run made are put into a file.
INLINE_TEXT = 1500


class FileKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"

    @classmethod
    def of(cls, content_type: str) -> FileKind:
        """Return how clients show a file of this type."""
        if content_type in ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"):
            return cls.IMAGE
        if content_type in ("video/mp4", "video/webm", "video/quicktime"):
            return cls.VIDEO
        return cls.AUDIO if content_type.startswith("audio/") else cls.OTHER


GALLERY = frozenset({FileKind.IMAGE, FileKind.VIDEO})


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A downloaded file that fits the upload limit. One that stands for another has no `content_type`."""

    filename: str
    kind: FileKind
    description: str | None = None
    size: int = 0
    content_type: str = ""
    content: IO[bytes] = field(default_factory=BytesIO, repr=False, compare=False)
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class PreparedOutputs:
    """A run's outputs that can be posted, with remarks about the others; `is_gone` if none can be fetched."""

    files: tuple[PreparedFile, ...] = ()
    texts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    is_gone: bool = False
