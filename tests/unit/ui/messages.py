"""Files of results, what a person sees of a message, and Discord's limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from discord.ui import Modal
from discord.ui.view import BaseView

from bot.ui import custom_ids
from bot.ui.audit import AuditFileId, AuditId
from bot.ui.custom_ids import CustomId
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedFile, PreparedOutputs

ASKED = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
KEY = "abcdefghij234567"
PNG, MP4, WAV, GLB = (
    (FileKind.IMAGE, "png"),
    (FileKind.VIDEO, "mp4"),
    (FileKind.AUDIO, "wav"),
    (FileKind.OTHER, "glb"),
)
KINDS = [
    kind
    for kind in [*vars(custom_ids).values(), AuditId, AuditFileId]
    if isinstance(kind, type) and issubclass(kind, CustomId) and kind not in (CustomId, custom_ids.PageId)
]


def may_link(_url: str) -> bool:
    """Allow every link."""
    return True


def file(
    number: int = 1, kind: FileKind = FileKind.IMAGE, suffix: str = "png", key: str = KEY
) -> PreparedFile:
    alt = "a lighthouse" if kind is FileKind.IMAGE else None
    return PreparedFile(Path("/nowhere"), f"flux-{key}-{number}.{suffix}", kind, alt)


def files(*kinds: tuple[FileKind, str]) -> PreparedOutputs:
    return PreparedOutputs(tuple(file(number, *kind) for number, kind in enumerate(kinds, 1)))


def view_in(shown: OutgoingMessage | BaseView) -> BaseView | None:
    return (shown.layout or shown.view) if isinstance(shown, OutgoingMessage) else shown


def components(shown: OutgoingMessage | BaseView) -> list[Mapping[str, Any]]:
    """Return all components of a message or a view, as Discord counts them."""

    def walk(component: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        single = [component.get("accessory"), component.get("component")]
        inner = [*component.get("components", ()), *filter(None, single)]
        return [component, *(below for child in inner for below in walk(child))]

    view = view_in(shown)
    tops = view.to_components() if view is not None else []
    return [component for top in tops for component in walk(top)]


def text(shown: OutgoingMessage | BaseView) -> str:
    content = shown.content if isinstance(shown, OutgoingMessage) else None
    displays = [c["content"] for c in components(shown) if c["type"] == 10]
    return "\n".join([content or "", *displays]).strip("\n")


def buttons(shown: OutgoingMessage | BaseView) -> list[tuple[str, str]]:
    """Return the label and the custom id of each button."""
    return [(c["label"], c["custom_id"]) for c in components(shown) if c["type"] == 2]


def labels(shown: OutgoingMessage | BaseView) -> list[str]:
    return [label for label, _ in buttons(shown)]


def options(shown: OutgoingMessage | BaseView) -> list[Mapping[str, Any]]:
    """Return what the select menus offer."""
    return [option for c in components(shown) for option in c.get("options", ())]


def assert_within_limits(shown: OutgoingMessage | BaseView) -> None:
    found = components(shown)
    assert len(found) <= 40
    assert len(text(shown)) <= (2000 if isinstance(shown, OutgoingMessage) and not shown.layout else 4000)
    for item in found:
        assert item["type"] != 10 or len(item["content"]) >= 1
        assert item["type"] != 1 or 1 <= len(item["components"]) <= 5
        assert item["type"] != 12 or 1 <= len(item["items"]) <= 10
        assert item["type"] != 2 or 1 <= len(item["label"]) <= 80
        assert len(item.get("default_values", ())) <= 25
        assert len(item.get("options", ())) <= 25
        assert item["type"] != 3 or item["options"]
    for option in options(shown):
        assert 1 <= len(option["label"]) <= 100
        assert 1 <= len(option["value"]) <= 100
    ids = [each["custom_id"] for each in found if "custom_id" in each]
    assert len(ids) == len(set(ids))
    assert all(len(each) <= 100 for each in ids)
    if isinstance(shown, OutgoingMessage):
        assert len(shown.files) <= 10
        assert not (shown.layout and (shown.content or shown.view))
        assert shown.layout or shown.content or shown.files
    if isinstance(shown, Modal):
        assert 1 <= len(shown.title) <= 45
        assert 1 <= len(shown.children) <= 5
        for label in (each for each in found if each["type"] == 18):
            assert len(label["label"]) <= 45
            assert len(label.get("description") or "") <= 100
    else:
        assert all(any(kind.read(each) for kind in KINDS) for each in ids)
