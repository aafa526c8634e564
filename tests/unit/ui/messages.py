"""Runs and the messages about their ends, what a person sees of a message, and Discord's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from discord.ui import Modal
from discord.ui.view import BaseView
from simcord.components import COMPONENTS_V2_FLAG, validate_message_state, validate_modal, walk_components

from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.files import FileKind, PreparedFile, PreparedOutputs
from bot.domain.runs import Output, Run, RunState
from bot.ui import custom_ids
from bot.ui.audit import AuditFileId, AuditId
from bot.ui.custom_ids import CustomId
from bot.ui.result_buttons import OfferedActions
from bot.ui.results import Batch, outcome
from tests.unit.factories import made_run

KEY = "abcdefghij234567"
CHARGED = {"charged_on": made_run().created_at.date(), "submitted_at": made_run().created_at}

KINDS = [
    kind
    for kind in [*vars(custom_ids).values(), AuditId, AuditFileId]
    if isinstance(kind, type) and issubclass(kind, CustomId) and kind not in (CustomId, custom_ids.PageId)
]


def run(state: RunState = RunState.SUCCEEDED, **more: Any) -> Run:
    outputs = (
        Output("images", "https://files.example/1?sig=abc", "a_b.png"),
        Output("text", text="a caption"),
    )
    asked: dict[str, Any] = {"prompt": "a lighthouse", "seed": 7, "outputs": outputs}
    if state in (RunState.SUCCEEDED, RunState.FAILED):
        asked |= {"gpu_used": "L4", "run_duration": 8.2, **CHARGED}
    return made_run(state, **asked | more)


def batch_of(*states: RunState, **more: Any) -> list[Run]:
    keys = [letter * 16 for letter in "abcdefghij"]
    whole = {"request_key": keys[0], "count": len(states), **more}
    return [run(state, key=keys[at], index=at, **whole) for at, state in enumerate(states)]


def file(number: int = 1, kind: FileKind = FileKind.IMAGE, key: str = KEY) -> PreparedFile:
    alt = "a lighthouse" if kind is FileKind.IMAGE else None
    return PreparedFile(f"flux-{key}-{number}.png", kind, alt)


def ended(
    *runs: Run,
    made: PreparedOutputs | None = None,
    late: Sequence[str] = (),
    offered: OfferedActions | None = None,
) -> list[OutgoingMessage]:
    """Return the messages that end a request, each of whose results is `made`, by default a picture."""
    shown = [each for each in runs if each.is_shown and each.key not in late]
    done = {each.key: made or PreparedOutputs((file(key=each.key),)) for each in shown}
    return outcome(Batch(runs, done, late), "Flux", offered or OfferedActions(vary=True)).messages()


def view_in(shown: OutgoingMessage | BaseView) -> BaseView | None:
    return (shown.layout or shown.view) if isinstance(shown, OutgoingMessage) else shown


def components(shown: OutgoingMessage | BaseView) -> list[Mapping[str, Any]]:
    """Return all components of a message or a view."""
    view = view_in(shown)
    return list(walk_components(view.to_components())) if view is not None else []


def text(shown: OutgoingMessage | BaseView) -> str:
    content = shown.content if isinstance(shown, OutgoingMessage) else None
    displays = [c["content"] for c in components(shown) if c["type"] == 10]
    return "\n".join([content or "", *displays]).strip("\n")


def assert_within_limits(shown: OutgoingMessage | BaseView) -> None:
    """Let the fake Discord judge, which is as strict as the real one."""
    if isinstance(shown, Modal):
        validate_modal(shown.to_dict())
        return
    message = shown if isinstance(shown, OutgoingMessage) else None
    content, files = (message.content, message.files) if message is not None else (None, ())
    flags = COMPONENTS_V2_FLAG if message is None or message.layout else 0
    view = view_in(shown)
    tree = view.to_components() if view is not None else []
    validate_message_state(
        tree, flags=flags, content=content, embeds=[], attachments=files, require_nonempty=True
    )
    assert len(files) <= 10
    assert all(len(each.get("default_values", ())) <= 25 for each in components(shown))
    ids = [each["custom_id"] for each in components(shown) if "custom_id" in each]
    assert all(any(kind.read(each) for kind in KINDS) for each in ids)
