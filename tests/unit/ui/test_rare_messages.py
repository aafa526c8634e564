"""What people see in cases that no story reaches, as files that `make snapshots` writes anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.files import PreparedOutputs
from bot.domain.moderation import Report
from bot.domain.policy import Spending, Usage
from bot.domain.requests import Holder, Member, Preset
from bot.domain.runs import REQUESTER_BLOCKED, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.setting_types import ReviewChannel, SettingsContext
from bot.ui.help import rules_of
from bot.ui.lists import queue_layout
from bot.ui.message_parts import layout_of
from bot.ui.moderation import decided_card, report_card
from bot.ui.settings import Panel, panel_layout, warnings
from bot.ui.status import status_message
from tests.stories.render import Renderer
from tests.unit.factories import made_block, made_preset
from tests.unit.ui.drawn import ASKED, LINK, UNTIL, Shown, parts_of
from tests.unit.ui.messages import batch_of, ended, run, view_in

S = RunState
SNAPSHOTS = Path(__file__).with_name("snapshots")
LAKE = PreparedOutputs(texts=("Lake",))
NO_INPUTS: Any = SimpleNamespace(values=(("prompt", "a fox"),), files=())


def statuses() -> Mapping[str, Shown]:
    done, *others = batch_of(S.SUCCEEDED, S.RUNNING, S.WAITING, S.WAITING)
    changes: tuple[dict[str, Any], ...] = ({"progress": 0.5}, {"queue_position": 2}, {"queue_position": 3})
    active = [replace(each, **change) for each, change in zip(others, changes, strict=True)]
    private = {"private": True, "review_channel_id": 9}
    return {
        "far behind": status_message([run(S.WAITING, queue_position=51)], "Flux"),
        "private, in review": status_message([run(S.AWAITING_APPROVAL, **private)], "Flux"),
        "several, in each state": status_message([done, *active], "Flux"),
        "several, two of them in ComfyDeploy's queue": status_message(
            [*batch_of(S.QUEUED, S.QUEUED, S.WAITING, S.WAITING)[:2], *active[1:]], "Flux"
        ),
        "several, and one place isn't known": status_message([done, *batch_of(S.QUEUED, S.QUEUED)], "Flux"),
        "several, blocked before they started": status_message(batch_of(S.REJECTED, S.REJECTED), "Flux"),
    }


def ends() -> Mapping[str, Shown]:
    blocked = {"failure_code": REQUESTER_BLOCKED}
    two = batch_of(S.SUCCEEDED, S.SUCCEEDED, weight=2.9)
    mixed = batch_of(S.SUCCEEDED, S.FAILED, S.REFUSED, S.TIMED_OUT)
    codes = (None, "run_failed", "comfy_unauthorized", "deadline")
    mixed = [replace(each, failure_code=code) for each, code in zip(mixed, codes, strict=True)]
    decided = {"decided_by": 5, "decided_at": ASKED, "failure_params": {"until": 0, "others": 2}}
    reports = [Report(person, "Against this server's rules", "it's *me*") for person in range(1, 8)]
    return {
        "too late": ended(run(S.REFUSED, failure_code="answer_too_late", user_install=True, guild_id=None)),
        "inputs": ended(run(S.REFUSED, failure_code="comfy_invalid", failure_params={"fields": "cfg, <@5>"})),
        "blocked": ended(run(S.REFUSED, **blocked, failure_params={"others": 2})),
        "blocked until": ended(run(S.REJECTED, **blocked, failure_params={"until": UNTIL})),
        "weighted": ended(run(S.FAILED, failure_code="run_failed", weight=2.9)),
        "nothing": ended(run(), made=PreparedOutputs()),
        "several, some failed": ended(*mixed, made=LAKE),
        "several, one behind a spoiler": ended(two[0], replace(two[1], spoiler=True)),
        "several, one late": ended(*two, made=LAKE, late=[two[1].key]),
        "card of somebody who was blocked": decided_card(
            run(S.REJECTED, **blocked, **decided), "Flux", NO_INPUTS, [], LINK
        ),
        "card of seven reports": report_card(run(), "Flux", reports, LINK, LAKE),
    }


def limits() -> Mapping[str, Shown]:
    spent = Spending(runs=3, gpu_seconds=100.4, waiting=1)
    usage = Usage(now=ASKED, person=spent, server=spent)
    closed = replace(usage, block=made_block("spam *again*", None), paused="maintenance")

    flux: Any = SimpleNamespace(name="flux", title="Flux", age_restricted=True, gpus=("L4", "T4"))
    person = Member(id=42, created_at=ASKED)

    def page(rules: Mapping[str, Any], usage: Usage, *defaults: Preset, restricted: bool = False) -> Shown:
        origin = SimpleNamespace(guild_id=1, channel_age_restricted=restricted)
        actor: Any = SimpleNamespace(person=person, origin=origin)
        told = rules_of(actor, [flux], usage, ServerRules.model_validate(rules), defaults)
        return layout_of("\n".join(told))

    selected = {"approval": {"mode": "selected", "deployments": ["flux"]}}
    house = made_preset("house *style*", holder=Holder.SERVER)
    waiting = [run(S.WAITING, queue_position=n, private=n == 2) for n in (2, 51)]
    return {
        "closed": page({"approval": {"mode": "everybody"}, "gpu_roles": {"L4": [5]}}, closed),
        "selected": page(selected, usage, restricted=True),
        "free": page({"private_results": True}, usage, *[house] * 7),
        "queue": queue_layout([[each] for each in waiting], 0, viewer_id=7, title=str.title, ends={}),
    }


def settings() -> Mapping[str, Shown]:
    gone: dict[str, Any] = {
        "reviewer_role_id": 6,
        "approval": {"mode": "selected", "review_channel_id": 6, "deployments": ["old"], "gpus": ["H100"]},
        "gpu_roles": {"L4": [6], "T4": [6, 5], "H100": [5]},
        "budgets": {"role_at_once": {6: 1}, "gpu_weights": {"H100": 2}},
        "gallery_channel_id": 9,
        "words": {"automod": True, "blocked": ["fox*"]},
    }
    around = SettingsContext(role_ids=frozenset({5}), channel_ids=frozenset({9}), gpus=("L4", "T4"))
    troubled = replace(
        around,
        review=ReviewChannel(missing=("View Channel",), everybody_sees=True),
        gpu_unknown=("Flux",),
        gpu_not_offered=("Song", "Text"),
        gallery_lacks=("Attach Files",),
        unreadable=("spoiler",),
        automod_unread=("*My* rule",) * 7,
    )

    def rules(**more: Any) -> ServerRules:
        return ServerRules.model_validate({**gone, **more})

    def warned(context: SettingsContext, **more: Any) -> Shown:
        return layout_of("\n".join(warnings(rules(**more), context)))

    bare = replace(around, manages_server=False)
    return {
        "gone": panel_layout(Panel(), rules(), around),
        "warnings about what is in trouble": warned(troubled),
        "without Manage Server": warned(bare, approval={"mode": "without_roles"}),
        "AutoMod away": warned(replace(around, automod_away=True), approval={"mode": "everybody"}),
    }


FILES: Mapping[str, Callable[[], Mapping[str, Shown]]] = {
    each.__name__: each for each in (statuses, ends, limits, settings)
}


def rendered(shown: Shown) -> list[str]:
    """Return messages as lines, as in the transcripts of stories, each with its colour."""
    nobody: Any = SimpleNamespace(users={}, channels={}, roles={})
    lines: list[str] = []
    for part in parts_of(shown):
        view = view_in(part)
        tree = view.to_components() if view is not None else []
        lines += [f"#{each['accent_color']:06x}" for each in tree if each.get("accent_color")]
        pinged = [part.mention] if getattr(part, "mention", None) else []
        body = {"components": tree}
        message: Any = SimpleNamespace(content="", body=body, shown_attachments=[], pinged=pinged)
        lines += Renderer(nobody).message(message)
    return lines


@pytest.mark.parametrize("name", FILES)
def test_messages_are_as_in_their_file(name: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    told = "".join(
        "\n".join([f"== {case}", *rendered(shown), "", ""]) for case, shown in FILES[name]().items()
    )
    if os.environ.get("WRITE_SNAPSHOTS"):
        path.write_text(told, encoding="utf-8")
    assert told == path.read_text(encoding="utf-8"), "changed: look at it, then make snapshots"


def test_every_file_has_its_messages() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*")} == set(FILES)
