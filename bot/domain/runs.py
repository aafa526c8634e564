"""Records of runs, of their states and outputs, and of the backend's updates of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from bot.domain.picture_check import Verdict, Verdicts, numbers_with
from bot.domain.text import keys_in_links

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
# The failure code of a run that ended because its requester was blocked.
REQUESTER_BLOCKED = "requester_blocked"


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


class RunUpdate(NamedTuple):
    """The backend's update of a run, from a webhook or from polling.

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
    # The end of a failed run's log, without secrets. It is empty if the backend has no log yet, and None if
    # it wasn't asked.
    log: str | None = None

    @property
    def made_everything(self) -> bool:
        """Return whether all nodes were executed and there are outputs. The reported state doesn't matter."""
        return self.progress is not None and self.progress >= 1 and bool(self.outputs)


class Charge(NamedTuple):
    """What the ledger counts for a run: runs, failures, GPU seconds, and weighted GPU seconds.

    A failure without outputs is no run. `started` are the GPU seconds that count for the whole bot, which are
    none before the queue call.
    """

    runs: int = 0
    failures: int = 0
    seconds: float = 0
    weighted: float = 0
    started: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as stored. Times are timezone-aware UTC, and durations are in seconds.

    `age_restricted` is True if the deployment is age-restricted, or if the run takes a file of a result that
    is age-restricted or from an age-restricted channel; `file_deployments` are the ids of the deployments
    that made these files, and the files that they were made from. `gpu` is the GPU to ask for, and
    `expected_gpu` is the GPU that will be used, or None if unknown. `preset_note` says which presets gave
    the request values, as its messages show it. Only the requester sees the messages of a `private` run.
    `waiting_code` is the code of the sentence that says why a waiting run can't start yet. `claim_id`
    identifies the last claim that made, or may make, a queue call. `requester_roles` is None if the requester
    erased their data. `partial` marks a run that did not succeed but made outputs. A run in flight has the
    outputs that were reported last; `outputs_since` is when they were first seen after the last node.
    `erased_at` is when the requester erased the inputs and outputs.
    `run_duration` is None until the backend reports it, or the bot has seen the end in time. Until then
    `reserved_seconds` are charged, which are unweighted, and at least what the bot measured.
    `charged_on` is the day whose budgets count it, or None before an approval.
    If `to_check` is set, `outputs` may be shown only as far as the `verdicts` allow, see `visible`.
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
    request_key: str
    gpu: str | None = None
    expected_gpu: str | None = None
    seed: int | None = None
    prompt: str | None = None
    parent_key: str | None = None
    preset_note: str | None = None
    index: int = 0
    count: int = 1

    interaction_id: int | None = None
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
    claim_id: str | None = field(default=None, repr=False)
    checks: int = 0
    deadline_seconds: int = 3600
    run_timeout: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancelled_by: int | None = None
    weight: float = 1.0
    reserved_seconds: float = 60.0
    charged_on: date | None = None
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
    file_deployments: tuple[str, ...] = ()
    deleted_at: datetime | None = None
    deleted_by: int | None = None
    erased_at: datetime | None = None
    status_note: str | None = None
    failure_code: str | None = None
    failure_params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    failure_log: str | None = None
    partial: bool = False
    outputs_since: datetime | None = None
    to_check: bool = False
    verdicts: Verdicts | None = None

    @property
    def number(self) -> int:
        """Return the run's number in its batch, as users see it: counted from 1."""
        return self.index + 1

    @property
    def server(self) -> int:
        return self.guild_id or self.requester_id

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def has_result(self) -> bool:
        """Return whether the run's outcome shows outputs, which even an unsuccessful run may have made."""
        return self.state is RunState.SUCCEEDED or self.partial

    @property
    def visible(self) -> tuple[Output, ...]:
        """Return the outputs that may be shown, linked or used: none before they are checked."""
        if not self.to_check:
            return self.outputs
        if self.verdicts is None:
            return ()
        closed = numbers_with(self.verdicts, Verdict.HELD, Verdict.HIDDEN)
        return tuple(each for number, each in enumerate(self.outputs, 1) if number not in closed)

    @property
    def held(self) -> list[int]:
        """Return the numbers of the outputs that wait for a moderator."""
        return numbers_with(self.verdicts, Verdict.HELD) if self.is_shown else []

    @property
    def charge(self) -> Charge:
        """Return what the run costs, as far as it is known.

        An unknown duration costs the reservation, so that nothing of unknown cost is free. A run without a
        queue call, or whose call was refused, costs nothing.
        """
        unstarted = self.final and self.submitted_at is None
        refused = self.state is RunState.REFUSED and self.run_duration is None
        if self.charged_on is None or unstarted or refused:
            return Charge()
        seconds = self.reserved_seconds
        if self.final and self.run_duration is not None:
            seconds = self.run_duration
        failed = self.state in (RunState.FAILED, RunState.REFUSED) and not self.partial
        started = seconds if self.submitted_at is not None else 0
        return Charge(int(not failed), int(failed), seconds, seconds * self.weight, started)

    @property
    def charged_seconds(self) -> float:
        """Return the weighted GPU seconds that count against the budgets."""
        return self.charge.weighted

    @property
    def is_shown(self) -> bool:
        return self.has_result and self.deleted_at is None

    @property
    def is_cancellable(self) -> bool:
        """Return whether cancelling can still have an effect."""
        return not self.final and self.cancel_requested_at is None and self.status_note != "not_cancellable"

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

    def is_restricted(self, marked_now: bool) -> bool:
        """Return whether the result may be shown only in age-restricted channels.

        `marked_now` says whether the operator marks its deployments now, or Discord the channel of the
        request. Marks from the time of the request still count after they were removed.
        """
        return marked_now or self.age_restricted or self.channel_age_restricted

    def interaction_token_at(self, now: datetime) -> str | None:
        """Return the interaction's token, or None if it can no longer be used at the time `now`."""
        if self.interaction_token is None or self.interaction_expires_at is None:
            return None
        return self.interaction_token if now < self.interaction_expires_at - _TOKEN_MARGIN else None


