"""The size of the pages of lists, and records of the pages of a user's runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.messages.records import MessageRef
from bot.domain.runs import Deletions, Run

# Entries on one page of a list. Ten lines of the audit log fit into a message, which holds 4,000 characters.
PAGE_SIZE = 10


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
class RunCursor:
    """A position in a list of a user's runs. It stays valid if the run at this position is deleted."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Selects a page of a user's runs, from `cursor` in one direction, or the newest page without one."""

    run_filter: RunFilter = RunFilter.ALL
    direction: Direction = Direction.OLDER
    cursor: RunCursor | None = None


NEWEST = RunsPage()


@dataclass(frozen=True, slots=True)
class RunListEntry:
    """A batch, whether its result is undelivered, and the first message of its outcome, if there is one."""

    batch: Sequence[Run]
    undelivered: bool
    message: MessageRef | None
    deletions: Deletions = field(default_factory=Deletions)

    @property
    def first(self) -> Run:
        return self.batch[0]

    @property
    def can_be_reopened(self) -> bool:
        """Return whether this is a private result that was shown and hasn't been deleted or erased.

        Its requester may want to open it again, because Discord drops ephemeral messages on a reload.
        """
        was_shown = self.first.private and self.message is not None and not self.undelivered
        return was_shown and any(run.is_shown and run.erased_at is None for run in self.batch)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of batches, newest first. `older` and `newer` lead to the adjacent pages, or are None."""

    entries: Sequence[RunListEntry]
    older: RunCursor | None = None
    newer: RunCursor | None = None
