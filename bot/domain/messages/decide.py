"""Decide what a message should show, and whether that takes a post, an edit or a deletion."""

from __future__ import annotations

from enum import Enum, auto

from bot.domain.messages.records import COPIES, Claim, Kind, Message, Shows
from bot.domain.runs import RunState
from bot.domain.transitions import is_told_elsewhere


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
        return Shows.NOTICE if claim.run.report_channel_id is not None else Shows.CLOSED
    if not claim.results:
        return Shows.NOTHING if all(map(is_told_elsewhere, claim.runs)) else Shows.NOTICE
    if not claim.shown:
        return Shows.NOTHING
    if withheld:
        return Shows.WITHHELD
    is_partial = kind not in COPIES and len(claim.about) == 1 and claim.shown[0].partial
    return Shows.PARTIAL if is_partial else Shows.RESULT


def decide(message: Message, wanted: Shows) -> Act:
    """Return how Discord comes to show what is wanted.

    A new message, with a ping, is posted only if more is to be shown than before, or if a crash came between
    a post and a change of what may be shown.
    """
    posted = message.posted
    if wanted is Shows.NOTHING:
        return Act.DELETE
    if not posted:
        return Act.POST if wanted > Shows.CLOSED else Act.DELETE
    if wanted is posted[0].shows:
        return Act.EDIT if message.is_complete else Act.CONTINUE
    is_finished = message.is_complete and posted[0].rev < message.wanted_rev
    return Act.EDIT if is_finished and wanted < posted[0].shows else Act.POST
