"""Moderators' decisions, blocks of users, and records of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from bot.domain.errors import RefusedError
from bot.domain.messages import MessageRef
from bot.domain.requests import Actor
from bot.domain.runs import FINAL, REQUESTER_BLOCKED, Run, RunState

REPORT_REASONS = ("rules", "harassment", "sexual", "other")
NOTE_LENGTH = 300


class Report(NamedTuple):
    """A report of a result, by one person, with the reason and the note as moderators read them."""

    person_id: int
    reason: str
    note: str = ""


def check_undecided(moderator_id: int, *batch: Run) -> None:
    """Raise RefusedError unless all runs await approval and this moderator requested none of them."""
    for run in batch:
        if run.state is not RunState.AWAITING_APPROVAL:
            if run.decided_by is not None:
                raise RefusedError("already_decided", person=run.decided_by)
            raise RefusedError("review_over")
        if run.requester_id == moderator_id:
            raise RefusedError("own_request")


def check_shown(*batch: Run) -> None:
    """Raise RefusedError if none of the runs has a result, or if all their results were deleted."""
    if not any(run.is_shown for run in batch):
        raise RefusedError("already_deleted" if any(run.deleted_at for run in batch) else "no_result")


def may_delete(run: Run, actor: Actor, channel_id: int | None = None) -> bool:
    """Return whether a user may delete a run's messages in this channel, by default that of the request."""
    manages = actor.manages_messages and actor.origin.channel_id == (channel_id or run.channel_id)
    return run.requester_id == actor.id or (manages and not run.private)


UNTIL_UNBLOCKED = "open"
# The durations that moderators can choose for a block. None lasts until a moderator lifts the block.
BLOCK_DURATIONS: Mapping[str, timedelta | None] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    UNTIL_UNBLOCKED: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block that keeps a user from generating on a server. `until` is None if it doesn't expire."""

    guild_id: int
    user_id: int
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: int

    @property
    def params(self) -> dict[str, object]:
        """Return the failure params of runs that the block ends. `until` is 0 if the block doesn't expire."""
        until = int(self.until.timestamp()) if self.until is not None else 0
        return {"until": until, **({"reason": self.reason} if self.reason else {})}


# The outcome of a run that ended unsuccessfully and made outputs.
PARTIAL = "partial"
# The outcomes of requests that were accepted.
OUTCOMES = (*(state.value for state in RunState if state in FINAL), REQUESTER_BLOCKED, PARTIAL)


class AuditAction(StrEnum):
    REQUEST = "request"
    REFUSAL = "refusal"
    OUTCOME = "outcome"
    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    CANCEL = "cancel"
    DELETE = "delete"
    REPORT = "report"
    DISMISS = "dismiss"
    BLOCK = "block"
    UNBLOCK = "unblock"
    SETTINGS = "settings"
    PAUSE = "pause"
    RESUME = "resume"
    PRIVACY = "privacy"
    DISCARD = "discard"
    SHARE = "share"
    OPEN_PRIVATE = "open_private"
    POST = "post"
    DELETE_COPY = "delete_copy"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry of the audit log.

    An `actor_id` of None means the bot itself. `subject_id` is the user whom the entry is about. `run_key` is
    that of the run, or of the first run if the entry is about a whole request. `details` are readable texts
    by their labels, without secrets, except `runs`, the number of runs, and `changes`, which are lists of a
    label, the old text and the new one, with mentions and escapes.
    """

    at: datetime
    guild_id: int | None
    action: AuditAction
    actor_id: int | None = None
    subject_id: int | None = None
    run_key: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A stored entry with its id, and what moderators see of its request.

    `prompt` is that of the request, even if it was refused at once. `message` shows the request's results or,
    until there are some, its status or review card. For a private request, `prompt` and `message` are None.
    `message` is also None if only the requester can open it, or if the results were deleted. `may_open` means
    that moderators may open the request's private results.
    """

    id: int
    entry: AuditEntry
    prompt: str | None = None
    message: MessageRef | None = None
    may_open: bool = False


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """A filter for the audit log; 0 and an empty text match everything.

    `since` and `until` are days, counted back from now. `outcome` "refused" also matches requests that were
    refused immediately, whose outcome is the rule's code, and requests that a block ended.
    """

    subject: int = 0
    actor: int = 0
    outcome: str = ""
    action: str = ""
    since: int = 0
    until: int = 0
    deployment: str = ""
