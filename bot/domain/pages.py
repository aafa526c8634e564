"""The pages of lists, and what `/runs` lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from bot.domain.messages.records import MessageRef
from bot.domain.runs import Deletions, Run

# Entries on one page of a list. Ten lines of the audit log fit into a message, which holds 4,000 characters.
PAGE_SIZE = 10
T = TypeVar("T")


def first_page(found: Sequence[T]) -> tuple[Sequence[T], bool]:
    """Return the entries of a page, and whether more follow. `found` has one entry too many, if there are."""
    return found[:PAGE_SIZE], len(found) > PAGE_SIZE


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
