"""A run in any state, and what a person sees of a message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from discord.ui.view import BaseView

from bot.domain.runs import Run, RunState
from bot.ui.custom_ids import PickId, RunId
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedFile, PreparedOutputs
from bot.ui.result_buttons import OfferedActions
from bot.ui.results import Batch, outcome_messages
from tests.unit.factories import made_run

ASKED = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
KEY = "abcdefghij234567"
CODES = {
    RunState.FAILED: "run_failed",
    RunState.CANCELLED: "cancelled_by_requester",
    RunState.TIMED_OUT: "deadline",
    RunState.REFUSED: "comfy_unauthorized",
    RunState.UNCONFIRMED: "comfy_timeout",
}


def run(state: RunState, **more: Any) -> Run:
    told = {"prompt": "a lighthouse", "failure_code": CODES.get(state)}
    return made_run(state, key=KEY, created_at=ASKED, **{**told, **more})


def may_link(_url: str) -> bool:
    """Allow every link."""
    return True


def outcome(
    made: Run,
    prepared: PreparedOutputs,
    title: str = "Flux",
    offered: OfferedActions | None = None,
    *,
    origin: str | None = None,
) -> list[OutgoingMessage]:
    """Return the messages that end a single run."""
    batch = Batch([made], {made.key: prepared} if made.has_result else {}, origin=origin)
    return outcome_messages(batch, title, offered or OfferedActions())


def file(number: int = 1, kind: FileKind = FileKind.IMAGE, suffix: str = "png") -> PreparedFile:
    return PreparedFile(Path("/nowhere"), f"flux-{KEY}-{number}.{suffix}", kind)


def components(shown: OutgoingMessage | BaseView) -> list[Mapping[str, Any]]:
    """Return all components of a message or a view, as Discord counts them."""

    def walk(component: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        inner = [*component.get("components", ()), *filter(None, [component.get("accessory")])]
        return [component, *(below for child in inner for below in walk(child))]

    view = (shown.layout or shown.view) if isinstance(shown, OutgoingMessage) else shown
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


def assert_within_limits(part: OutgoingMessage) -> None:
    assert len(components(part)) <= 40
    assert len(part.files) <= 10
    assert len(text(part)) <= (4000 if part.layout else 2000)
    assert not (part.layout and (part.content or part.view))
    assert part.layout or part.content or part.files
    for item in components(part):
        assert item["type"] != 10 or len(item["content"]) >= 1
        if item["type"] == 2:
            custom_id = item["custom_id"]
            assert len(custom_id) <= 100
            assert RunId.read(custom_id) or PickId.read(custom_id)
        assert item["type"] != 12 or 1 <= len(item["items"]) <= 10
