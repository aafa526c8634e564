"""Records of runs and their states, of deliveries, and of pages of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from bot.domain.text.file_names import keys_in_links

# An edit that starts in the token's last seconds would arrive too late.
_TOKEN_MARGIN = timedelta(seconds=20)
# Discord's limit for the size of a file in a direct message, in bytes.
DIRECT_UPLOAD_LIMIT = 10 * 1024 * 1024
InputValue = str | int | float | bool | list[str]


class RunState(StrEnum):
    """The state of a run. `WAITING` is our own queue; in `SUBMITTING` the queue call may have been sent."""

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
IN_FLIGHT = frozenset({S.SUBMITTING, S.QUEUED, S.RUNNING, S.UPLOADING})
NOT_SUBMITTED = frozenset({S.WAITING, S.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a run: a file at `url`, or `text`.

    `kind` is the backend's own word (`images`, `gifs`, `files`, `audio`, `text` …). This word isn't reliable,
    so use the file name and content type instead.
    """

    kind: str
    url: str | None = None
    filename: str | None = None
    text: str | None = None


class RunReport(NamedTuple):
    """The backend's report about a run, from a webhook or from polling.

    `state` is None if the backend's status word is missing or unknown. `progress` is from 0 to 1, and
    `queue_position` counts from 1. Durations are in seconds. The class is a tuple because creating a frozen
    dataclass takes longer than parsing the webhook's JSON.
    """

    run_id: str
    state: RunState | None = None
    live_status: str | None = None
    progress: float | None = None
    outputs: tuple[Output, ...] = ()
    queue_position: int | None = None
    gpu: str | None = None
    run_duration: float | None = None
    log: str | None = None  # the end of a failed run's log, without secrets

    @property
    def made_everything(self) -> bool:
        """Return whether all nodes were executed and there are outputs. The reported state doesn't matter."""
        return self.progress is not None and self.progress >= 1 and bool(self.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as stored. Times are timezone-aware UTC, and durations are in seconds.

    `default_preset` is the name of the channel's default preset that the request used. Only the requester
    sees the messages of a `private` run. `waiting_code` is the code of the sentence that says why a waiting
    run can't start yet. `claim_id` identifies the last claim that made, or may make, a queue call.
    `requester_roles` is None if the requester erased their data. `partial` marks a run that did not succeed
    but made outputs. A run in flight has the outputs that were reported last; `outputs_since` is when they
    were first seen after the last node. `erased_at` is when the requester erased the inputs and outputs.
    """

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
    expected_gpu: str | None = None
    seed: int | None = None
    prompt: str | None = None
    parent_key: str | None = None
    default_preset: str | None = None
    batch_index: int = 0
    batch_size: int = 1

    application_id: int = 0
    interaction_token: str | None = field(default=None, repr=False)
    interaction_expires_at: datetime | None = None
    upload_limit: int = DIRECT_UPLOAD_LIMIT
    user_install: bool = False
    private: bool = False
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
    claim_id: str | None = field(default=None, repr=False)
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
    requester_roles: tuple[int, ...] | None = None
    waiting_code: str | None = None
    waiting_params: Mapping[str, str | int | float | bool | None] | None = None
    decided_by: int | None = None
    decided_at: datetime | None = None
    spoiler: bool = False
    age_restricted: bool = False
    channel_age_restricted: bool = False
    deleted_at: datetime | None = None
    erased_at: datetime | None = None
    status_note: str | None = None
    failure_code: str | None = None
    failure_params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    failure_log: str | None = None
    partial: bool = False
    outputs_since: datetime | None = None

    @property
    def number(self) -> int:
        """Return the run's number in its batch, as users see it: counted from 1."""
        return self.batch_index + 1

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def has_result(self) -> bool:
        """Return whether the run's outcome shows outputs, which even an unsuccessful run may have made."""
        return self.state is RunState.SUCCEEDED or self.partial

    @property
    def is_shown(self) -> bool:
        """Return whether the run has a result that was not deleted."""
        return self.has_result and self.deleted_at is None

    @property
    def is_first_in_batch(self) -> bool:
        """Return whether this is the first run of its batch, which owns the status message and outcome."""
        return self.batch_index == 0

    @property
    def sources(self) -> frozenset[str]:
        """Return the keys of the runs whose results the inputs link to, as the names of these files say."""
        return keys_in_links(self.inputs.values())

    @property
    def cancel_code(self) -> str:
        """Return the code of the sentence that says who cancelled the run."""
        own = self.cancelled_by in (None, self.requester_id)
        return "cancelled_by_requester" if own else "cancelled_by_moderator"

    @property
    def needs_interaction(self) -> bool:
        """Return whether only interactions can show the run's messages in the channel of the request."""
        return self.user_install or self.private

    @property
    def hidden_from_channel(self) -> bool:
        """Return whether the inputs must stay hidden from the channel, since no moderator approved them."""
        in_review = self.review_channel_id is not None and self.decided_at is None
        return in_review or self.state is RunState.REJECTED

    def interaction_token_at(self, now: datetime) -> str | None:
        """Return the interaction's token, or None if it can no longer be used at the time `now`."""
        if self.interaction_token is None or self.interaction_expires_at is None:
            return None
        return self.interaction_token if now < self.interaction_expires_at - _TOKEN_MARGIN else None


class MessageRef(NamedTuple):
    """A Discord message by its ids. The store writes it as a JSON list."""

    channel_id: int
    message_id: int


class Direction(StrEnum):
    """The direction of a step through a list; also part of custom_ids."""

    OLDER = "o"
    NEWER = "n"


class RunFilter(StrEnum):
    """A filter for a user's runs. UNDELIVERED matches runs whose outcome is undelivered."""

    ALL = "all"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Selects a page of a user's runs, from `cursor` in one direction, or the newest page without one."""

    run_filter: RunFilter = RunFilter.ALL
    direction: Direction = Direction.OLDER
    cursor: RunCursor | None = None


class SentMessages(NamedTuple):
    """The messages sent for a delivery. `attempted_at` is set if an unfinished attempt may have sent
    another message.

    `earlier` are messages of an earlier delivery of the same result, which this delivery replaces.
    `deleted_by` is the user who deleted the copy, if it was deleted without its result.
    """

    messages: tuple[MessageRef, ...] = ()
    attempted_at: datetime | None = None
    earlier: tuple[MessageRef, ...] = ()
    deleted_by: int | None = None

    @property
    def everywhere(self) -> tuple[MessageRef, ...]:
        return (*self.messages, *self.earlier)


@dataclass(frozen=True, slots=True)
class Deletions:
    """What was deleted of a request.

    `outcome` means that no message shows its outcome any more, and `partly` that only some of its results
    were deleted. `by_moderator` means that somebody else than the requester deleted a result, and
    `copy_by_moderator` that they deleted a copy of a result that stays.
    """

    outcome: bool = False
    partly: bool = False
    by_moderator: bool = False
    copy_by_moderator: bool = False


@dataclass(frozen=True, slots=True)
class RunListEntry:
    """A batch, whether its result is undelivered, and the first message of its outcome, if there is one."""

    batch: Sequence[Run]
    undelivered: bool
    message: MessageRef | None
    deletions: Deletions = Deletions()

    @property
    def first(self) -> Run:
        """Return the run that represents the batch."""
        return self.batch[0]


@dataclass(frozen=True, slots=True)
class RunCursor:
    """A position in a list of a user's runs. It stays valid if the run at this position is deleted."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of batches, newest first. `older` and `newer` lead to the adjacent pages, or are None."""

    entries: Sequence[RunListEntry]
    older: RunCursor | None = None
    newer: RunCursor | None = None


class DeliveryState(StrEnum):
    """The state of a delivery. UNDELIVERED: the message couldn't be sent, or it withheld the result.

    `/runs` still offers an undelivered outcome. An undelivered copy can be requested again.
    """

    PENDING = "pending"
    SENT = "sent"
    UNDELIVERED = "undelivered"


class Purpose(StrEnum):
    """The purpose of a delivery. A run has at most one delivery for each purpose.

    The letter is part of the nonce, and the name is a label of metrics.
    """

    OUTCOME = "o"
    LATE = "l"  # a result that came after an outcome without one
    REVIEW = "r"  # the card that asks moderators to decide
    CARD = "c"  # the update of that card after the decision
    NOTICE = "d"  # the reason for a rejection, as a direct message to the requester
    REPORT = "p"  # the card that shows a reported result to moderators
    REMOVAL = "x"  # sends nothing: deletes the messages of a result
    SINGLE = "s"  # one result of a batch in a message of its own
    SHARE = "g"  # a result in the server's gallery channel


OUTCOME_PURPOSES = frozenset({Purpose.OUTCOME, Purpose.LATE})
# Copies of a result, which are sent only if its requester asks for them.
COPY_PURPOSES = frozenset({Purpose.SINGLE, Purpose.SHARE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A claimed delivery with its run as it is now, and the messages sent so far.

    `batch` holds the runs that it reports on: the whole batch for an outcome, otherwise `run` alone. `late`
    holds the keys of runs whose late success has a delivery of its own. `tries` includes this attempt. If
    `all_sent` is True, all messages have been sent, and only the cleanup is left. `earlier` are the messages
    that this delivery replaces. A copy goes to the channel `shared_to`; a share shows the prompt if
    `with_prompt` is set. `deleted_by` is the user who deleted the copy. `abandoned` means that Discord has
    ignored the delivery for a day although it answered other calls.
    """

    id: int
    run: Run
    purpose: Purpose
    tries: int
    route: int
    attempted: bool
    attempted_at: datetime | None
    messages: tuple[MessageRef, ...]
    batch: tuple[Run, ...]
    all_sent: bool = False
    earlier: tuple[MessageRef, ...] = ()
    late: frozenset[str] = frozenset()
    shared_to: int | None = None
    with_prompt: bool = False
    deleted_by: int | None = None
    abandoned: bool = False

    @property
    def destination(self) -> int:
        """Return the id of the channel to post in, or of the user for a direct message."""
        run = self.run
        if self.purpose in (Purpose.REVIEW, Purpose.CARD):
            return run.review_channel_id or run.channel_id
        if self.purpose is Purpose.REPORT:
            return run.report_channel_id or run.channel_id
        if self.purpose in COPY_PURPOSES:
            return self.shared_to or run.channel_id
        return run.requester_id if self.purpose is Purpose.NOTICE else run.channel_id

    @property
    def server(self) -> int:
        """Return the id of the server that the delivery belongs to, or of the user outside servers."""
        return self.run.guild_id or self.run.requester_id

    @property
    def is_late_in_batch(self) -> bool:
        """Return whether this is the late success of one run in a larger batch, which must not replace the
        message that shows the whole batch.
        """
        return self.purpose is Purpose.LATE and self.run.batch_size > 1
