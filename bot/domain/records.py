"""Records that the store returns: audit entries, blocks, a person's own data. And the page sizes of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.runs import FINAL, Run, RunState

RUNS_SHOWN = 10
QUEUE_SHOWN = 10


@dataclass(frozen=True, slots=True)
class BlockResult:
    """`until` None: until somebody lifts it; `ended` requests of theirs waited and have ended."""

    until: datetime | None
    ended: int


class AuditButton(StrEnum):
    """What a button does."""

    OLDER = "o"
    NEWER = "n"
    FILE = "c"


OUTCOMES = tuple(state for state in RunState if state in FINAL)


class AuditAction(StrEnum):
    """What can stand in the record."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the record. `actor_id` None is the bot itself; `details` is small JSON without secrets."""

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
class AuditCursor:
    """A place in the record: a line's time and number. It stays valid when the line itself is gone."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its number."""

    id: int
    entry: AuditEntry

    @property
    def cursor(self) -> AuditCursor:
        return AuditCursor(self.entry.at, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """None lets everything through. `since` is included, `until` is not.

    `outcome` "refused" also finds requests refused at once, whose own outcome is the rule that refused them.
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
    """Newest first; `older` and `newer` are where to go on, None where the record ends."""

    lines: Sequence[StoredEntry]
    older: AuditCursor | None
    newer: AuditCursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveBlock:
    """A block as it stands; `until` None: until somebody lifts it."""

    user_id: int
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: int


@dataclass(frozen=True, slots=True)
class OwnBlock:
    """A block as the blocked person may see it: not who made it."""

    guild_id: int
    reason: str | None
    until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OwnPreset:
    """A preset of one's own, or one made for a server (`guild_id`)."""

    guild_id: int | None
    name: str
    deployment: str
    inputs: Mapping[str, object]
    gpu: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did: requests emptied, and those left because something is still owed for them."""

    emptied: int
    left: Sequence[Run] = field(default=())
