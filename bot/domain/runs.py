"""A run and the table of its legal transitions. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

# An edit begun in the token's last seconds would arrive too late.
_TOKEN_MARGIN = timedelta(seconds=20)


def token_of(run: Run, now: datetime) -> str | None:
    """The interaction's token while it can still be used."""
    if run.interaction_token is None or run.interaction_expires_at is None:
        return None
    return run.interaction_token if now < run.interaction_expires_at - _TOKEN_MARGIN else None


InputValue = str | int | float | bool | list[str]


class RunState(StrEnum):
    """Where a run is. `WAITING` is our own queue; `SUBMITTING` means the queue call may have been sent."""

    AWAITING_APPROVAL = "awaiting_approval"
    WAITING = "waiting"
    SUBMITTING = "submitting"
    QUEUED = "queued"
    RUNNING = "running"
    UPLOADING = "uploading"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNCONFIRMED = "unconfirmed"


S = RunState
FINAL = frozenset(
    {S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT, S.REFUSED, S.REJECTED, S.EXPIRED, S.UNCONFIRMED}
)
# Paid for and perhaps still alive upstream: a success that comes late is delivered all the same.
REVIVABLE = frozenset({S.UNCONFIRMED, S.TIMED_OUT})
IN_FLIGHT = frozenset({S.SUBMITTING, S.QUEUED, S.RUNNING, S.UPLOADING})
_ENDS = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT})

TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    S.AWAITING_APPROVAL: frozenset({S.WAITING, S.REFUSED, S.REJECTED, S.EXPIRED, S.CANCELLED}),
    # A webhook for a run in WAITING proves that the call thought lost was accepted after all.
    S.WAITING: frozenset({S.SUBMITTING, S.REFUSED, S.QUEUED, S.RUNNING, S.UPLOADING, *_ENDS}),
    # Back to WAITING only if the backend can't have accepted the call.
    S.SUBMITTING: frozenset({S.WAITING, S.QUEUED, S.RUNNING, S.UPLOADING, S.REFUSED, S.UNCONFIRMED, *_ENDS}),
    S.QUEUED: frozenset({S.RUNNING, S.UPLOADING, *_ENDS}),
    S.RUNNING: frozenset({S.UPLOADING, *_ENDS}),
    S.UPLOADING: _ENDS,
    S.UNCONFIRMED: frozenset({S.SUCCEEDED}),
    S.TIMED_OUT: frozenset({S.SUCCEEDED}),
    **{s: frozenset[RunState]() for s in FINAL - REVIVABLE},
}


def sources(target: RunState) -> frozenset[RunState]:
    """The states from which `target` may be entered."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)


@dataclass(frozen=True, slots=True)
class Output:
    """One thing a run made: a file behind `url`, or `text`.

    `kind` is the backend's own word (`images`, `gifs`, `files`, `audio`, `text` …) and says little: go by
    file name and content type.
    """

    kind: str
    url: str | None = None
    filename: str | None = None
    text: str | None = None


class RunReport(NamedTuple):
    """What the backend reports of a run, by webhook or when it is asked.

    `state` is None when its status word is unknown; `progress` is 0..1; `queue_position` counts from 1;
    durations are in seconds. A tuple, since a frozen dataclass takes longer to make than the webhook's JSON
    to parse.
    """

    run_id: str
    state: RunState | None = None
    live_status: str | None = None
    progress: float | None = None
    outputs: tuple[Output, ...] = ()
    queue_position: int | None = None
    gpu: str | None = None
    run_duration: float | None = None
    cold_start_duration: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One request's row in the store; the truth about it. Times are aware UTC, durations seconds."""

    key: str
    state: RunState
    created_at: datetime
    requester_id: int
    guild_id: int | None
    channel_id: int
    deployment: str
    deployment_id: str
    inputs: Mapping[str, InputValue]
    batch_key: str
    gpu: str | None = None
    seed: int | None = None
    prompt: str | None = None
    parent_key: str | None = None
    batch_index: int = 0
    batch_size: int = 1

    application_id: int = 0
    interaction_token: str | None = field(default=None, repr=False)
    interaction_expires_at: datetime | None = None
    upload_limit: int = 10 * 1024 * 1024
    user_install: bool = False
    status_message_id: int | None = None

    run_id: str | None = None
    live_status: str | None = None
    progress: float | None = None
    queue_position: int | None = None
    outputs: tuple[Output, ...] = ()
    gpu_used: str | None = None
    run_duration: float | None = None
    submitted_at: datetime | None = None
    submissions: int = 0
    checks: int = 0
    deadline_seconds: int = 3600
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancelled_by: int | None = None
    weight: float = 1.0
    reserved_seconds: float = 60.0
    charged_seconds: float | None = None
    review_channel_id: int | None = None
    report_channel_id: int | None = None
    requester_joined_at: datetime | None = None
    decided_by: int | None = None
    decided_at: datetime | None = None
    spoiler: bool = False
    age_restricted: bool = False
    deleted_at: datetime | None = None
    status_note: str | None = None
    failure_code: str | None = None
    failure_params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def is_first_in_batch(self) -> bool:
        """Return whether this run owns what exists once per batch: the status message and the outcome."""
        return self.batch_index == 0

    @property
    def cancel_code(self) -> str:
        """Whose wish ended it, as a sentence's code."""
        own = self.cancelled_by in (None, self.requester_id)
        return "cancelled_by_requester" if own else "cancelled_by_moderator"

    @property
    def unseen(self) -> bool:
        """Whether the channel must not see what was asked for: nobody has agreed to it."""
        in_review = self.review_channel_id is not None and self.decided_at is None
        return in_review or self.state is RunState.REJECTED

    @property
    def deadline(self) -> datetime | None:
        """When the run counts as lost; None before the queue call."""
        return self.submitted_at + timedelta(seconds=self.deadline_seconds) if self.submitted_at else None


