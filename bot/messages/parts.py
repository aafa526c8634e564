"""A message before it is sent: components v2, or classic for what v2 can't show (audio, text previews)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from discord import File
from discord.ui import LayoutView, View


class FileKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"


GALLERY = frozenset({FileKind.IMAGE, FileKind.VIDEO})


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file ready for upload: fetched, typed by its content, within the limit of the place."""

    path: Path
    filename: str
    kind: FileKind
    description: str | None = None

    def open(self) -> File:
        return File(self.path, filename=self.filename, description=self.description)


@dataclass(frozen=True, slots=True)
class Part:
    """One message. `mention` is the one person it may ping. A layout excludes content and view."""

    layout: LayoutView | None = None
    content: str | None = None
    view: View | None = None
    files: tuple[PreparedFile, ...] = ()
    mention: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run's outputs as far as they can be shown: files, texts, and sentences about the rest."""

    files: tuple[PreparedFile, ...] = ()
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Place:
    """A channel by the names that people know."""

    channel: str
    server: str
