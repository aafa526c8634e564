"""The ladder of a message that can't be shown: simpler forms first, then other places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from bot.domain.messages.records import CARDS, EDITS, OUTCOMES, Form, Kind, Message, Place
from bot.domain.runs import DIRECT_UPLOAD_LIMIT, Run, RunState
from bot.domain.transitions import is_told_elsewhere

# A failure counts as ten if it is certainly the message's own, and as one if Discord may not take any posts.
FAILURE = 10
# Three failures of a message count as a refusal.
MAX_FAILURES = 3 * FAILURE
_LONGEST_PAUSE = 600.0
_WATCHED = timedelta(minutes=2)


def start(message: Message, runs: Sequence[Run], now: datetime) -> Place:
    """Return the place that is in use or, if there is none, the first possible one."""
    if message.kind not in OUTCOMES:
        own = Place.DIRECT if message.kind is Kind.NOTICE else Place.CHANNEL
        return max(own, message.place)
    if message.attempt is not None and message.attempt.part.rev == message.wanted_rev:
        return max(message.place, message.attempt.part.place)
    if message.posted and not message.is_complete:
        return max(message.place, message.posted[-1].place)
    is_watched = message.kind is Kind.OUTCOME and all(_is_watched(run, now) for run in runs)
    least = max(message.place, Place.IN_PLACE if is_watched else Place.CHANNEL)
    return next(place for place in Place if place >= least and _is_possible(place, message, runs[0]))


def climb(message: Message, place: Place, run: Run, *, too_large: bool, about_message: bool) -> Message:
    """Return the message with the next form, or with the next place and all its files.

    `about_message` means that Discord has refused the message itself, and `too_large` that it refused the
    files because of their size. A card that is refused anywhere is tried without its files.
    """
    form = _simpler(message, place, run, too_large=too_large)
    if form is not None and (about_message or too_large or message.kind in CARDS):
        return replace(message, form=form, place=place)
    next_place = next(
        each for each in Place if each is Place.RUNS or (each > place and _is_possible(each, message, run))
    )
    return replace(message, form=Form.FILES, place=next_place)


def _simpler(message: Message, place: Place, run: Run, *, too_large: bool) -> Form | None:
    if message.kind is Kind.NOTICE:
        return None
    if message.kind in CARDS:
        return Form.LINKS if message.form is Form.FILES else None
    if message.form is Form.FILES and too_large and upload_limit(run, place) > DIRECT_UPLOAD_LIMIT:
        return Form.SMALL
    if message.form < Form.LINKS:
        return Form.LINKS
    return Form.WORDS if message.form is Form.LINKS else None


def _is_possible(place: Place, message: Message, run: Run) -> bool:
    """Return whether a place exists for a message. A private result never has a channel."""
    if place is Place.RUNS:
        return True
    if message.kind in OUTCOMES:
        if place is Place.CHANNEL:
            return not run.needs_interaction
        if place in EDITS:
            # The answer to a batch shows the whole batch, and no part of what was posted elsewhere.
            begun = message.posted if not message.is_complete else ()
            return message.kind is Kind.OUTCOME and all(part.place in EDITS for part in begun)
        return True
    return False


def upload_limit(run: Run, place: Place) -> int:
    return DIRECT_UPLOAD_LIMIT if place is Place.DIRECT else run.upload_limit


def _is_watched(run: Run, now: datetime) -> bool:
    """Return whether editing the answer is enough, so that no new message has to ping the requester.

    This is the case if the run was refused and the request is less than two minutes old, or if the requester
    cancelled the run and it has no result. It is also the case if another request's outcome reports its end.
    """
    if is_told_elsewhere(run):
        return True
    if run.state is RunState.REFUSED:
        return now - run.created_at < _WATCHED
    by_requester = run.state is RunState.CANCELLED and run.failure_code == "cancelled_by_requester"
    return by_requester and not run.partial


def pause_after(failures: int, random: Random) -> timedelta:
    """Return the pause after failures: at first a second or, if they certainly are the message's own, more.

    It grows up to ten minutes, and varies so that retries don't come in bursts.
    """
    return timedelta(seconds=min(2.0 ** (0.3 * failures), _LONGEST_PAUSE) * random.uniform(0.5, 1))
