"""Records of the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.messages.records import MessageRef
from bot.domain.runs import FINAL, RunState
from bot.domain.transitions import REQUESTER_BLOCKED


class AuditButton(StrEnum):
    """The action of a button under the audit log."""

    OLDER = "o"
    NEWER = "n"
    FILE = "c"


# The outcome of a run that ended unsuccessfully and made outputs.
PARTIAL = "partial"
# The outcomes of requests that were accepted.
OUTCOMES = (*(state.value for state in RunState if state in FINAL), REQUESTER_BLOCKED, PARTIAL)


def recorded_outcome(state: RunState, *, failure_code: object, partial: bool) -> str:
    """Return a run's outcome, which names the same end as the title of its message."""
    if failure_code == REQUESTER_BLOCKED:
        return REQUESTER_BLOCKED
    return PARTIAL if partial else state.value


class AuditAction(StrEnum):
    """The kind of an audit entry."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry of the audit log.

    An `actor_id` of None means the bot itself. `subject_id` is the user whom the entry is about. A page may
    list entries with the same `request_key` as one. `details` is small JSON without secrets.
    """

    at: datetime
    guild_id: int | None
    action: AuditAction
    actor_id: int | None = None
    subject_id: int | None = None
    run_key: str | None = None
    request_key: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """A position in the audit log. It stays valid if the entry at this position is deleted."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A stored entry with its id.

    `count` is the number of entries that a page lists as this one, including this one. `prompt` is the prompt
    of the entry's run. `message` shows the run's result or, until there is one, its status or review card.
    For a private run, `prompt` and `message` are None. `message` is also None if only the requester can open
    it, or if the result was deleted. `may_open` means that moderators may open the run's private result.
    """

    id: int
    entry: AuditEntry
    prompt: str | None = None
    message: MessageRef | None = None
    count: int = 1
    may_open: bool = False

    @property
    def cursor(self) -> AuditCursor:
        return AuditCursor(self.entry.at, self.id)

    def with_run(
        self, prompt: str | None, message: MessageRef | None, *, private: bool, may_open: bool
    ) -> StoredEntry:
        """Return the entry with what its page shows of the run, which is nothing if the run is `private`.

        Moderators may open the result of a private run, and the opening is recorded.
        """
        if private:
            return replace(self, may_open=may_open)
        return replace(self, prompt=prompt, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """A filter for the audit log; None matches everything. `since` is inclusive, `until` exclusive.

    `outcome` "refused" also matches requests that were refused immediately, whose outcome is the rule's code,
    and requests that a block ended.
    """

    subject: int | None = None
    actor: int | None = None
    deployment: str | None = None
    outcome: str | None = None
    action: AuditAction | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the audit log, newest first. `older` and `newer` lead to the adjacent pages, None if there is
    none.
    """

    lines: Sequence[StoredEntry]
    older: AuditCursor | None
    newer: AuditCursor | None
