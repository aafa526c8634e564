"""Every message about a run, with a text of the caller's wherever users' words stand.

`words` gets the text of a snapshot and returns the one to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.deployments.choices import input_of
from bot.deployments.command_plan import PRESET_OPTION, plan_commands
from bot.deployments.files import linked_file
from bot.deployments.input_text import command_line
from bot.deployments.model import Deployment, FollowUp
from bot.domain.backend import InputKind
from bot.domain.messages.records import MessageRef
from bot.domain.pages import RunFilter, RunListEntry
from bot.domain.runs import Output, Run, RunState
from bot.ui.custom_ids import DeleteId, RunsId
from bot.ui.lists import queue_layout, runs_layout
from bot.ui.message_parts import INLINE_TEXT, OutgoingMessage, PreparedOutputs
from bot.ui.result_buttons import OfferedActions, more_layout, picked_layout
from bot.ui.results import Batch, opened_messages, outcome_messages, share_messages
from bot.ui.run_facts import details
from bot.ui.status import (
    finishing_message,
    held_message,
    linked_outputs,
    plain_messages,
    status_message,
    undelivered_message,
    withheld_message,
)
from tests.unit.deployments.made import choice, follow_up, offering
from tests.unit.factories import made_run
from tests.unit.ui.messages import ASKED, GLB, KEY, MP4, PNG, WAV, file, files, may_link

S = RunState
Words = Callable[[str], str]
Shown = Any  # messages, a view, or a form
TITLE = "Flux"
LINK = "https://discord.com/channels/1/2/3"
RAN = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT})
PICTURE = PreparedOutputs((file(),))
HELD: dict[str, Any] = {"to_check": True, "verdicts": {"1": ["held", "explicit", "nudity"], "2": ["show"]}}
LARGE = "b.mp4 is too large to upload here: [open it](https://s3.example/b) while the link works."
STYLES = ("photo", "ink")
FLUX = offering(
    input_of(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True, required=True, max_length=500),
    input_of(key="s", option="style", kind=InputKind.TEXT, choices=tuple(choice(n, n) for n in STYLES)),
    input_of(key="w", option="width", kind=InputKind.INTEGER, minimum=256, maximum=1536),
    input_of(key="n", option="seed", kind=InputKind.INTEGER, is_seed=True),
    input_of(key="i", option="image", kind=InputKind.IMAGE),
    title=TITLE,
    description="Pictures from words",
    gpus=("L4", "T4"),
)
SONG = offering(name="song", deployment_id="e", title="Song")
PLAN = plan_commands((FLUX, SONG), (PRESET_OPTION,))


def title(name: str) -> str:
    return {"flux": TITLE, "song": "Song"}[name]


def run(words: Words, state: RunState = S.SUCCEEDED, **more: Any) -> Run:
    ended: dict[str, Any] = {"charged_seconds": 60.0} if state is S.UNCONFIRMED else {}
    if state in RAN:
        ended = {"gpu_used": words("L4"), "run_duration": 8.2, "charged_seconds": 8.2}
    asked = {
        "status_message_id": 3,
        "inputs": {"p": words("a lighthouse"), "s": "ink", "w": 768, "n": 7},
        "prompt": words("a lighthouse"),
        "seed": 7,
        "outputs": (
            Output("images", "https://files.example/1?sig=abc", words("a_b.png")),
            Output("text", text=words("a caption")),
        ),
    }
    return made_run(state, **{**asked, **ended, **more})


def batch_of(words: Words, *states: RunState, **more: Any) -> list[Run]:
    keys = [letter * 16 for letter in "abcdefghij"]
    return [
        replace(
            run(words, state, **more),
            key=keys[at],
            request_key=keys[0],
            index=at,
            count=len(states),
            seed=7 + at,
        )
        for at, state in enumerate(states)
    ]


def follow_up_of(label: str, emoji: str | None = None, kind: InputKind = InputKind.IMAGE) -> FollowUp:
    return follow_up(label, "98244b49-9b56-46b8-83c8-334f27412095", emoji=emoji, takes={kind: "image"})


def follow_ups(*labels: str) -> tuple[FollowUp, ...]:
    return tuple(map(follow_up_of, labels))


OFFERED = OfferedActions(vary=True, usable=True, reportable=True)
OWN = OfferedActions(vary=True, usable=True, shareable=True, postable=True)
OTHERS = OfferedActions(usable=True, reportable=True, deletable=False)


def outcome(
    made: Run,
    prepared: PreparedOutputs | None = None,
    offered: OfferedActions | None = None,
    *,
    origin: str | None = None,
) -> list[OutgoingMessage]:
    """Return the messages that end a single run."""
    shown = {made.key: prepared or PreparedOutputs()} if made.has_result else {}
    return outcome_messages(Batch([made], shown, origin=origin), TITLE, offered or OfferedActions(vary=True))


def ended(
    batch: Sequence[Run],
    made: Callable[[Run], PreparedOutputs] | None = None,
    *,
    late: Sequence[str] = (),
    offered: OfferedActions = OFFERED,
) -> list[OutgoingMessage]:
    """Return the messages that end a batch, of which each result is a picture by default."""

    def picture(run: Run) -> PreparedOutputs:
        return PreparedOutputs((file(1, key=run.key),))

    done = {run.key: (made or picture)(run) for run in batch if run.is_shown and run.key not in late}
    return outcome_messages(Batch(batch, done, late), TITLE, offered)


def statuses(words: Words) -> Mapping[str, Shown]:
    stage, note = words("Executing KSampler"), "preset: house \\*style\\* · your default"
    running = run(words, S.RUNNING, progress=0.42, live_status=stage, gpu="L4", queue_position=3)
    elsewhere: dict[str, Any] = {"user_install": True, "guild_id": None}
    tomorrow = {"limit": 3, "until": 1777939200}
    alone = {
        "approval": run(words, S.AWAITING_APPROVAL, review_channel_id=9),
        "starting": run(words, S.WAITING),
        "waiting": run(words, S.WAITING, queue_position=3),
        "waiting far": run(words, S.WAITING, queue_position=51),
        "waiting next": run(words, S.WAITING, queue_position=1),
        "kept by a pause": run(words, S.WAITING, waiting_code="paused", waiting_params={"reason": "moving"}),
        "kept by a budget": run(words, S.WAITING, waiting_code="budget_runs", waiting_params=tomorrow),
        "submitting": run(words, S.SUBMITTING),
        "queued": run(words, S.QUEUED, queue_position=1),
        "running": running,
        "uploading": run(words, S.UPLOADING, progress=1.0),
        "cancelling": replace(running, cancel_requested_at=ASKED),
        "not cancellable": run(words, S.RUNNING, status_note="not_cancellable"),
        "no prompt": run(words, S.RUNNING, prompt=None, seed=None),
        "preset": run(words, S.RUNNING, preset_note=note),
        "user install": run(words, S.RUNNING, **elsewhere),
        "user install, restricted": run(words, S.RUNNING, **elsewhere, age_restricted=True),
        "user install, its answer ends": run(words, S.RUNNING, **elsewhere, status_note="answer_ends"),
        "private": run(words, S.RUNNING, private=True),
        "private, approval": run(words, S.AWAITING_APPROVAL, private=True, review_channel_id=9),
        "private, restricted": run(words, S.RUNNING, private=True, age_restricted=True),
        "private, its answer ends": run(words, S.RUNNING, private=True, status_note="answer_ends"),
    }
    done, *others = batch_of(words, S.SUCCEEDED, S.RUNNING, S.WAITING, S.WAITING)
    changes: tuple[dict[str, Any], ...] = ({"progress": 0.5}, {"queue_position": 2}, {"queue_position": 3})
    active = [replace(each, **change) for each, change in zip(others, changes, strict=True)]
    several = {
        "several, approval": batch_of(words, *[S.AWAITING_APPROVAL] * 4, review_channel_id=9),
        "several, in each state": [done, *active],
        "several, one failed": batch_of(words, S.FAILED, S.SUCCEEDED, S.RUNNING),
        "several, cancelling": batch_of(words, S.RUNNING, S.RUNNING, cancel_requested_at=ASKED),
    }
    return {
        **{name: [status_message([made], TITLE)] for name, made in alone.items()},
        "expected": [status_message([running], TITLE, ASKED + timedelta(minutes=2))],
        **{name: [status_message(batch, TITLE)] for name, batch in several.items()},
    }


def ends(words: Words) -> Mapping[str, Shown]:
    """Return the outcome of each state and each reason."""
    rejected = {"review_channel_id": 9, "decided_at": ASKED, "failure_params": {"reason": words("no cats")}}
    fields = {"fields": words("cfg, <@5>")}
    # The state, its reason, and what else the message tells.
    made: Mapping[str, tuple[RunState, str, Mapping[str, Any]]] = {
        "failed": (S.FAILED, "run_failed", {"failure_log": words("a log")}),
        "failed, memory": (S.FAILED, "run_failed", {"failure_log": "x.OutOfMemoryError: no memory"}),
        "failed, input": (S.FAILED, "run_failed", {"failure_log": "Failed to validate prompt\n* K 3:"}),
        "failed, weighted": (S.FAILED, "run_failed", {"charged_seconds": 24.0}),
        "timed out": (S.TIMED_OUT, "deadline", {}),
        "timed out, running": (S.TIMED_OUT, "deadline_running", {}),
        "timed out, unreadable": (S.TIMED_OUT, "deadline_unreadable", {}),
        "timed out there": (S.FAILED, "run_timed_out", {}),
        "cancelled": (S.CANCELLED, "cancelled_by_requester", {}),
        "cancelled by a moderator": (S.CANCELLED, "cancelled_by_moderator", {}),
        "cancelled there": (S.CANCELLED, "run_cancelled", {}),
        "rejected": (S.REJECTED, "rejected", rejected),
        "blocked": (S.REFUSED, "requester_blocked", {"failure_params": {"others": 2}}),
        "blocked until": (S.REJECTED, "requester_blocked", {"failure_params": {"until": 1777901400}}),
        "expired": (S.EXPIRED, "expired", {"review_channel_id": 9}),
        "unconfirmed": (S.UNCONFIRMED, "comfy_timeout", {}),
        "inputs": (S.REFUSED, "comfy_invalid", {"failure_params": fields}),
        "inputs, unnamed": (S.REFUSED, "comfy_invalid", {"failure_params": {"fields": ""}}),
        "key": (S.REFUSED, "comfy_unauthorized", {}),
        "credits": (S.REFUSED, "comfy_forbidden", {}),
        "busy": (S.REFUSED, "comfy_rate_limited", {}),
        "file": (S.REFUSED, "attachment_expired", {}),
        "late": (S.REFUSED, "answer_too_late", {"user_install": True, "guild_id": None}),
    }
    several = {
        "several failed": batch_of(words, *[S.FAILED] * 3, failure_code="run_failed"),
        "several cancelled": batch_of(words, *[S.CANCELLED] * 3, failure_code="cancelled_by_requester"),
        "several rejected": batch_of(words, *[S.REJECTED] * 3, failure_code="rejected", decided_at=ASKED),
    }
    return {
        **{
            name: outcome(run(words, state, failure_code=code, **more))
            for name, (state, code, more) in made.items()
        },
        **{name: ended(batch) for name, batch in several.items()},
    }


def results(words: Words) -> Mapping[str, Shown]:
    done, hidden = run(words), run(words, spoiler=True)
    four = tuple(Output("images", f"https://files.example/{n}", words(f"{n}.png")) for n in range(4))
    checked: dict[str, Any] = {"outputs": four, "to_check": True}
    some = run(words, **checked, verdicts={"2": ["held", "nudity"], "3": ["hidden", "nudity"]})
    none = run(words, **checked | {"outputs": four[:1]}, verdicts={"1": ["hidden", "explicit"]})
    partial: dict[str, Any] = {"failure_code": "run_failed", "partial": True}
    # Longer texts are posted as files.
    lake, mood = (
        words(each)[:INLINE_TEXT] for each in ("A lake.\nNobody is *there*.", '{\n  "mood": "calm"\n}')
    )
    return {
        "picture": outcome(done, PICTURE, OFFERED),
        "picture behind a spoiler": outcome(hidden, PICTURE),
        "pictures and a sound": outcome(done, files(PNG, PNG, WAV)),
        "sound": outcome(done, files(WAV)),
        "sound, user install": outcome(run(words, user_install=True, guild_id=None), files(WAV)),
        "sounds": outcome(done, files(*[WAV] * 11)),
        "video": outcome(done, files(MP4), OFFERED),
        "mesh": outcome(done, files(GLB)),
        "text": outcome(done, PreparedOutputs(texts=(lake,))),
        "text, laid out": outcome(done, PreparedOutputs(texts=(mood,))),
        "text behind a spoiler": outcome(hidden, PreparedOutputs(texts=(lake,))),
        "nothing": outcome(done),
        "one at a time": outcome(done, PICTURE, OfferedActions(usable=True)),
        "note": outcome(done, PreparedOutputs((file(),), remarks=(LARGE,))),
        "weighted GPU": outcome(run(words, gpu_used=words("H100"), charged_seconds=32.8), PICTURE),
        "direct message": outcome(run(words, guild_id=None), PICTURE),
        "made from": outcome(done, PICTURE, origin=LINK),
        "follow-up": outcome(done, PICTURE, replace(OFFERED, follow_ups=(follow_up_of("Up", "🔍"),))),
        "follow-ups": outcome(done, PICTURE, replace(OFFERED, follow_ups=follow_ups(*"ABCD"))),
        "partial": outcome(run(words, S.TIMED_OUT, **partial), PICTURE),
        "partial, unconfirmed": outcome(run(words, S.UNCONFIRMED, **partial), PICTURE),
        "some held": outcome(some, PICTURE),
        "none may be shown": outcome(none),
        "too large": outcome(done, linked_outputs(done, may_link, "media_too_large")),
        "links": plain_messages([done], [done], may_link),
        "no links": plain_messages([done], [done], None),
        "links behind a spoiler": plain_messages([hidden], [hidden], may_link),
        "finishing": [finishing_message([done], TITLE)],
        "held": [held_message([done], TITLE)],
        "undelivered": [undelivered_message([done], TITLE)],
        "withheld": [withheld_message(done, postable=True)],
        "opened": opened_messages(run(words, private=True), TITLE, PICTURE),
        "share": share_messages(done, TITLE, PreparedOutputs((file(),), remarks=(LARGE,)), LINK, OFFERED),
        "share of a sound": share_messages(run(words, prompt=None), TITLE, files(WAV), LINK, OFFERED),
        "share of a text": share_messages(hidden, TITLE, PreparedOutputs(texts=(lake,)), LINK, OFFERED),
    }


def batches(words: Words) -> Mapping[str, Shown]:
    def five(run: Run) -> PreparedOutputs:
        return PreparedOutputs(tuple(file(number, key=run.key) for number in range(1, 6)))

    def sound(run: Run) -> PreparedOutputs:
        return PreparedOutputs((file(1, *WAV, key=run.key),))

    def text(run: Run) -> PreparedOutputs:
        return PreparedOutputs(texts=(words(f"Lake {run.seed}")[:INLINE_TEXT],))

    two, four = batch_of(words, S.SUCCEEDED, S.SUCCEEDED), batch_of(words, *[S.SUCCEEDED] * 4)
    mixed = batch_of(words, S.SUCCEEDED, S.FAILED, S.REFUSED, S.TIMED_OUT)
    codes = (None, "run_failed", "comfy_unauthorized", "deadline")
    mixed = [replace(each, failure_code=code) for each, code in zip(mixed, codes, strict=True)]
    return {
        "four": ended(four),
        "weighted GPU": ended(batch_of(words, *[S.SUCCEEDED] * 2, charged_seconds=32.8)),
        "in parts": ended(four[:3], five),
        "sounds": ended(two, sound),
        "texts": ended(two, text),
        "nothing": ended(two, lambda _: PreparedOutputs()),
        "some failed": ended(mixed),
        "one deleted": ended([two[0], replace(two[1], deleted_at=ASKED)]),
        "one late": ended(two, late=[two[1].key]),
        "one partial": ended([two[0], replace(mixed[1], partial=True)]),
        "one behind a spoiler": ended([two[0], replace(two[1], spoiler=True)]),
        "links": plain_messages(two, two, may_link),
    }


def picked(words: Words) -> Mapping[str, Shown]:
    """Return what is behind the numbers of a batch."""

    def behind(state: RunState = S.SUCCEEDED, offered: OfferedActions = OFFERED, **more: Any) -> Shown:
        made = replace(run(words, state, **more), key="b" * 16, request_key="a" * 16, index=1, count=2)
        links = linked_outputs(made, may_link)
        found = [linked_file("https://cdn.example/b.png")] if state is S.SUCCEEDED and not more else []
        return picked_layout(made, 2, TITLE, found, links, offered)

    actions = follow_ups("Upscale", "Animate", "Cut out", "Restyle")
    return {
        "own": behind(offered=replace(OWN, follow_ups=actions)),
        "of another": behind(offered=OTHERS),
        "held": behind(to_check=True, verdicts={"1": ["held", "nudity"]}),
        "failed": behind(S.FAILED, failure_code="run_failed"),
        "partial": behind(S.FAILED, failure_code="run_failed", partial=True),
        "deleted": behind(deleted_at=ASKED),
    }


def more(words: Words) -> Mapping[str, Shown]:
    """Return what is behind More."""

    def behind(offered: OfferedActions, **changes: Any) -> Shown:
        made = run(words, outputs=(Output("images", "https://s3.example/a.png", words("a.png")),), **changes)
        return more_layout([made], TITLE, offered, DeleteId(KEY, 5), ["https://cdn.example/a.png"])

    def behind_several(*states: RunState, links: Sequence[str] = ()) -> Shown:
        batch = batch_of(words, *states)
        delete = DeleteId(batch[0].key, 5, whole=True)
        return more_layout(batch, TITLE, replace(OFFERED, reportable=bool(links)), delete, links)

    return {
        "own": behind(replace(OFFERED, shareable=True, follow_ups=follow_ups(*"ABCD"))),
        "of another": behind(replace(OFFERED, deletable=False)),
        "deleted": behind(OfferedActions(follow_ups=follow_ups("A")), deleted_at=ASKED),
        "failed": behind(OfferedActions(vary=True), state=S.FAILED),
        "several": behind_several(*[S.SUCCEEDED] * 4, links=["https://cdn.example/1.png"]),
        "several failed": behind_several(*[S.FAILED] * 3),
    }


def details_of(words: Words) -> Mapping[str, Shown]:
    failed = run(
        words,
        S.FAILED,
        failure_code="run_failed",
        live_status=words("Executing KSampler"),
        failure_log=f"Traceback ```\nValueError: {words('no *model*')}",
    )

    def shown(made: Run, deployment: Deployment | None = FLUX, *, explained: bool = False) -> Shown:
        command = command_line(PLAN, deployment, made.inputs, made.gpu) if deployment is not None else None
        return details(made, TITLE, deployment, command, explained=explained).layout

    file_too = {"p": words("a lighthouse"), "i": "https://files.example/a.png"}
    return {
        "of a follow-up": shown(run(words, parent_key="p" * 16, gpu="L4", inputs=file_too)),
        "failed": shown(failed, explained=True),
        "failed without a log": shown(replace(failed, failure_log=None), explained=True),
        "of another": shown(failed),
        "of a batch": shown(run(words, count=4, deleted_at=ASKED), FLUX.model_copy(update={"max_count": 4})),
        "of no deployment": shown(run(words, inputs={words("x"): words("y")}), None),
    }


def listed(words: Words) -> Mapping[str, Shown]:
    def entry(letter: str, state: RunState = S.SUCCEEDED, *, at: bool = True, **more: Any) -> RunListEntry:
        return RunListEntry(
            [run(words, state, key=letter * 16, **more)], False, MessageRef(2, 5) if at else None
        )

    def page(entries: Sequence[RunListEntry], wanted: RunFilter = RunFilter.ALL, **more: Any) -> Shown:
        options = {"more": False, "here": 1, "pictures": {}, **more}
        return runs_layout(entries, RunsId(0, wanted), title, **options)

    elsewhere: dict[str, Any] = {"user_install": True, "guild_id": None}
    several = [
        replace(each, key=f"i{each.key}") for each in batch_of(words, S.SUCCEEDED, S.RUNNING, S.WAITING)
    ]
    entries = [
        entry("a", S.RUNNING, at=False),
        entry("b", S.WAITING, at=False, queue_position=2, prompt=None),
        replace(entry("c"), undelivered=True, message=None),
        entry("d"),
        replace(entry("e", S.FAILED), message=MessageRef(99, 5)),
        entry("f", **elsewhere),
        entry("g", private=True),
        entry("h", S.RUNNING, at=False, cancel_requested_at=ASKED),
        RunListEntry(several, False, None),
        RunListEntry([replace(several[0], state=S.FAILED, key="j" * 16), several[0]], False, None),
    ]
    kept = [
        replace(entry(letter, **where), undelivered=True, message=None)
        for letter, where in zip("abc", ({"guild_id": 7}, {}, elsewhere), strict=True)
    ]
    pictured = [entry(letter, spoiler=letter == "b") for letter in "abc"]
    links = {letter * 16: f"https://cdn.example/{letter}.png" for letter in "ab"}
    waiting = [[run(words, S.WAITING, requester_id=7, queue_position=n)] for n in (1, 51)]
    running = [run(words, S.RUNNING)]
    private = [run(words, S.WAITING, requester_id=7, queue_position=2, private=True)]
    queue = [running, *waiting, private, batch_of(words, S.SUCCEEDED, S.WAITING, S.QUEUED)]
    view: dict[str, Any] = {"viewer_id": 42, "title": title}
    return {
        "runs": page(entries, more=True),
        "runs to post, in another server": page(kept, here=7),
        "runs with pictures": page(pictured, pictures=links, restricted={"c" * 16}),
        "no runs": page([]),
        "no such runs": page([], RunFilter.UNDELIVERED),
        "queue": queue_layout(queue, 1, more=True, ends={running[0].request_key: ASKED}, **view),
        "empty queue": queue_layout([], 0, more=False, ends={}, **view),
    }


ABOUT_RUNS: Mapping[str, Callable[[Words], Mapping[str, Shown]]] = {
    "statuses": statuses,
    "ends": ends,
    "results": results,
    "batches": batches,
    "picked": picked,
    "more": more,
    "details": details_of,
    "lists_of_runs": listed,
}
