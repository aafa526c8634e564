"""Decide what a message should show, and whether that takes a post, an edit or a deletion.

A message that can't be shown has fallbacks: simpler forms first, then other places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto
from random import Random

from bot.domain.messages.records import CARDS, COPIES, OUTCOMES, Claim, Form, Kind, Message, Place, Shows
from bot.domain.runs import Run, RunState, is_hidden, is_told_elsewhere, is_turned_away

# A failure counts as ten if it is certainly the message's own, and as one if Discord may not take any posts.
FAILURE = 10
# Three failures of a message count as a refusal.
MAX_FAILURES = 3 * FAILURE
_LONGEST_PAUSE = 600.0
_WATCHED = timedelta(minutes=2)


def start(message: Message, runs: Sequence[Run]) -> Place:
    """Return the place that is in use or, if there is none, the first possible one."""
    order = _order(message, runs)
    if message.kind not in OUTCOMES:
        return _later(order, message.place)
    if message.attempt is not None and message.attempt.part.rev == message.wanted_rev:
        return _later(order, message.place, message.attempt.part.place)
    if message.posted and not message.is_complete:
        return _later(order, message.place, message.posted[-1].place)
    least = order.index(_later(order, message.place))
    return next(place for place in order[least:] if _is_possible(place, message, runs[0]))


def climb(message: Message, place: Place, runs: Sequence[Run], *, about_message: bool) -> Message:
    """Return the message with the next form, or with the next place and all its files.

    `about_message` means that Discord has refused the message itself. A card that is refused anywhere is
    tried without its files.
    """
    order, run = _order(message, runs), runs[0]
    # A letter has a few lines, without anything to leave out.
    is_letter = order is _PRIVATE_FIRST and place is Place.DIRECT
    simplest = Form.FILES if is_letter else Form.LINKS if message.kind in CARDS else Form.WORDS
    if message.form < simplest and (about_message or message.kind in CARDS):
        return replace(message, form=Form(message.form + 1), place=place)
    others = order[order.index(place) + 1 :]
    next_place = next((each for each in others if _is_possible(each, message, run)), Place.RUNS)
    return replace(message, form=Form.FILES, place=next_place)


_PRIVATE_FIRST = (Place.DIRECT, Place.CHANNEL, Place.ANSWER, Place.RUNS)
_ANSWER_FIRST = (Place.ANSWER, Place.CHANNEL, Place.DIRECT, Place.RUNS)


def _order(message: Message, runs: Sequence[Run]) -> Sequence[Place]:
    is_private = is_turned_away(runs) or (is_hidden(runs) and not runs[0].needs_interaction)
    if message.kind is Kind.OUTCOME and is_private:
        return _PRIVATE_FIRST
    return _ANSWER_FIRST if message.kind is Kind.OUTCOME and is_watched(runs) else tuple(Place)


def _later(order: Sequence[Place], *places: Place | None) -> Place:
    """Return the last of some places in this order. None counts as the first."""
    return order[max(order.index(place) if place is not None else 0 for place in places)]


def _is_possible(place: Place, message: Message, run: Run) -> bool:
    """Return whether a place exists for a message. A private result never has a channel."""
    if message.kind not in OUTCOMES:
        return place is Place.RUNS
    if place is Place.CHANNEL:
        return not run.needs_interaction
    if place is Place.ANSWER:
        # The answer to a batch shows the whole batch, and no part of what was posted elsewhere.
        begun = message.posted if not message.is_complete else ()
        return message.kind is Kind.OUTCOME and all(part.place is Place.ANSWER for part in begun)
    return True


def is_watched(runs: Sequence[Run]) -> bool:
    """Return whether editing the answer is enough, so that no new message has to ping the requester.

    This is the case if each run was refused less than two minutes after the request, or if the requester
    cancelled it and it has no result.
    """
    for run in runs:
        took = run.ended_at - run.created_at if run.ended_at is not None else _WATCHED
        was_refused = run.state is RunState.REFUSED and took < _WATCHED
        was_cancelled = run.state is RunState.CANCELLED and run.failure_code == "cancelled_by_requester"
        if not was_refused and not (was_cancelled and not run.partial):
            return False
    return True


def pause_after(failures: int, random: Random) -> timedelta:
    """Return the pause after failures: at first a second or, if they certainly are the message's own, more.

    It grows up to ten minutes, and varies so that retries don't come in bursts.
    """
    return timedelta(seconds=min(2.0 ** (0.3 * failures), _LONGEST_PAUSE) * random.uniform(0.5, 1))


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
    if kind is Kind.PICTURES:
        return Shows.NOTICE if any(run.held for run in claim.runs) else Shows.CLOSED
    if not claim.results:
        return Shows.NOTHING if all(map(is_told_elsewhere, claim.runs)) else Shows.NOTICE
    if not claim.shown:
        return Shows.NOTHING
    is_held = kind in OUTCOMES and any(run.held for run in claim.shown)
    if is_held and not any(run.visible for run in claim.shown):
        return Shows.HELD
    if withheld:
        return Shows.WITHHELD
    if is_held:
        return Shows.SOME
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
    if wanted is Shows.HELD:
        return Act.EDIT  # what is posted stays until a moderator has decided
    if wanted is posted[0].shows:
        return Act.EDIT if message.is_complete else Act.CONTINUE
    is_finished = message.is_complete and posted[0].rev < message.wanted_rev
    return Act.EDIT if is_finished and wanted < posted[0].shows else Act.POST
