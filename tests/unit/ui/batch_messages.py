"""Messages about several at once, for the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.deployments.files import linked_file
from bot.domain.backend import InputKind
from bot.domain.pages import RunListEntry
from bot.domain.runs import Output, Run, RunState
from bot.ui.custom_ids import DeleteId, RunsId
from bot.ui.lists import runs_layout
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedFile, PreparedOutputs
from bot.ui.result_buttons import OfferedActions, more_layout, picked_layout
from bot.ui.results import Batch, outcome_messages
from bot.ui.status import status_message
from tests.unit.deployments.made import follow_up
from tests.unit.factories import made_run
from tests.unit.ui.messages import ASKED
from tests.unit.ui.snapshot import of_layout, of_parts

S = RunState
TITLE = "Flux"


def runs(*states: RunState, **more: Any) -> list[Run]:
    """One in each of these states."""
    keys = [letter * 16 for letter in "abcdefghij"]
    ends: Mapping[RunState, dict[str, Any]] = {
        S.SUCCEEDED: {"run_duration": 4.0, "charged_seconds": 4.0, "gpu_used": "L4", "started_at": ASKED},
        S.FAILED: {
            "failure_code": "run_failed",
            "run_duration": 2.0,
            "charged_seconds": 2.0,
            "started_at": ASKED,
        },
        S.CANCELLED: {"failure_code": "cancelled_by_requester"},
        S.TIMED_OUT: {"failure_code": "deadline", "charged_seconds": 60.0, "started_at": ASKED},
        S.REFUSED: {"failure_code": "comfy_unauthorized"},
        S.REJECTED: {"failure_code": "rejected", "review_channel_id": 9, "decided_at": ASKED},
    }
    return [
        made_run(
            state,
            key=keys[index],
            **{
                "status_message_id": 3,
                "prompt": "a lighthouse",
                "seed": 7 + index,
                "request_key": keys[0],
                "index": index,
                "count": len(states),
                **ends.get(state, {}),
                **more,
            },
        )
        for index, state in enumerate(states)
    ]


def file(run: Run, number: int = 1, kind: FileKind = FileKind.IMAGE, suffix: str = "png") -> PreparedFile:
    return PreparedFile(Path("/nowhere"), f"flux-{run.key}-{number}.{suffix}", kind, "a lighthouse")


def pictures(run: Run) -> PreparedOutputs:
    return PreparedOutputs((file(run),))


def parts(
    batch: Sequence[Run], made: Callable[[Run], PreparedOutputs] = pictures, late: Sequence[str] = ()
) -> list[OutgoingMessage]:
    done = {run.key: made(run) for run in batch if run.is_shown and run.key not in late}
    return outcome_messages(Batch(batch, done, late), TITLE, OfferedActions(reportable=True))


def ended(*states: RunState, **more: Any) -> str:
    return of_parts(parts(runs(*states, **more)))


def status(batch: Sequence[Run]) -> str:
    return of_parts([status_message(batch, TITLE)])


def on_their_way() -> str:
    done, runs_now, waits, next_one = runs(S.SUCCEEDED, S.RUNNING, S.WAITING, S.WAITING)
    going_on = [replace(runs_now, progress=0.5), replace(waits, queue_position=2)]
    return status([done, *going_on, replace(next_one, queue_position=3)])


def deleted() -> str:
    first, second, third = runs(S.SUCCEEDED, S.SUCCEEDED, S.SUCCEEDED)
    return of_parts(parts([first, replace(second, deleted_at=ASKED), third]))


def late() -> str:
    batch = runs(S.SUCCEEDED, S.SUCCEEDED)
    return of_parts(parts(batch, late=[batch[1].key]))


def partly() -> str:
    first, second, third = runs(S.SUCCEEDED, S.FAILED, S.TIMED_OUT)
    return of_parts(parts([first, replace(second, partial=True), third]))


def veiled() -> str:
    first, second = runs(S.SUCCEEDED, S.SUCCEEDED)
    return of_parts(parts([first, replace(second, spoiler=True)]))


def sounds(run: Run) -> PreparedOutputs:
    return PreparedOutputs((file(run, 1, FileKind.AUDIO, "wav"),))


def words(run: Run) -> PreparedOutputs:
    return PreparedOutputs(texts=(f"A quiet lake at dusk, number {run.seed}.",))


def one(state: RunState, offered: OfferedActions | None = None, *, linked: bool = True, **more: Any) -> str:
    _, second = runs(S.SUCCEEDED, state, **more)
    files = [linked_file("https://cdn.example/b.png")] if linked and state is S.SUCCEEDED else []
    links = PreparedOutputs()
    return of_layout(
        picked_layout(second, 2, TITLE, files, links, offered or OfferedActions(vary=True, usable=True))
    )


def more(*states: RunState) -> str:
    batch, links = runs(*states), ["https://cdn.example/1.png"] if S.SUCCEEDED in states else []
    delete = DeleteId(batch[0].key, 5, whole=True)
    return of_layout(more_layout(batch, TITLE, OfferedActions(reportable=bool(links)), delete, links))


def listed() -> str:
    batch = runs(S.SUCCEEDED, S.RUNNING, S.WAITING)
    finished = runs(S.FAILED, S.SUCCEEDED)
    entries = [RunListEntry(each, False, None) for each in (batch, finished)]
    return of_layout(runs_layout(entries, RunsId(0), lambda _: TITLE, more=False, here=1, pictures={}))


def followed() -> str:
    """One whose operator configured two follow-ups, on a server with a gallery and a review channel."""
    actions = tuple(
        follow_up(label, TARGET, emoji=emoji, takes={InputKind.IMAGE: "image"})
        for label, emoji in (("Upscale", "🔍"), ("Animate", "🎬"))
    )
    return one(S.SUCCEEDED, replace(OWN, reportable=True, follow_ups=actions), outputs=(PICTURE,))


PICTURE = Output(kind="images", url="https://s3.example/b.png", filename="b.png")
TARGET = "98244b49-9b56-46b8-83c8-334f27412095"
OWN = OfferedActions(vary=True, usable=True, shareable=True, postable=True)
OTHERS = OfferedActions(usable=True, reportable=True, deletable=False)
SEVERAL: Mapping[str, Callable[[], str]] = {
    "several-status-starting": lambda: status(runs(*[S.WAITING] * 4)),
    "several-status-approval": lambda: status(runs(*[S.AWAITING_APPROVAL] * 4, review_channel_id=9)),
    "several-status-on-their-way": on_their_way,
    "several-status-failed-one": lambda: status(runs(S.FAILED, S.SUCCEEDED, S.RUNNING)),
    "several-status-cancelling": lambda: status(runs(S.RUNNING, S.RUNNING, cancel_requested_at=ASKED)),
    "several-result": lambda: ended(*[S.SUCCEEDED] * 4),
    "several-result-weighted": lambda: ended(*[S.SUCCEEDED] * 4, charged_seconds=8.0),
    "several-result-ten": lambda: ended(*[S.SUCCEEDED] * 10),
    "several-result-in-parts": lambda: of_parts(
        parts(runs(*[S.SUCCEEDED] * 3), lambda run: PreparedOutputs(tuple(file(run, n) for n in range(1, 6))))
    ),
    "several-result-sounds": lambda: of_parts(parts(runs(*[S.SUCCEEDED] * 2), sounds)),
    "several-result-words": lambda: of_parts(parts(runs(*[S.SUCCEEDED] * 2), words)),
    "several-result-nothing": lambda: of_parts(parts(runs(*[S.SUCCEEDED] * 2), lambda _: PreparedOutputs())),
    "several-result-spoiler": lambda: ended(S.SUCCEEDED, S.SUCCEEDED, spoiler=True),
    "several-result-some": lambda: ended(S.SUCCEEDED, S.FAILED, S.REFUSED, S.TIMED_OUT),
    "several-result-deleted": deleted,
    "several-result-late": late,
    "several-result-partial": partly,
    "several-end-failed": lambda: ended(*[S.FAILED] * 3),
    "several-end-failed-differently": lambda: ended(S.FAILED, S.TIMED_OUT),
    "several-end-cancelled": lambda: ended(*[S.CANCELLED] * 3),
    "several-end-rejected": lambda: ended(*[S.REJECTED] * 3),
    "several-one": lambda: one(S.SUCCEEDED),
    "several-one-own": lambda: one(S.SUCCEEDED, OWN),
    "several-one-own-video": lambda: one(S.SUCCEEDED, OfferedActions(shareable=True, postable=True)),
    "several-one-own-followed": followed,
    "several-veiled": veiled,
    "several-one-held": lambda: one(
        S.SUCCEEDED, linked=False, outputs=(PICTURE,), to_check=True, verdicts={"1": ["held", "nudity"]}
    ),
    "several-one-of-another": lambda: one(S.SUCCEEDED, OTHERS),
    "several-one-failed-of-another": lambda: one(S.FAILED, OTHERS),
    "several-one-failed": lambda: one(S.FAILED),
    "several-one-partial": lambda: one(S.FAILED, partial=True),
    "several-one-deleted": lambda: one(S.SUCCEEDED, deleted_at=ASKED),
    "several-more": lambda: more(*[S.SUCCEEDED] * 4),
    "several-more-failed": lambda: more(*[S.FAILED] * 3),
    "several-runs": listed,
}
