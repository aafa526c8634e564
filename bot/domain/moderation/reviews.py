"""Check whether moderators can still decide about a request or a report, and who may delete a result."""

from __future__ import annotations

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
