"""Every message as a person sees it, compared whole with the files in `snapshots/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.deployments.command_plan import plan_commands
from bot.deployments.form_fields import editable_fields
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.deployments.model import Choice, Deployment, Input
from bot.deployments.options import PRESET_OPTION
from bot.domain.backend import InputKind
from bot.domain.budgets import Block, Spending, Usage
from bot.domain.member_rules import Offer, Standing, standing
from bot.domain.records import AuditAction, AuditCursor, AuditFilter, AuditPage
from bot.domain.requests import Holder, Member, Preset
from bot.domain.runs import (
    HistoryPage,
    MessageRef,
    Run,
    RunCursor,
    RunFilter,
    RunListEntry,
    RunsPage,
    RunState,
)
from bot.domain.settings.fields import Section
from bot.domain.settings.rules_and_defaults import Approval, ApprovalMode, Budget, Budgets, ServerRules
from bot.domain.settings.values import ReviewChannel, SettingsContext
from bot.ui.audit import audit_layout
from bot.ui.components import FileKind, OutgoingMessage, PreparedFile, PreparedOutputs
from bot.ui.details import details
from bot.ui.edit_forms import form_modal, pictures_layout, ready_layout, refused_layout
from bot.ui.help import HelpText, deployment_layout, help_layout
from bot.ui.help_rules import rules_text
from bot.ui.lists import posting_layout, presets_layout, queue_layout, runs_layout
from bot.ui.moderation import rejection_notice, report_card, review_card
from bot.ui.private_results import opened_messages
from bot.ui.result_buttons import OfferedActions
from bot.ui.results import withheld_message
from bot.ui.settings.changes import in_message
from bot.ui.settings.panel import Panel, panel_layout
from bot.ui.shares import copy_failed_message, share_messages, share_modal
from bot.ui.status import status_message
from tests.unit.factories import made_entry, made_preset, made_run
from tests.unit.ui import messages
from tests.unit.ui.batch_messages import SEVERAL
from tests.unit.ui.follow_up_messages import AFTER_RESULTS, FOLLOWED
from tests.unit.ui.messages import ASKED, KEY
from tests.unit.ui.snapshot import FOLDER, compare, of_layout, of_modal, of_parts

S = RunState
RAN = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT})
TITLE = "Flux"
STYLES = ("photo", "ink")
FLUX = Deployment(
    name="flux",
    deployment_id="d",
    title=TITLE,
    description="Pictures from words",
    inputs=(
        Input(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True, required=True, max_length=500),
        Input(key="s", option="style", kind=InputKind.TEXT, choices=tuple(Choice(n, n) for n in STYLES)),
        Input(key="w", option="width", kind=InputKind.INTEGER, minimum=256, maximum=1536),
        Input(key="n", option="seed", kind=InputKind.INTEGER, is_seed=True),
        Input(key="i", option="image", kind=InputKind.IMAGE),
    ),
    gpus=("L4", "T4"),
)
SONG = Deployment(name="song", deployment_id="e", title="Song", description="", inputs=())
BOTH = (FLUX, SONG)
PLAN = plan_commands(BOTH, (PRESET_OPTION,))


def run(state: RunState = S.SUCCEEDED, **more: Any) -> Run:
    ended = {"gpu_used": "L4", "run_duration": 8.2} if state in RAN else {}
    asked = {"status_message_id": 3, "inputs": {"p": "a lighthouse", "s": "ink", "w": 768, "n": 7}}
    return made_run(state, **{**asked, "prompt": "a lighthouse", "seed": 7, **ended, **more})


def file(number: int = 1, kind: FileKind = FileKind.IMAGE, suffix: str = "png") -> PreparedFile:
    alt = "a lighthouse" if kind is FileKind.IMAGE else None
    return PreparedFile(Path("/nowhere"), f"flux-{KEY}-{number}.{suffix}", kind, alt)


def outcome(
    made: Run, prepared: PreparedOutputs | None = None, offered: OfferedActions | None = None
) -> list[OutgoingMessage]:
    return messages.outcome(made, prepared or PreparedOutputs(), TITLE, offered or OfferedActions(vary=True))


STATUS: Mapping[str, Run] = {
    "approval": run(S.AWAITING_APPROVAL, review_channel_id=9),
    "starting": run(S.WAITING),
    "waiting": run(S.WAITING, queue_position=3),
    "waiting-next": run(S.WAITING, queue_position=1),
    "submitting": run(S.SUBMITTING),
    "queued": run(S.QUEUED, queue_position=1),
    "running": run(S.RUNNING, progress=0.42, live_status="Executing KSampler", gpu="L4"),
    "running-silent": run(S.RUNNING),
    "uploading": run(S.UPLOADING, progress=1.0),
    "cancelling": run(S.RUNNING, progress=0.42, cancel_requested_at=ASKED),
    "not-cancellable": run(S.RUNNING, status_note="not_cancellable"),
    "no-prompt": run(S.RUNNING, prompt=None, seed=None),
    "long-prompt": run(S.RUNNING, prompt="a lighthouse " * 60),
    "user-install": run(S.RUNNING, user_install=True, guild_id=None),
    "channel-default": run(S.RUNNING, default_preset="house *style*"),
    "private": run(S.RUNNING, private=True),
    "private-approval": run(S.AWAITING_APPROVAL, private=True, review_channel_id=9),
    "private-leaving": run(S.RUNNING, private=True, status_note="answer_ends"),
    "user-install-leaving": run(S.RUNNING, user_install=True, guild_id=None, status_note="answer_ends"),
}

ENDS: Mapping[str, Run] = {
    "failed": run(S.FAILED, failure_code="run_failed"),
    "failed-because": run(S.FAILED, failure_code="run_failed", failure_log="x\nValueError: no *model*\ny"),
    "timed-out-running": run(S.TIMED_OUT, failure_code="deadline_running"),
    "timed-out": run(S.TIMED_OUT, failure_code="deadline"),
    "timed-out-there": run(S.FAILED, failure_code="run_timed_out"),
    "cancelled": run(S.CANCELLED, failure_code="cancelled_by_requester"),
    "cancelled-by-moderator": run(S.CANCELLED, failure_code="cancelled_by_moderator"),
    "cancelled-there": run(S.CANCELLED, failure_code="run_cancelled"),
    "rejected": run(S.REJECTED, failure_code="rejected", review_channel_id=9, decided_at=ASKED),
    "blocked": run(S.REFUSED, failure_code="requester_blocked", failure_params={"others": 2}),
    "expired": run(S.EXPIRED, failure_code="expired", review_channel_id=9),
    "unconfirmed": run(S.UNCONFIRMED, failure_code="comfy_timeout"),
    "refused-inputs": run(S.REFUSED, failure_code="comfy_invalid", failure_params={"fields": "width"}),
    "refused-key": run(S.REFUSED, failure_code="comfy_unauthorized"),
    "refused-credits": run(S.REFUSED, failure_code="comfy_forbidden"),
    "refused-busy": run(S.REFUSED, failure_code="comfy_rate_limited"),
    "refused-file": run(S.REFUSED, failure_code="attachment_expired"),
    "refused-late": run(S.REFUSED, failure_code="answer_too_late", user_install=True, guild_id=None),
}

PICTURE = PreparedOutputs((file(),))

RESULTS: Mapping[str, list[OutgoingMessage]] = {
    "picture": outcome(run(), PICTURE, OfferedActions(vary=True, usable=True, reportable=True)),
    "picture-reported-nowhere": outcome(run(), PICTURE, OfferedActions(vary=True, usable=True)),
    **FOLLOWED,
    "partial-failed": outcome(run(S.FAILED, failure_code="run_failed", partial=True), PICTURE),
    "partial-timed-out": outcome(run(S.TIMED_OUT, failure_code="run_timed_out", partial=True), PICTURE),
    "partial-cancelled": outcome(
        run(S.CANCELLED, failure_code="cancelled_by_requester", partial=True), PICTURE
    ),
    "partial-unconfirmed": outcome(run(S.UNCONFIRMED, failure_code="run_failed", partial=True), PICTURE),
    "picture-spoiler": outcome(run(spoiler=True), PICTURE, OfferedActions(reportable=True)),
    "pictures-twelve": outcome(run(), PreparedOutputs(tuple(file(n) for n in range(1, 13)))),
    "video": outcome(
        run(), PreparedOutputs((file(1, FileKind.VIDEO, "mp4"),)), OfferedActions(vary=True, usable=True)
    ),
    "audio": outcome(run(), PreparedOutputs((file(1, FileKind.AUDIO, "wav"),))),
    "audio-user-install": outcome(
        run(user_install=True, guild_id=None), PreparedOutputs((file(1, FileKind.AUDIO, "wav"),))
    ),
    "mesh": outcome(run(), PreparedOutputs((file(1, FileKind.OTHER, "glb"),))),
    "picture-and-audio": outcome(run(), PreparedOutputs((file(), file(2, FileKind.AUDIO, "wav")))),
    "text": outcome(run(), PreparedOutputs(texts=("A quiet lake at dusk.\nNobody is there.",))),
    "text-laid-out": outcome(run(), PreparedOutputs(texts=('{\n  "mood": "calm"\n}',))),
    "text-spoiler": outcome(run(spoiler=True), PreparedOutputs(texts=("A quiet lake.\nNobody.",))),
    "nothing": outcome(run()),
    "one-at-a-time": outcome(run(), PICTURE, OfferedActions(usable=True)),
    "notes": outcome(
        run(),
        PreparedOutputs(
            (file(),),
            remarks=(
                "b.mp4 is too large to upload here: [open it](https://s3.example/b) while the link works.",
            ),
        ),
    ),
    "weighted-gpu": outcome(run(gpu_used="H100", charged_seconds=32.8), PICTURE),
    "direct-message": outcome(run(guild_id=None), PICTURE),
}


def limited(rules: ServerRules, *, age_restricted_channel: bool = False, **usage: Any) -> Standing:
    """Return what rules mean for a member who has used a little today."""
    spent = Spending(runs=3, gpu_seconds=100.4, waiting=1)
    return standing(
        Member(id=42, created_at=ASKED),
        Usage(now=ASKED, day_end=ASKED + timedelta(hours=11.5), person=spent, server=spent, **usage),
        rules,
        Offer(deployments=("flux", "song"), age_restricted=("song",), gpus=("L4", "H100")),
        in_server=True,
        age_restricted_channel=age_restricted_channel,
    )


LIMITED = limited(
    ServerRules(
        approval=Approval(
            mode=ApprovalMode.SELECTED, deployments=frozenset({"flux"}), gpus=frozenset({"L4"})
        ),
        budgets=Budgets(
            person=Budget(runs_a_day=10, gpu_seconds_a_day=600),
            server=Budget(runs_a_day=2, gpu_seconds_a_day=900),
        ),
        gpu_roles={"H100": frozenset({5})},
    )
)
HOUSE = made_preset("house *style*", holder=Holder.SERVER)
FREE = replace(limited(ServerRules(private_results=True), age_restricted_channel=True), channel_default=HOUSE)
CLOSED = limited(
    ServerRules(
        approval=Approval(mode=ApprovalMode.WITHOUT_ROLES, exempt_roles=frozenset({5})),
        deployment_roles={"song": frozenset({5})},
    ),
    block=Block("spam", None),
    paused="maintenance",
)


def clickable(path: str) -> str:
    return f"<{path}:99>"


def presets() -> list[Preset]:
    asked = {"inputs": {"s": "ink", "p": "{prompt}, in ink"}, "gpu": "L4", "created_by": 42}
    return [made_preset("noir", **asked), made_preset("house style", holder=Holder.SERVER, **asked)]


def inputs_of_preset(preset: Preset) -> ShownInputs:
    return displayed_inputs(FLUX, preset.inputs)


def listed() -> HistoryPage:
    entries = [
        RunListEntry([run(S.RUNNING, key="a" * 16)], False, None),
        RunListEntry([run(S.WAITING, key="b" * 16, queue_position=2, prompt=None)], False, None),
        RunListEntry([run(key="c" * 16)], True, None),
        RunListEntry([run(key="d" * 16)], False, (2, 5)),
        RunListEntry([run(S.FAILED, key="e" * 16)], False, (99, 5)),
        RunListEntry([run(key="f" * 16, user_install=True, guild_id=None)], False, (2, 5)),
        RunListEntry([run(key="g" * 16, private=True)], False, (2, 5)),
    ]
    return HistoryPage(entries, RunCursor(ASKED - timedelta(days=1), "g" * 16), None)


def kept() -> HistoryPage:
    """Results that wait to be posted: of this server, of another, and of none."""
    return HistoryPage(
        [
            RunListEntry([run(key="a" * 16, guild_id=7)], True, None),
            RunListEntry([run(key="b" * 16)], True, None),
            RunListEntry([run(key="c" * 16, user_install=True, guild_id=None)], True, None),
        ]
    )


def title(name: str) -> str:
    return {"flux": TITLE, "song": "Song"}[name]


def queue() -> str:
    waiting = run(S.WAITING, requester_id=7, queue_position=1)
    found = [run(S.RUNNING), waiting, replace(waiting, queue_position=2, private=True)]
    return of_layout(queue_layout(found, 0, more=True, viewer_id=42, title=title))


def form() -> str:
    made = run(inputs={"p": "a lighthouse", "s": "ink", "w": 768, "n": 7, "i": "https://cdn.example/a.png"})
    return of_modal(form_modal(f"edit:{KEY}:", TITLE, editable_fields(FLUX, made.inputs, "L4")))


def form_of_choices() -> str:
    styles = tuple(Choice(name, name) for name in ("photo", "oil"))
    hires = Input(key="h", option="hires", kind=InputKind.BOOLEAN, default=False)
    made = replace(
        FLUX, inputs=(FLUX.inputs[0], replace(FLUX.inputs[1], choices=styles, default="photo"), hires)
    )
    gone = editable_fields(made, {"p": "a lighthouse", "s": "ink"}, "L4")
    kept = editable_fields(made, {"p": "a lighthouse", "s": "oil", "h": True}, None)
    return "".join(of_modal(form_modal(f"edit:{KEY}:", TITLE, fields)) for fields in (gone, kept))


def form_of_a_long_text() -> str:
    return of_modal(form_modal(f"edit:{KEY}:", TITLE, editable_fields(FLUX, {"p": "fox " * 1200}, None)))


def pictures() -> str:
    return of_layout(pictures_layout(["https://cdn.example/a.png"], [FLUX, SONG], ""))


def audit_page() -> str:
    server = {"actor_id": 7, "subject_id": 42, "deployment": "flux", "run_key": KEY}
    asked = {**server, "prompt": "a lighthouse", "message": MessageRef(2, 3)}
    mode = {"approval.mode": {"from": "off", "to": "everybody"}}
    hours = {"approval.hours": {"from": 24, "to": 48}}
    lines = [
        made_entry(action=AuditAction.SETTINGS, actor_id=7, details={"what": "x", "changes": mode | hours}),
        made_entry(
            action=AuditAction.BLOCK, actor_id=7, subject_id=42, details={"reason": "spam", "ended": 2}
        ),
        made_entry(action=AuditAction.REFUSAL, **server | {"run_key": None}, outcome="budget_runs"),
        made_entry(action=AuditAction.OUTCOME, **asked, outcome="succeeded"),
        made_entry(action=AuditAction.APPROVE, **server),
        made_entry(action=AuditAction.REQUEST, **asked, details={"gpu": "L4"}),
    ]
    page = AuditPage(lines, AuditCursor(ASKED, 1), None)
    return of_layout(audit_layout(page, AuditFilter(), in_message(SettingsContext(), title)))


def settings(**approval: Any) -> str:
    context = SettingsContext(
        role_ids=frozenset({5}),
        channel_ids=frozenset({9}),
        deployments={"flux": TITLE, "song": "Song"},
        gpus=("L4", "H100"),
        review=ReviewChannel() if approval else None,
    )
    rules = ServerRules(approval=Approval(exempt_roles=frozenset({5, 6}), **approval))
    return of_layout(panel_layout(Panel(Section.APPROVAL), rules, context))


def review() -> OutgoingMessage:
    long = ShownInputs((("prompt", "a lighthouse " * 40),), ())
    return review_card(run(S.AWAITING_APPROVAL, review_channel_id=9), TITLE, long, PreparedOutputs())


LINK = "https://discord.com/channels/1/2/3"


def shared(kind: FileKind = FileKind.IMAGE, **more: Any) -> list[OutgoingMessage]:
    prepared = PreparedOutputs((file(kind=kind),), remarks=("a.png was recompressed.",))
    return share_messages(run(**more), TITLE, prepared, LINK)


OTHERS: Mapping[str, Any] = {
    "audit": audit_page,
    "settings-approval-off": settings,
    "settings-approval": lambda: settings(mode=ApprovalMode.WITHOUT_ROLES, review_channel_id=9),
    "review-card": lambda: of_parts([review()]),
    "report-card": lambda: of_parts(
        [report_card(run(report_channel_id=9), TITLE, [7], "https://discord.com/channels/1/2/3", PICTURE)]
    ),
    "runs": lambda: of_layout(runs_layout(listed(), RunsPage(), title, here=1)),
    "runs-elsewhere": lambda: of_layout(runs_layout(kept(), RunsPage(), title, here=7)),
    "runs-none": lambda: of_layout(runs_layout(HistoryPage([]), RunsPage(), title, here=1)),
    "runs-none-such": lambda: of_layout(
        runs_layout(HistoryPage([]), RunsPage(RunFilter.UNDELIVERED), title, here=1)
    ),
    "posting": lambda: of_layout(posting_layout()),
    "queue": queue,
    "queue-none": lambda: of_layout(queue_layout([], 0, more=False, viewer_id=42, title=title)),
    "help": lambda: of_layout(help_layout(HelpText(BOTH, PLAN, clickable, rules_text(LIMITED, title)))),
    "help-one": lambda: of_layout(
        help_layout(HelpText(BOTH[:1], plan_commands(BOTH[:1], (PRESET_OPTION,)), in_server=False))
    ),
    "help-deployment": lambda: of_layout(deployment_layout(FLUX, HelpText(BOTH, PLAN))),
    "help-no-limits": lambda: f"{rules_text(FREE, title)}\n",
    "help-closed": lambda: f"{rules_text(CLOSED, title)}\n",
    **AFTER_RESULTS,
    "share": lambda: of_parts(shared(prompt="a lighthouse")),
    "share-spoiler": lambda: of_parts(shared(spoiler=True, prompt=None)),
    "share-audio": lambda: of_parts(shared(FileKind.AUDIO, prompt=None)),
    "share-text": lambda: of_parts(
        share_messages(run(), TITLE, PreparedOutputs(texts=("A quiet lake.",)), None)
    ),
    "share-form": lambda: of_modal(share_modal(KEY)),
    "share-failed": lambda: of_parts([copy_failed_message(run(), "share_closed", LINK)]),
    "private-opened": lambda: of_parts(opened_messages(run(private=True), TITLE, {KEY: PICTURE})),
    "withheld": lambda: of_parts([withheld_message(run(), postable=True)]),
    "rejection-notice": lambda: of_parts([rejection_notice(ENDS["rejected"], TITLE, None)]),
    "details": lambda: of_layout(details(run(parent_key="p" * 16, gpu="L4"), TITLE, FLUX, PLAN).layout),
    "details-log": lambda: of_layout(
        details(run(S.FAILED), TITLE, FLUX, PLAN, log="Traceback ```\nValueError: no *model*").layout
    ),
    "details-gone": lambda: of_layout(details(run(), TITLE, None, PLAN).layout),
    "presets": lambda: of_layout(
        presets_layout(presets(), 0, more=True, title=title, inputs=inputs_of_preset)
    ),
    "presets-none": lambda: of_layout(
        presets_layout([], 0, more=False, title=title, inputs=inputs_of_preset)
    ),
    "edit": form,
    "edit-choices": form_of_choices,
    "edit-long-text": form_of_a_long_text,
    "edit-refused": lambda: of_layout(refused_layout("`width` is 9; the smallest is 256.", f"edit:{KEY}:0a")),
    "edit-ready": lambda: of_layout(ready_layout(f"edit:{KEY}:0a", f"edit:{KEY}:0a:send")),
    "use-as-input": pictures,
    **SEVERAL,
}


# The status messages that also have a snapshot with an estimated end, under another name.
EXPECTED = ("waiting", "queued", "running")


@pytest.mark.parametrize("name", STATUS)
def test_a_status(name: str) -> None:
    compare(f"status-{name}", of_parts([status_message([STATUS[name]], TITLE)]))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_status_with_an_estimate(name: str) -> None:
    parts = of_parts([status_message([STATUS[name]], TITLE, ASKED + timedelta(minutes=2))])
    compare(f"status-{name}-expected", parts)


@pytest.mark.parametrize("name", ENDS)
def test_an_end_without_a_result(name: str) -> None:
    compare(f"end-{name}", of_parts(outcome(ENDS[name])))


@pytest.mark.parametrize("name", RESULTS)
def test_a_result(name: str) -> None:
    compare(f"result-{name}", of_parts(RESULTS[name]))


@pytest.mark.parametrize("name", OTHERS)
def test_a_list_a_form_or_help(name: str) -> None:
    compare(name, OTHERS[name]())


def test_every_state_and_every_file_has_its_test() -> None:
    assert {each.state for each in (*STATUS.values(), *ENDS.values())} == set(RunState) - {S.SUCCEEDED}
    names = {
        *(f"status-{name}" for name in STATUS),
        *(f"status-{name}-expected" for name in EXPECTED),
        *(f"end-{name}" for name in ENDS),
        *(f"result-{name}" for name in RESULTS),
        *OTHERS,
    }
    assert {path.stem for path in FOLDER.glob("*")} == names
