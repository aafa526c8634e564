"""Decide what a message should show, and whether that takes a post, an edit or a deletion."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from bot.domain.messages.records import COPIES, Claim, Kind, Part, Shows
from bot.domain.runs import RunState


class Act(Enum):
    """What has to be done. CONTINUE posts the parts that are missing; EDIT changes nothing if it can."""

    POST = auto()
    CONTINUE = auto()
    EDIT = auto()
    DELETE = auto()


def wants(claim: Claim, *, withheld: bool = False) -> Shows:
    """Return what a message should show. `withheld` says that its place may not show the result."""
    kind, message = claim.message.kind, claim.message
    if message.deleted_by is not None:
        return Shows.NOTHING
    if kind is Kind.REVIEW:
        awaits = claim.first.state is RunState.AWAITING_APPROVAL
        return Shows.NOTICE if awaits else Shows.CLOSED
    if kind is Kind.REPORT:
        is_open = claim.run.report_channel_id is not None and any(run.is_shown for run in claim.about)
        return Shows.NOTICE if is_open else Shows.CLOSED
    if kind is Kind.NOTICE or not claim.results:
        return Shows.NOTICE
    if not claim.shown:
        return Shows.NOTHING
    if withheld:
        return Shows.WITHHELD
    is_partial = kind not in COPIES and len(claim.about) == 1 and claim.shown[0].partial
    return Shows.PARTIAL if is_partial else Shows.RESULT


def decide(posted: Sequence[Part], wanted: Shows) -> Act:
    """Return how Discord comes to show what is wanted, where it shows `posted`.

    A new message, with a ping, is posted only if more is to be shown than before.
    """
    if wanted is Shows.NOTHING:
        return Act.DELETE
    if not posted:
        return Act.POST if wanted > Shows.CLOSED else Act.DELETE
    shown = posted[0].shows
    if len(posted) < posted[-1].of:
        return Act.CONTINUE if wanted is shown else Act.POST
    return Act.POST if wanted > shown else Act.EDIT