def is_turned_away(runs: Sequence[Run]) -> bool:
    """Return whether moderators ended a whole request before it started, which is told in private."""
    return all(run.state is RunState.REJECTED or run.failure_code == REQUESTER_BLOCKED for run in runs)


def is_hidden(runs: Sequence[Run]) -> bool:
    """Return whether the picture check has left nothing to show of a request, which is told in private.

    Age-restricted requests are told in their channel, because they aren't mentioned in direct messages.
    """
    made = [run for run in runs if run.has_result]
    hidden = any(numbers_with(run.verdicts, Verdict.HIDDEN) for run in made)
    restricted = any(run.age_restricted or run.channel_age_restricted for run in made)
    return hidden and not restricted and not any(run.visible or run.held for run in made)


def is_told_elsewhere(run: Run) -> bool:
    """Return whether another request's outcome also reports this run's end.

    If a block ends several requests, one outcome reports all, and the runs of the others are `quiet`.
    """
    return run.failure_code == REQUESTER_BLOCKED and bool(run.failure_params.get("quiet"))


@dataclass(frozen=True, slots=True)
class Deletions:
    """What was deleted of a request.

    `outcome` means that no message shows its outcome any more, and `partly` that only some results were
    deleted. `by_moderator` is about a result, and `copy_by_moderator` about a copy of one that stays.
    """

    outcome: bool = False
    partly: bool = False
    by_moderator: bool = False
    copy_by_moderator: bool = False


@dataclass(frozen=True, slots=True)
class Erased:
    """The numbers of batches whose data was erased, and of deleted presets.

    `left` has the first run of each batch that is active or has a pending message.
    """

    emptied: int
    left: Sequence[Run] = field(default=())
    presets: int = 0