class Direction(StrEnum):
    OLDER = "o"
    NEWER = "n"


class RunFilter(StrEnum):
    """Which of one's own runs; KEPT are those whose result found no way."""

    ALL = "all"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class RunsPage:
    """A page of somebody's runs: from the cursor on in one direction; without one, the newest."""

    wanted: RunFilter = RunFilter.ALL
    step: Direction = Direction.OLDER
    cursor: RunCursor | None = None


class SentMessages(NamedTuple):
    """(channel id, message id) of what was sent; `attempted_at` of a part that may be there as well.

    `earlier` are those of a time before, when a part of it found no way: what it shows is shown anew.
    """

    messages: tuple[tuple[int, int], ...] = ()
    attempted_at: datetime | None = None
    earlier: tuple[tuple[int, int], ...] = ()

    @property
    def everywhere(self) -> tuple[tuple[int, int], ...]:
        return (*self.messages, *self.earlier)


@dataclass(frozen=True, slots=True)
class RunListEntry:
    """A batch and its newest message: `kept` when no way was open, `place` (channel, message) when it was."""

    batch: Sequence[Run]
    kept: bool
    place: tuple[int, int] | None

    @property
    def first(self) -> Run:
        """Return the run that stands for the batch."""
        return self.batch[0]


@dataclass(frozen=True, slots=True)
class RunCursor:
    """A place in somebody's runs. It stays valid when the run itself is gone."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Newest first; `older` and `newer` are where to go on, None where the runs end."""

    entries: Sequence[RunListEntry]
    older: RunCursor | None = None
    newer: RunCursor | None = None


class DeliveryState(StrEnum):
    """KEPT: every way to show it failed; `/runs` still has it."""

    PENDING = "pending"
    SENT = "sent"
    UNDELIVERED = "undelivered"


class Purpose(StrEnum):
    """Which message a run owes; at most one of each, and the letter is in the nonce."""

    OUTCOME = "o"
    LATE = "l"  # a success that came after we had given it up
    REVIEW = "r"  # the card that asks the moderators
    CARD = "c"  # that card once nobody has to decide any more
    NOTICE = "d"  # the reason of a rejection, to the requester directly
    REPORT = "p"  # the card that reports a result
    REMOVAL = "x"  # not a message: the result's messages go


# Those that show how a run ended.
OUTCOMES = frozenset({Purpose.OUTCOME, Purpose.LATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A claimed message, with the run as it is now. `messages`: (channel, message) ids sent so far.

    `batch` are the runs that the message is about: for an outcome the whole batch, else `run` alone. `late`
    are the keys of those with a message of their own, a late success.
    """

    id: int
    run: Run
    purpose: Purpose
    tries: int
    route: int
    attempted: bool
    attempted_at: datetime | None
    messages: tuple[tuple[int, int], ...]
    batch: tuple[Run, ...]
    late: frozenset[str] = frozenset()

    @property
    def is_late_in_batch(self) -> bool:
        """Return whether this is a late success that leaves answer and outcome to the rest of its batch."""
        return self.purpose is Purpose.LATE and self.run.batch_size > 1
