"""Decisions of moderators: who may still decide about a request or a report, and blocks of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from bot.domain.errors import RefusedError
from bot.domain.requests import Actor
from bot.domain.runs import Run, RunState

REPORT_REASONS = ("rules", "harassment", "sexual", "other")
NOTE_LENGTH = 300


class Report(NamedTuple):
    """A report of a result, by one person, with the reason and the note as moderators read them."""

    person_id: int
    reason: str
    note: str = ""


def has_decided(run: Run, moderator_id: int, *, rejected: bool) -> bool:
    """Return whether this moderator has already made the same decision about the run.

    The decision is a rejection if `rejected` is True, and an approval otherwise.
    """
    return run.decided_by == moderator_id and (run.state is RunState.REJECTED) is rejected


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


def may_delete(run: Run, actor: Actor, *, channel_id: int | None = None) -> bool:
    """Return whether a user may delete a run's messages without being a moderator of its server.

    `channel_id` is the channel of the messages, by default that of the request.
    """
    manages = actor.manages_messages and actor.origin.channel_id == (channel_id or run.channel_id)
    return run.requester_id == actor.id or (manages and not run.private)


UNTIL_UNBLOCKED = "open"
# The durations that moderators can choose for a block. None lasts until a moderator lifts the block.
BLOCK_DURATIONS: Mapping[str, timedelta | None] = MappingProxyType(
    {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
        "month": timedelta(days=30),
        UNTIL_UNBLOCKED: None,
    }
)


def block_duration(choice: str | None) -> timedelta | None:
    """Return the duration of a choice, by default until unblocked. Raises RefusedError if it isn't offered.

    The value may come from another version's command or form, and a mistake must not block a user forever.
    """
    name = choice or UNTIL_UNBLOCKED
    if name not in BLOCK_DURATIONS:
        raise RefusedError("block_duration_unknown")
    return BLOCK_DURATIONS[name]


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
