"""A run's messages from its status to its result, for the snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.domain.runs import Output, Run, RunState
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedFile, PreparedOutputs
from bot.ui.result_buttons import OfferedActions
from bot.ui.results import opened_messages, share_messages
from bot.ui.status import (
    finishing_message,
    held_message,
    linked_outputs,
    plain_messages,
    undelivered_message,
    withheld_message,
)
from tests.unit.factories import made_run
from tests.unit.ui import messages
from tests.unit.ui.follow_up_messages import FOLLOWED
from tests.unit.ui.messages import ASKED, KEY, may_link

S = RunState
RAN = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT})
TITLE = "Flux"
LINK = "https://discord.com/channels/1/2/3"


def run(state: RunState = S.SUCCEEDED, **more: Any) -> Run:
    ended: dict[str, Any] = {"charged_seconds": 60.0} if state is S.UNCONFIRMED else {}
    if state in RAN:
        ended = {"gpu_used": "L4", "run_duration": 8.2, "charged_seconds": 8.2}
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
    "waiting-far": run(S.WAITING, queue_position=51),
    "waiting-next": run(S.WAITING, queue_position=1),
    "submitting": run(S.SUBMITTING),
    "queued": run(S.QUEUED, queue_position=1),
    "queued-later": run(S.QUEUED, queue_position=3),
    "running": run(S.RUNNING, progress=0.42, live_status="Executing KSampler", gpu="L4", queue_position=3),
    "running-silent": run(S.RUNNING),
    "uploading": run(S.UPLOADING, progress=1.0),
    "cancelling": run(S.RUNNING, progress=0.42, cancel_requested_at=ASKED),
    "not-cancellable": run(S.RUNNING, status_note="not_cancellable"),
    "no-prompt": run(S.RUNNING, prompt=None, seed=None),
    "long-prompt": run(S.RUNNING, prompt="a lighthouse " * 60),
    "user-install": run(S.RUNNING, user_install=True, guild_id=None),
    "preset": run(S.RUNNING, preset_note="preset: house \\*style\\* · your default"),
    "private": run(S.RUNNING, private=True),
    "private-approval": run(S.AWAITING_APPROVAL, private=True, review_channel_id=9),
    "private-leaving": run(S.RUNNING, private=True, status_note="answer_ends"),
    "private-restricted": run(S.RUNNING, private=True, age_restricted=True),
    "private-restricted-leaving": run(
        S.RUNNING, private=True, age_restricted=True, status_note="answer_ends"
    ),
    "user-install-restricted": run(S.RUNNING, user_install=True, guild_id=None, age_restricted=True),
    "user-install-leaving": run(S.RUNNING, user_install=True, guild_id=None, status_note="answer_ends"),
}

ENDS: Mapping[str, Run] = {
    "failed": run(S.FAILED, failure_code="run_failed"),
    "failed-memory": run(S.FAILED, failure_code="run_failed", failure_log="x.OutOfMemoryError: no memory"),
    "failed-input": run(S.FAILED, failure_code="run_failed", failure_log="Failed to validate prompt\n* K 3:"),
    "timed-out-running": run(S.TIMED_OUT, failure_code="deadline_running"),
    "timed-out-unreadable": run(S.TIMED_OUT, failure_code="deadline_unreadable"),
    "timed-out": run(S.TIMED_OUT, failure_code="deadline"),
    "timed-out-there": run(S.FAILED, failure_code="run_timed_out"),
    "cancelled": run(S.CANCELLED, failure_code="cancelled_by_requester"),
    "cancelled-by-moderator": run(S.CANCELLED, failure_code="cancelled_by_moderator"),
    "cancelled-there": run(S.CANCELLED, failure_code="run_cancelled"),
    "rejected": run(S.REJECTED, failure_code="rejected", review_channel_id=9, decided_at=ASKED),
    "blocked": run(S.REFUSED, failure_code="requester_blocked", failure_params={"others": 2}),
    "blocked-until": run(S.REJECTED, failure_code="requester_blocked", failure_params={"until": 1777901400}),
    "expired": run(S.EXPIRED, failure_code="expired", review_channel_id=9),
    "unconfirmed": run(S.UNCONFIRMED, failure_code="comfy_timeout"),
    "refused-inputs": run(S.REFUSED, failure_code="comfy_invalid", failure_params={"fields": "cfg, <@5>"}),
    "refused-inputs-unnamed": run(S.REFUSED, failure_code="comfy_invalid", failure_params={"fields": ""}),
    "refused-key": run(S.REFUSED, failure_code="comfy_unauthorized"),
    "refused-credits": run(S.REFUSED, failure_code="comfy_forbidden"),
    "refused-busy": run(S.REFUSED, failure_code="comfy_rate_limited"),
    "refused-file": run(S.REFUSED, failure_code="attachment_expired"),
    "refused-late": run(S.REFUSED, failure_code="answer_too_late", user_install=True, guild_id=None),
}

PICTURE = PreparedOutputs((file(),))
OFFERED = OfferedActions(vary=True, usable=True)
REPORTABLE = OfferedActions(vary=True, usable=True)
LARGE = "b.mp4 is too large to upload here: [open it](https://s3.example/b) while the link works."


def files(*kinds: tuple[FileKind, str]) -> PreparedOutputs:
    return PreparedOutputs(tuple(file(number, *kind) for number, kind in enumerate(kinds, 1)))


def texts(*texts: str) -> PreparedOutputs:
    return PreparedOutputs(texts=texts)


def failed(state: RunState, code: str) -> list[OutgoingMessage]:
    """Return a partial result."""
    return outcome(run(state, failure_code=code, partial=True), PICTURE)


PNG, MP4, WAV, GLB = (
    (FileKind.IMAGE, "png"),
    (FileKind.VIDEO, "mp4"),
    (FileKind.AUDIO, "wav"),
    (FileKind.OTHER, "glb"),
)
_FOUR = tuple(Output("images", f"https://files.example/{n}", f"{n}.png") for n in range(4))
_SOME = {"outputs": _FOUR, "to_check": True, "verdicts": {"2": ["held", "nudity"], "3": ["hidden", "nudity"]}}
_NONE = {"outputs": _FOUR[:1], "to_check": True, "verdicts": {"1": ["hidden", "explicit"]}}
LINKED = run(
    outputs=(
        Output("images", "https://files.example/1?sig=abc", "a_b.png"),
        Output("text", text="a caption"),
        Output("images", "https://files.example/2?sig=abc"),
    )
)
HIDDEN = run(outputs=(Output("text", text="a secret"),), spoiler=True)
TWO = [run(outputs=LINKED.outputs[:1], key=letter * 16, index=n, count=2) for n, letter in enumerate("ab")]

RESULTS: Mapping[str, list[OutgoingMessage]] = {
    "picture": outcome(run(), PICTURE, REPORTABLE),
    "picture-reported-nowhere": outcome(run(), PICTURE, OFFERED),
    **FOLLOWED,
    "partial-failed": failed(S.FAILED, "run_failed"),
    "partial-timed-out": failed(S.TIMED_OUT, "run_timed_out"),
    "partial-cancelled": failed(S.CANCELLED, "cancelled_by_requester"),
    "partial-unconfirmed": failed(S.UNCONFIRMED, "run_failed"),
    "picture-spoiler": outcome(run(spoiler=True), PICTURE, OfferedActions(reportable=True)),
    "pictures-twelve": outcome(run(), files(*[PNG] * 12)),
    "video": outcome(run(), files(MP4), OFFERED),
    "audio": outcome(run(), files(WAV)),
    "audio-twelve": outcome(run(), files(*[WAV] * 12)),
    "audio-user-install": outcome(run(user_install=True, guild_id=None), files(WAV)),
    "mesh": outcome(run(), files(GLB)),
    "picture-and-audio": outcome(run(), files(PNG, WAV)),
    "text": outcome(run(), texts("A quiet lake at dusk.\nNobody is there.")),
    "text-laid-out": outcome(run(), texts('{\n  "mood": "calm"\n}')),
    "text-spoiler": outcome(run(spoiler=True), texts("A quiet lake.\n`Nobody`.")),
    "nothing": outcome(run()),
    "one-at-a-time": outcome(run(), PICTURE, OfferedActions(usable=True)),
    "notes": outcome(run(), PreparedOutputs((file(),), remarks=(LARGE,))),
    "weighted-gpu": outcome(run(gpu_used="H100", charged_seconds=32.8), PICTURE),
    "direct-message": outcome(run(guild_id=None), PICTURE),
    "linked": outcome(LINKED, linked_outputs(LINKED, may_link)),
    "plain": plain_messages([LINKED], [LINKED], may_link),
    "plain-without-links": plain_messages([LINKED], [LINKED], None),
    "plain-spoiler": plain_messages([HIDDEN], [HIDDEN], may_link),
    "plain-of-several": plain_messages(TWO, TWO, may_link),
    "finishing": [finishing_message([run()], TITLE)],
    "held": [held_message([run()], TITLE)],
    "held-some": outcome(run(**_SOME), PICTURE),
    "hidden": outcome(run(**_NONE)),
    "undelivered": [undelivered_message([run()], TITLE)],
    "private-opened": opened_messages(run(private=True), TITLE, PICTURE),
    "withheld": [withheld_message(run(), postable=True)],
}


def shared(prepared: PreparedOutputs | None = None, **more: Any) -> list[OutgoingMessage]:
    """Return a share of a result that can be reported."""
    noted = prepared or PreparedOutputs((file(),), remarks=("a.png was recompressed.",))
    return share_messages(run(**more), TITLE, noted, LINK, OfferedActions(usable=True))


SHARES: Mapping[str, list[OutgoingMessage]] = {
    "share": shared(),
    "share-spoiler": shared(spoiler=True, prompt=None),
    "share-audio": share_messages(run(prompt=None), TITLE, files(WAV), LINK, OfferedActions(usable=True)),
    "share-text": shared(texts("A quiet lake.")),
}
